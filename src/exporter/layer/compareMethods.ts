import { TensorReader } from '../../analysis/tensorReader';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import { matrixOf } from '../../model/rows';
import { loadNative, type TensorRange } from '../../native';
import type { StoredEvidence } from '../../protocol/evidence';
import type { BiasFigures, MethodCell, MethodResult, MethodRow } from '../../protocol/methods';
import type { TensorDescriptor } from '../../protocol/model';
import type { MethodOptions } from '../../protocol/recipe';
import type { EvidenceSource } from '../../quant/evidence';
import { methodEvidence } from '../../quant/evidence';
import type { Method } from '../../quant/methods/method';
import { checkedOptions } from '../../quant/methods/options';
import { readRows } from '../checkpoint/readRows';
import { eachSlab, type LayerWork } from './layerSlabs';
import type { LayerTarget } from './layerTarget';
import { biasOfLayer, layoutsFor } from './saveLayer';
import { outputEnergy, OutputMeter, type SampledOutputs } from './outputMeter';

/** Bins of the histograms. */
const bins = 160;

/** What is known of the inputs of a model's matrices. */
export interface KnownInputs {
  readonly stored: StoredEvidence;
  readonly source: EvidenceSource;
}

export interface CompareMethodsOptions {
  readonly known?: KnownInputs | undefined;
  readonly options?: Readonly<Record<string, MethodOptions>> | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** A tensor in one grid by several methods: error and size, and where calibration kept inputs the error of the outputs. Nothing is written. */
export async function compareMethods(
  model: Model,
  tensor: TensorDescriptor,
  target: LayerTarget,
  methods: readonly Method[],
  { known, options = {}, signal, onProgress }: CompareMethodsOptions = {},
): Promise<MethodRow> {
  const reader = new TensorReader(model, tensor);
  if (reader.elements === 0 || tensor.shape.length < 2)
    throw new QuantscopeError('REQUEST', 'Methods quantize matrices; this tensor is not one.', {
      ...{ file: tensor.file, tensor: tensor.name },
    });
  const range = await reader.range({ signal });
  const facts = {
    range,
    sampled: await sampledOutputs(model, tensor, known, signal),
    isMeasured: await inputsMeasured(tensor, known, signal),
  };
  const total = methods.length * tensor.elements;
  let done = 0;
  const cells: MethodCell[] = [];
  for (const method of methods) {
    const work = { model, tensor, target, method, evidence: known?.source, signal };
    const given = checkedOptions(method, options[method.id]);
    const onWeights = (weights: number): void => onProgress?.((done += weights), total);
    cells.push(await cellOf({ ...work, options: given, onWeights }, known?.stored, facts));
  }
  return {
    tensor: tensor.name,
    grid: { name: target.name, label: target.label },
    sourceBytes: tensor.byteLength,
    histogram: { ...range, counts: await countsOf(reader, range, signal) },
    ...(known ? { evidence: known.stored } : {}),
    cells,
  };
}

async function countsOf(
  reader: TensorReader,
  { min, max }: TensorRange,
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const counts = new Array<number>(bins).fill(0);
  for await (const { values } of reader.values(signal))
    (await loadNative().histogram(values, min, max, bins)).forEach((count, bin) => (counts[bin]! += count));
  return counts;
}

/** What the cells of a row share. */
interface RowFacts {
  readonly range: TensorRange;
  readonly sampled: SampledOutputs | undefined;
  /** Whether calibration measured the inputs of the matrix. */
  readonly isMeasured: boolean;
}

/** Whether calibration measured the inputs of a tensor: it does for the matrices that a forward pass multiplies by. */
async function inputsMeasured(
  { name }: TensorDescriptor,
  known: KnownInputs | undefined,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const found = await known?.source.for(name, 'importance', { signal });
  return found?.importance !== undefined;
}

/** Inputs of the matrix that calibration kept, and the energy of its outputs over them. */
async function sampledOutputs(
  model: Model,
  tensor: TensorDescriptor,
  known: KnownInputs | undefined,
  signal: AbortSignal | undefined,
): Promise<SampledOutputs | undefined> {
  if (!known?.stored.kinds.includes('activations')) return undefined;
  const { inputs } = await known.source.for(tensor.name, 'activations', { signal });
  const { columns } = matrixOf(tensor.shape);
  if (!inputs || inputs.length === 0 || inputs.length % columns !== 0) return undefined;
  let energy = 0;
  for await (const { values } of readRows(model, tensor, { signal }))
    energy += await outputEnergy(values, inputs, columns, signal);
  return energy > 0 ? { inputs, energy } : undefined;
}

async function cellOf(
  work: LayerWork,
  stored: StoredEvidence | undefined,
  facts: RowFacts,
): Promise<MethodCell> {
  const { method, tensor } = work;
  const { range, sampled, isMeasured } = facts;
  const refused = refusalOf(work);
  if (refused !== undefined) return { method: method.id, refused };
  const needed = methodEvidence(method, work.options);
  if (needed !== 'none' && !stored?.kinds.includes(needed)) return { method: method.id, missing: needed };
  if (needed !== 'none' && !isMeasured)
    return { method: method.id, refused: 'Calibration does not measure the inputs of this tensor.' };
  const start = performance.now();
  const { columns } = matrixOf(tensor.shape);
  const meter = new OutputMeter(columns, range, bins, sampled);
  const { bytes, evidence, biasCorrection } = await eachSlab(work, ({ original, decoded }) =>
    meter.add(original, decoded, work.signal),
  );
  const result: MethodResult = {
    ...meter.result(),
    ...{ bytes, bitsPerWeight: (8 * bytes) / tensor.elements, evidence },
    ...(biasCorrection ? { bias: biasFigures(work, biasCorrection) } : {}),
    seconds: (performance.now() - start) / 1000,
    layouts: layoutsFor(work),
  };
  return { method: method.id, result };
}

/** How mean outputs are corrected, and which bias of the model can hold that. */
function biasFigures({ model, tensor }: LayerWork, correction: Float32Array): BiasFigures {
  const squares = correction.reduce((sum, value) => sum + value * value, 0);
  const into = biasOfLayer(model, tensor)?.name;
  return {
    ...{ rows: correction.length, rms: Math.sqrt(squares / correction.length) },
    ...(into === undefined ? {} : { into }),
  };
}

/** Why a method cannot be applied. */
export function refusalOf({
  method,
  target,
  tensor,
  options,
}: Pick<LayerWork, 'method' | 'target' | 'tensor' | 'options'>): string | undefined {
  const { rows, columns } = matrixOf(tensor.shape);
  const shape = [rows, columns] as const;
  if ('grid' in target) return method.refuse({ grid: target.grid, shape, options });
  if (method.id === 'rtn') return undefined; // its encoder says what it needs
  if (!method.blocks) return `${method.label} does not take types of GGUF.`;
  return method.blocks.refuse({ type: target.type, shape, options });
}
