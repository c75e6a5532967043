import { addSums, noSums } from '../../analysis/metrics';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import { matrixOf } from '../../model/rows';
import { loadNative, type ErrorSums, type TensorRange } from '../../native';
import type { TensorDescriptor } from '../../protocol/model';
import type { EvidenceKind } from '../../protocol/recipe';
import { said } from '../../protocol/said';
import { foundEvidence, usedEvidence, type EvidenceSource } from '../../quant/evidence';
import { wholeRows } from '../../quant/grids/groups';
import { meanScale } from '../../quant/grids/nested';
import { decodeRows, findParameters, roundToNearest, type OfMatrix } from '../../quant/grids/roundToNearest';
import type { MatrixTask } from '../../quant/methods/method';
import type { QuantizedRows } from '../../quant/quantized';
import type { TensorTransform, WeightTransforms } from '../../quant/transforms';
import { requireFinite, requireRange } from '../requireFinite';
import { defaultMethod } from '../../recipes/checkRecipe';
import type { PlannedMatrix, PlannedTensor } from './plan';
import { readRows, type Rows } from './readRows';
import { storedCodes } from './storedCodes';

/** What matrices are quantized with, besides the plan. */
export interface MatrixWork {
  readonly model: Model;
  readonly evidence?: EvidenceSource | undefined;
  readonly transforms?: WeightTransforms | undefined;
  /** Dtype that the library casts all weights to first. */
  readonly cast?: 'F16' | undefined;
  /** Dtype that the reader of the result rounds decoded weights to. */
  readonly decodedTo?: 'F16' | 'BF16' | undefined;
  readonly signal?: AbortSignal | undefined;
  /** So many weights more are done. */
  readonly onWeights?: ((weights: number) => void) | undefined;
}

/** How a matrix changed, measured while it was quantized. */
export interface MatrixFigures {
  readonly sums: ErrorSums;
  /** Rounding to nearest in the same grid, where another method was used. */
  readonly rounding?: ErrorSums;
  /** What the method knew of the inputs. */
  readonly evidence: EvidenceKind;
  /** Codes and scales are those of the model's files. */
  readonly kept?: true;
  /** What to add to the outputs of the matrix; where the method gives it. */
  readonly biasCorrection?: Float32Array;
}

/** A planned tensor with a matrix. */
export type QuantizedTensor = PlannedTensor & { readonly matrix: PlannedMatrix };

export const isQuantized = (planned: PlannedTensor): planned is QuantizedTensor =>
  planned.matrix !== undefined;

/** Quantizes matrices of a model, each read slab by slab; ranges that matrices share are measured once. */
export class MatrixQuantizer {
  private readonly ranges = new Map<string, TensorRange>();

  constructor(private readonly work: MatrixWork) {}

  /**
   * Quantizes a matrix; its layout takes the rows as they come.
   * @throws QuantscopeError MODEL_FILE naming the first weight that is not finite, REQUEST where evidence is missing or decoded weights
   * would not be finite, IO, CANCELLED.
   */
  async quantize(
    { tensor, matrix }: Pick<QuantizedTensor, 'tensor' | 'matrix'>,
    store: (slabs: AsyncIterable<QuantizedRows>) => Promise<void>,
  ): Promise<MatrixFigures> {
    const run = new MatrixRun(this.work, tensor, matrix, await this.ofMatrix(tensor, matrix));
    await store(run.slabs());
    return run.figures;
  }

  private async ofMatrix(
    tensor: TensorDescriptor,
    { weight, sharesRange }: PlannedMatrix,
  ): Promise<OfMatrix> {
    const { grid } = weight;
    const needsRange = grid.group === 'tensor' || grid.global;
    const range = needsRange ? await this.sharedRange([tensor.name, ...sharesRange]) : undefined;
    if (!grid.double) return { range };
    const { columns } = matrixOf(tensor.shape);
    const scales: Float32Array[] = [];
    for await (const { values, rows } of this.rowsOf(tensor, wholeRows(grid, columns)))
      scales.push((await findParameters(grid, values, [rows, columns], { range }, this.work.signal)).scales);
    return { range, meanScale: meanScale(Float32Array.from(scales.flatMap((some) => [...some]))) };
  }

  /** Extremes over some matrices. */
  private async sharedRange(names: readonly string[]): Promise<TensorRange> {
    let [min, max] = [Infinity, -Infinity];
    for (const name of names) {
      const range = this.ranges.get(name) ?? (await this.measureRange(this.work.model.tensor(name)));
      this.ranges.set(name, range);
      [min, max] = [Math.min(min, range.min), Math.max(max, range.max)];
    }
    return { min, max };
  }

  private async measureRange(tensor: TensorDescriptor): Promise<TensorRange> {
    let [min, max] = [Infinity, -Infinity];
    for await (const slab of this.rowsOf(tensor, 1)) {
      const bytes = new Uint8Array(slab.values.buffer);
      const found = await loadNative().measureRange('F32', bytes, this.work.signal);
      if (found.bad) throw badWeight(tensor, slab, found.bad.index);
      min = Math.min(min, found.min);
      max = Math.max(max, found.max);
    }
    return { min, max };
  }

  private rowsOf(tensor: TensorDescriptor, multiple: number): AsyncGenerator<Rows> {
    const { model, transforms, cast, signal } = this.work;
    return readRows(model, tensor, {
      wholeRows: multiple,
      transform: transforms?.get(tensor.name),
      cast,
      signal,
    });
  }
}

/** One pass over a matrix. */
class MatrixRun {
  private sums = noSums;
  private rounding: ErrorSums | undefined;
  private readonly corrections: Float32Array[] = [];
  private evidence: EvidenceKind = 'none';
  private kept = false;
  private readonly columns: number;
  private readonly transform: TensorTransform | undefined;

