import { checkTensor } from '../../analysis/verify/checkTensor';
import { Faults } from '../../analysis/verify/faults';
import { scanWeights } from '../../analysis/scanWeights';
import { TensorReader } from '../../analysis/tensorReader';
import { sameWeights } from '../../architectures/sameWeights';
import { dtypeNamed } from '../../model/dtypes';
import { throwIfCancelled } from '../../model/errors';
import type { Model } from '../../model/model';
import { holdsWeights, isQuantizable, tensorRole } from '../../model/roles';
import { matrixOf, readAs } from '../../model/rows';
import type { ScanResult } from '../../native';
import { plural } from '../../protocol/words';
import type { TensorDescriptor } from '../../protocol/model';
import { said } from '../../protocol/said';
import type { Check, CheckContext, Found } from '../check';

/** The largest number of half precision. */
const largestHalf = 65504;
/** Smaller tensors may well be equal. */
const leastDuplicate = 1024;

/** Weights: each tensor is read once, those that may be equal a second time; the blocks of quantized GGUF tensors, too. */
export const valuesCheck: Check = {
  codes: [
    ...([
      'values/nan',
      'values/infinite',
      'values/all-zero',
      'values/dead-rows',
      'values/dead-columns',
    ] as const),
    ...(['values/f16-overflow', 'values/bad-scale', 'values/duplicate'] as const),
  ],
  async run({ model }, context) {
    if (!model) return;
    const likely = new Map<string, TensorDescriptor[]>();
    const { tensors } = model.description;
    const names = new Set(tensors.map(({ name }) => name));
    for (const tensor of tensors) {
      if (!tensor.readable || tensor.elements === 0 || !holdsWeights(tensor)) continue;
      if (isPacked(tensor, names)) continue;
      throwIfCancelled(context.signal);
      const result = await scanned(model, tensor, context);
      for (const found of faultsOf(tensor, result)) context.report({ ...placeOf(tensor), ...found });
      await blockScales(model, tensor, context);
      await duplicates(model, tensor, result, likely, context);
      context.onBytes(tensor.name, tensor.byteLength);
    }
  },
};

/** Codes of bitsandbytes in a column of floats ("quant_storage") whose layout is not known: their bits are no numbers. */
const isPacked = ({ name, shape }: TensorDescriptor, names: ReadonlySet<string>): boolean =>
  shape.length === 2 &&
  shape[1] === 1 &&
  (names.has(`${name}.absmax`) || names.has(name.replace(/[^.]*$/, 'absmax')));

const placeOf = ({ file, name, offset }: TensorDescriptor) => ({ file, tensor: name, offset });

async function scanned(
  model: Model,
  tensor: TensorDescriptor,
  { signal }: CheckContext,
): Promise<ScanResult> {
  const { rows, columns } = matrixOf(tensor.shape);
  const options = {
    ...{
      dtype: readAs(tensor).dtype,
      rows,
      columns,
      cellRows: Math.max(1, rows),
      cellColumns: Math.max(1, columns),
    },
    ...{ bins: 0, percentiles: [], thresholds: [] },
  };
  const reader = new TensorReader(model, tensor, { holds: false });
  return (await scanWeights(reader, options, { signal })).result;
}

/** What is wrong with the values of a tensor. */
function* faultsOf(tensor: TensorDescriptor, result: ScanResult): Generator<Pick<Found, 'code' | 'message'>> {
  const { nans, infinities, absMax, zeros, count } = result;
  const all = plural(count, 'weight');
  if (nans > 0)
    yield {
      code: 'values/nan',
      message: nans === 1 ? said`1 of ${all} is NaN.` : said`${nans} of ${all} are NaN.`,
    };
  if (infinities > 0)
    yield {
      code: 'values/infinite',
      message:
        infinities === 1 ? said`1 of ${all} is infinite.` : said`${infinities} of ${all} are infinite.`,
    };
  if (!isQuantizable(tensor)) return;
  if (absMax > largestHalf)
    yield {
      code: 'values/f16-overflow',
      message: said`The largest weight is ${absMax.toPrecision(6)}: in half precision, which ends at ${largestHalf}, it is infinite.`,
    };
  const { role } = tensorRole(tensor.name);
  if (zeros === count) {
    yield { code: 'values/all-zero', message: said`All weights are 0.` };
    return;
  }
  if (tensor.shape.length !== 2 || role === 'token_embd' || role === 'output') return; // rows of unused tokens
  const [rows, columns] = [deadIn(result.rowAbsMax), deadIn(result.columnAbsMax)];
  const [allRows = 0, allColumns = 0] = tensor.shape;
  if (rows > 0)
    yield {
      code: 'values/dead-rows',
      message:
        rows === 1
          ? said`1 row of ${allRows} has no weight other than 0.`
          : said`${plural(rows, 'row')} of ${allRows} have no weight other than 0.`,
    };
  if (columns > 0)
    yield {
      code: 'values/dead-columns',
      message:
        columns === 1
          ? said`1 column of ${allColumns} has no weight other than 0.`
          : said`${plural(columns, 'column')} of ${allColumns} have no weight other than 0.`,
    };
}

const deadIn = (absMax: Float32Array): number =>
  absMax.reduce((count, value) => count + (value === 0 ? 1 : 0), 0);

/** Scales of blocks of GGUF files, which may be saturated where all weights are finite. */
async function blockScales(
  model: Model,
  tensor: TensorDescriptor,
  { report, signal }: CheckContext,
): Promise<void> {
  if (tensor.stored || (dtypeNamed(tensor.dtype)?.block ?? 1) === 1) return;
  const faults = new Faults();
  const { name, dtype, shape, offset, byteLength: bytes } = tensor;
  const source = model.source(tensor.file);
  await checkTensor({ name, dtype, shape, offset, bytes }, { source, chunkBytes: 1 << 20, faults, signal });
  for (const { message, offset: at = offset } of faults.list)
    report({ code: 'values/bad-scale', file: tensor.file, tensor: name, offset: at, message });
}

/** Tensors with the same figures are compared weight by weight. The output may be the embedding. */
async function duplicates(
  model: Model,
  tensor: TensorDescriptor,
  result: ScanResult,
  likely: Map<string, TensorDescriptor[]>,
  { report, signal }: CheckContext,
): Promise<void> {
  if (!isQuantizable(tensor) || tensor.elements < leastDuplicate || result.zeros === result.count) return;
  const { mean, rms, min, max, zeros } = result;
  const figures = JSON.stringify([tensor.shape, tensor.dtype, mean, rms, min, max, zeros]);
  const others = likely.get(figures) ?? [];
  likely.set(figures, [...others, tensor]);
  for (const other of others) {
    const roles = [tensorRole(tensor.name).role, tensorRole(other.name).role];
    if (roles.includes('token_embd') && roles.includes('output')) continue;
    if (isShared(tensor, other) || !(await sameWeights(model, tensor, other, signal))) continue;
    report({
      ...placeOf(tensor),
      code: 'values/duplicate',
      message: said`The weights are those of ${other.name}, bit by bit.`,
    });
    return;
  }
}

/** PyTorch files show tied tensors several times. */
const isShared = (a: TensorDescriptor, b: TensorDescriptor): boolean =>
  a.file === b.file && a.offset === b.offset;
