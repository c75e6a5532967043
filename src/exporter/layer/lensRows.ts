import type { ErrorMapMeter } from '../../analysis/errorMap';
import { measureSlab } from '../../analysis/measureRows';
import { floatsOf, type TensorReader, type TensorSlab } from '../../analysis/tensorReader';
import { QuantscopeError } from '../../model/errors';
import { matrixOf } from '../../model/rows';
import type { TensorRange } from '../../native';
import type { LensRecipe, LensRow } from '../../protocol/lens';
import type { BiasFigures, MethodResult } from '../../protocol/methods';
import type { EvidenceKind } from '../../protocol/recipe';
import { findFormat, formatById } from '../../quant/catalogue';
import type { QuantFormat } from '../../quant/format';
import { gridBytes } from '../../quant/grids/gridSize';
import { requireFinite } from '../requireFinite';
import { eachSlab, type LayerWork } from './layerSlabs';
import { OutputMeter, type SampledOutputs } from './outputMeter';
import { biasOfLayer, layoutsFor } from './saveLayer';
import { decodeEncoded, encodeIn } from '../../quant/codec';

/** A recipe for a tensor, and what all recipes share. */
export interface LensWork extends LayerWork {
  readonly reader: TensorReader;
  readonly range: TensorRange;
  readonly bins: number;
  readonly sampled: SampledOutputs | undefined;
}

type Found = Omit<LensRow, keyof LensRecipe>;

/** Weights that are quantized at a time where decoded weights are needed: few enough for the caches. */
const sliceWeights = 1 << 20;

/** The format that a recipe is, where it rounds rows on their own; one whose stored codes could be kept is quantized as a layer. */
function formatOf({ method, target, tensor }: LayerWork): QuantFormat | undefined {
  if (method.id !== 'rtn' || tensor.stored) return undefined;
  const format = 'type' in target ? formatById(target.type) : findFormat(target.name);
  return format?.refuse(tensor.shape) === undefined ? format : undefined;
}

/** Whether a recipe needs each row once and no other, so that one read serves all such recipes. */
export const roundsAlone = (work: LayerWork): boolean => formatOf(work) !== undefined;

/** One recipe over the whole tensor. A failure that is not one of all recipes is part of the row. */
export async function measureAlone(work: LensWork): Promise<Found> {
  const format = formatOf(work);
  try {
    if (!format) return { result: await measureLayer(work) };
    const running = new RunningFormat(work, format);
    for await (const slab of work.reader.slabs(work.signal)) {
      await running.add(slab);
      work.onWeights?.(slab.weights);
    }
    return { result: running.result() };
  } catch (error) {
    return { refused: reasonOf(error) };
  }
}

/** Recipes over one read of the tensor; each row is reported after every slab, with the share of the weights that it is of. */
export async function measureTogether(
  recipes: readonly { readonly work: LensWork; readonly onRow: (row: Found) => void }[],
  reader: TensorReader,
  { signal, onWeights }: Pick<LayerWork, 'signal' | 'onWeights'>,
): Promise<void> {
  if (recipes.length === 0) return;
  const running = recipes.map(({ work, onRow }) => ({
    rows: new RunningFormat(work, formatOf(work)!),
    onRow,
  }));
  const failed = new Set<RunningFormat>();
  for await (const slab of reader.slabs(signal)) {
    const done = slab.firstWeight + slab.weights;
    const share = done < reader.elements ? { share: done / reader.elements } : {};
    for (const { rows, onRow } of running) {
      onWeights?.(slab.weights);
      if (failed.has(rows)) continue;
      try {
        await rows.add(slab);
        onRow({ result: rows.result(), ...share });
      } catch (error) {
        failed.add(rows);
        onRow({ refused: reasonOf(error) });
      }
    }
  }
}

/** What is wrong with one recipe. @throws what is wrong with the file, or with all of them. */
function reasonOf(error: unknown): string {
  if (error instanceof QuantscopeError && error.code === 'REQUEST') return error.message;
  throw error;
}