  constructor(
    private readonly work: MatrixWork,
    private readonly tensor: TensorDescriptor,
    private readonly matrix: PlannedMatrix,
    private readonly ofMatrix: OfMatrix,
  ) {
    this.columns = matrixOf(tensor.shape).columns;
    this.transform = work.transforms?.get(tensor.name);
  }

  get figures(): MatrixFigures {
    const corrections = this.corrections.flatMap((some) => [...some]);
    return {
      ...{ sums: this.sums, evidence: this.evidence },
      ...(this.rounding ? { rounding: this.rounding } : {}),
      ...(this.kept ? { kept: true } : {}),
      ...(corrections.length === 0 ? {} : { biasCorrection: Float32Array.from(corrections) }),
    };
  }

  async *slabs(): AsyncGenerator<QuantizedRows> {
    const stored = await this.storedCodes();
    yield* stored ? this.keptSlabs(stored) : this.foundSlabs();
  }

  /** Where weights are rounded that already are of their grid. */
  private async storedCodes(): Promise<AsyncGenerator<QuantizedRows> | undefined> {
    const { work, tensor, matrix, transform } = this;
    if (matrix.method.id !== defaultMethod || transform) return undefined;
    return storedCodes(work.model, tensor, matrix.weight, work.signal);
  }

  private async *keptSlabs(slabs: AsyncGenerator<QuantizedRows>): AsyncGenerator<QuantizedRows> {
    this.kept = true;
    for await (const slab of slabs) {
      const decoded = await decodeRows(slab, this.work.signal);
      this.sums = addSums(this.sums, await loadNative().errorSums(decoded, decoded));
      this.work.onWeights?.(decoded.length);
      yield slab;
    }
  }

  private async *foundSlabs(): AsyncGenerator<QuantizedRows> {
    const { signal, onWeights } = this.work;
    const quantizer = await this.matrix.method.open(await this.task(), signal);
    for await (const slab of this.rows()) {
      const given = { ...slab, values: slab.values.slice() };
      const quantized = await quantizer.quantize(slab.values, signal).catch((error: unknown) => {
        throw located(this.tensor, given, error);
      });
      await this.measure(given, quantized);
      onWeights?.(given.values.length);
      yield quantized;
    }
  }

  private rows(): AsyncGenerator<Rows> {
    const { model, cast, signal } = this.work;
    const multiple = wholeRows(this.matrix.weight.grid, this.columns);
    return readRows(model, this.tensor, { wholeRows: multiple, transform: this.transform, cast, signal });
  }

  private async task(): Promise<MatrixTask> {
    const { weight, options, method } = this.matrix;
    const { rows, columns } = matrixOf(this.tensor.shape);
    const { evidence, signal } = this.work;
    const kind = usedEvidence(method, evidence !== undefined, options);
    const known = kind === 'none' ? {} : await evidence?.for(this.tensor.name, kind, { signal });
    this.evidence = foundEvidence(kind, known);
    const { range, meanScale: mean } = this.ofMatrix;
    return {
      ...{
        name: this.tensor.name,
        grid: weight.grid,
        shape: [rows, columns],
        options,
        evidence: known ?? {},
      },
      ...(range ? { range } : {}),
      ...(mean === undefined ? {} : { meanScale: mean }),
      weights: () => valuesOf(this.rows()),
      scalesFolded: true,
    };
  }

  /** Against the weights of the model: what a cast loses is part of the error. */
  private async measure({ values, uncast = values, rows }: Rows, quantized: QuantizedRows): Promise<void> {
    const { signal, decodedTo } = this.work;
    const native = loadNative();
    const decoded = await decodeRows(quantized, signal);
    this.sums = addSums(this.sums, await native.errorSums(uncast, decoded));
    requireFinite(this.sums, this.tensor, `a grid with scales in ${this.matrix.weight.grid.scale}`);
    if (decodedTo) await requireRange(decoded, decodedTo, this.tensor, signal);
    if (quantized.biasCorrection) this.corrections.push(quantized.biasCorrection);
    if (this.matrix.method.id === defaultMethod) return;
    const { grid } = this.matrix.weight;
    const rounded = await roundToNearest(grid, values, [rows, this.columns], this.ofMatrix, signal);
    const sums = await native.errorSums(uncast, await decodeRows(rounded, signal));
    this.rounding = addSums(this.rounding ?? noSums, sums);
  }
}

async function* valuesOf(rows: AsyncIterable<Rows>): AsyncGenerator<Float32Array> {
  for await (const { values } of rows) yield values;
}

/** A weight that is not finite is an error of the file; others are as they are. */
export function located(tensor: TensorDescriptor, given: Rows, error: unknown): unknown {
  if (!(error instanceof RangeError)) return error;
  const index = given.values.findIndex((value) => !Number.isFinite(value));
  return index < 0 ? error : badWeight(tensor, given, index);
}

function badWeight(
  tensor: TensorDescriptor,
  { firstRow, values, uncast = values }: Rows,
  index: number,
): QuantscopeError {
  const { file, name, offset } = tensor;
  const value = uncast[index]!;
  const what = Number.isFinite(value)
    ? `${value}, beyond the range of F16`
    : Number.isNaN(value)
      ? 'NaN'
      : 'infinite';
  const at = firstRow * matrixOf(tensor.shape).columns + index;
  return new QuantscopeError('MODEL_FILE', said`Weight ${at} is ${what}; it cannot be quantized.`, {
    file,
    tensor: name,
    offset,
  });
}
