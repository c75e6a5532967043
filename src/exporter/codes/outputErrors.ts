import { floatsOf, type TensorReader, type TensorSlab } from '../../analysis/tensorReader';
import { addSums, noSums } from '../../analysis/metrics';
import type { ConvertedTensor } from '../../architectures/convertedTensor';
import { loadNative, type ErrorSums, type HessianFactor, type TensorRange } from '../../native';
import { deadColumns, factorOf } from '../../quant/columns/factor';
import { lossesOf } from '../../quant/columns/quantizeColumns';
import { clearColumns } from '../../quant/columns/rows';
import { fakeQuantize } from '../../quant/fakeQuantize';
import type { QuantFormat } from '../../quant/format';
import { expertsOf, type CodeFinder } from './codeFinder';

export interface OutputErrorOptions {
  readonly converted: ConvertedTensor;
  /** Of each column, expert after expert; for encoders where codes are not optimised. */
  readonly importance?: Float32Array | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Error sums of a slab with optimised codes, or those of the format's encoder where codes of the format cannot be found. Squares are those of the
 * matrix's outputs over the calibration text: Σ d·H·dᵀ over the rows d of x − x', and of x.
 * @returns undefined where the inputs of the tensor were not measured, or its rows are read in parts.
 * @throws QuantscopeError MODEL_FILE naming the first weight that is not finite; REQUEST for a Hessian that cannot be factorized.
 */
export async function outputErrors(
  finder: CodeFinder,
  reader: TensorReader,
  slab: TensorSlab,
  format: QuantFormat,
  range: TensorRange,
  { converted, importance, signal }: OutputErrorOptions,
): Promise<ErrorSums | undefined> {
  const { columns } = reader;
  const perExpert = reader.elements / expertsOf(converted);
  const { hessian } = await finder.evidenceOf(converted, Math.floor(slab.firstWeight / perExpert));
  if (!hessian || slab.columns !== columns) return undefined;
  const { bad } = await loadNative().measureRange(slab.dtype, slab.data, signal);
  if (bad) throw reader.badWeight(slab, bad);
  const values = await floatsOf(slab, signal);
  let sums = noSums;
  for (let first = 0; first < slab.weights;) {
    const expert = Math.floor((slab.firstWeight + first) / perExpert);
    const end = Math.min(slab.weights, (expert + 1) * perExpert - slab.firstWeight);
    const rows = values.subarray(first, end);
    const own = await finder.evidenceOf(converted, expert);
    clearColumns(rows, columns, deadColumns(own.hessian!));
    const decoded = rows.slice();
    const firstRow = (slab.firstWeight + first - expert * perExpert) / columns;
    if (!(await finder.replace({ converted, expert, firstRow }, format.id, decoded))) {
      const weights = importance?.subarray(expert * columns, (expert + 1) * columns);
      await fakeQuantize(format, decoded, columns, range, { importance: weights, signal });
    }
    clearColumns(decoded, columns, deadColumns(own.hessian!));
    const factor = await factorOf(own.hessian!, lossFactor, converted.name, signal);
    sums = addSums(sums, await sumsOf(factor, rows, decoded, signal));
    first = end;
  }
  return sums;
}

/** As the method factorizes, but in an order and in blocks that any format has. */
const lossFactor = { damping: 0.01, order: 'none', block: 256 } as const;

async function sumsOf(
  factor: HessianFactor,
  values: Float32Array,
  decoded: Float32Array,
  signal: AbortSignal | undefined,
): Promise<ErrorSums> {
  const zeros = new Float32Array(values.length);
  const squares = async (a: Float32Array, b: Float32Array): Promise<number> =>
    (await lossesOf(factor, a, b, signal)).reduce((sum, loss) => sum + loss, 0);
  let maxError = 0;
  for (let i = 0; i < values.length; i++) maxError = Math.max(maxError, Math.abs(values[i]! - decoded[i]!));
  return {
    count: values.length,
    source: await squares(values, zeros),
    decoded: await squares(decoded, zeros),
    error: await squares(values, decoded),
    maxError,
  };
}