/** Rounding in a format, slab by slab. */
class RunningFormat {
  private readonly meter: OutputMeter;
  private seconds = 0;

  constructor(
    private readonly work: LensWork,
    private readonly format: QuantFormat,
  ) {
    const { reader, range, bins, sampled } = work;
    this.meter = new OutputMeter(reader.columns, range, bins, sampled);
  }

  async add(slab: TensorSlab): Promise<void> {
    const start = performance.now();
    await (this.work.sampled ? this.addDecoded(slab) : this.addFused(slab));
    this.seconds += (performance.now() - start) / 1000;
    requireFinite(this.meter.sums, this.work.tensor, this.format.label);
  }

  result(): MethodResult {
    const { work, seconds } = this;
    return {
      ...this.meter.result(),
      ...sizeOf(work, bytesOf(work, this.format)),
      ...{ seconds, evidence: 'none', layouts: layoutsFor(work) },
    };
  }

  /** Encoded, decoded and measured by the addon, a few thousand weights at a time. */
  private async addFused(slab: TensorSlab): Promise<void> {
    const { reader, range, signal } = this.work;
    const histogram = { range, counts: this.meter.counts };
    this.meter.addSums(await measureSlab(reader, slab, this.format, range, { histogram, signal }));
  }

  /** Outputs are sums over decoded rows. */
  private async addDecoded({ dtype, data, columns, weights }: TensorSlab): Promise<void> {
    const { range, signal } = this.work;
    const perSlice = Math.max(1, Math.floor(sliceWeights / columns)) * columns;
    const values = await floatsOf({ dtype, data, weights }, signal);
    for (let first = 0; first < weights; first += perSlice) {
      const slice = values.subarray(first, Math.min(weights, first + perSlice));
      const encoded = await encodeIn(this.format, slice, columns, range, { signal });
      await this.meter.add(slice, await decodeEncoded(encoded, signal), signal);
    }
  }
}

/** Codes, scales and zero points, densely packed, as of any method. */
function bytesOf({ target, tensor }: LensWork, format: QuantFormat): number {
  const { rows, columns } = matrixOf(tensor.shape);
  return 'grid' in target ? gridBytes(target.grid, rows, columns) : format.bytes(tensor.shape);
}

const sizeOf = ({ tensor }: LensWork, bytes: number) => ({
  ...{ bytes, bitsPerWeight: (8 * bytes) / tensor.elements },
});

/** A method that has passes of its own over the matrix. */
async function measureLayer(work: LensWork): Promise<MethodResult> {
  const { reader, range, bins, sampled, signal } = work;
  const start = performance.now();
  const meter = new OutputMeter(reader.columns, range, bins, sampled);
  const { bytes, evidence, biasCorrection } = await eachSlab(work, ({ original, decoded }) =>
    meter.add(original, decoded, signal),
  );
  return {
    ...meter.result(),
    ...sizeOf(work, bytes),
    ...resultOf(work, evidence, biasCorrection),
    seconds: (performance.now() - start) / 1000,
  };
}

const resultOf = (work: LensWork, evidence: EvidenceKind, correction: Float32Array | undefined) => ({
  ...{ evidence, layouts: layoutsFor(work) },
  ...(correction ? { bias: biasFigures(work, correction) } : {}),
});

/** How mean outputs are corrected, and which bias of the model can hold that. */
function biasFigures({ model, tensor }: LensWork, correction: Float32Array): BiasFigures {
  const squares = correction.reduce((sum, value) => sum + value * value, 0);
  const into = biasOfLayer(model, tensor)?.name;
  return {
    ...{ rows: correction.length, rms: Math.sqrt(squares / correction.length) },
    ...(into === undefined ? {} : { into }),
  };
}

/** Where a recipe changes the tensor. @throws QuantscopeError REQUEST where it cannot be applied; as `eachSlab`. */
export async function mapErrors(work: LayerWork, map: ErrorMapMeter): Promise<void> {
  await eachSlab(work, ({ original, decoded }) => Promise.resolve(map.add(original, decoded)));
}
