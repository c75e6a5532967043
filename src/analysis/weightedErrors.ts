import { loadNative, type ErrorSums, type TensorRange } from '../native';
import { fakeQuantize } from '../quant/fakeQuantize';
import type { QuantFormat } from '../quant/format';
import { floatsOf, type TensorReader, type TensorSlab } from './tensorReader';

/** What the errors of a slab are measured with. */
export interface WeightedOptions {
  /** Importance of each column, expert after expert: non-negative, as in an importance matrix. */
  readonly importance: Float32Array;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Error sums of a slab in a format whose encoder takes importance weights. Each square counts by the importance of its column, so that
 * error / source is the relative squared error of the matrix's output where its inputs are uncorrelated: Σ w(x − x')² / Σ wx².
 * @throws QuantscopeError MODEL_FILE naming the first weight that is not finite.
 */
export async function measureWeighted(
  reader: TensorReader,
  slab: TensorSlab,
  format: QuantFormat,
  range: TensorRange,
  { importance, signal }: WeightedOptions,
): Promise<ErrorSums> {
  const { bad } = await loadNative().measureRange(slab.dtype, slab.data, signal);
  if (bad) throw reader.badWeight(slab, bad);
  const values = await floatsOf(slab, signal);
  const decoded = values.slice();
  const sums = { count: values.length, source: 0, decoded: 0, error: 0, maxError: 0 };
  for (const { first, end, columns, firstImportance } of spansOf(reader, slab, importance)) {
    const weights = importance.subarray(firstImportance, firstImportance + columns);
    await fakeQuantize(format, decoded.subarray(first, end), columns, range, { importance: weights, signal });
    addWeighted(sums, values.subarray(first, end), decoded.subarray(first, end), weights);
  }
  return sums;
}

/** Weights of a slab that one run of importance weights applies to, row after row. */
interface Span {
  /** Of the slab's weights, from `first` up to, but without, `end`. */
  readonly first: number;
  readonly end: number;
  readonly columns: number;
  readonly firstImportance: number;
}

/** Whole rows of one expert, or part of a row that is processed in parts. */
function* spansOf(
  { rows, columns }: TensorReader,
  { firstWeight, weights }: TensorSlab,
  importance: Float32Array,
): Generator<Span> {
  const perExpert = rows / (importance.length / columns);
  for (let first = 0; first < weights;) {
    const row = Math.floor((firstWeight + first) / columns);
    const column = (firstWeight + first) % columns;
    const expert = Math.floor(row / perExpert);
    const wholeRows = Math.min((expert + 1) * perExpert - row, Math.floor((weights - first) / columns));
    const isPart = column > 0 || wholeRows === 0;
    const width = isPart ? Math.min(columns - column, weights - first) : columns;
    const end = first + (isPart ? width : wholeRows * columns);
    yield { first, end, columns: width, firstImportance: expert * columns + column };
    first = end;
  }
}

/** A loop over tens of millions of weights: allocates nothing. */
function addWeighted(
  sums: { source: number; decoded: number; error: number; maxError: number },
  values: Float32Array,
  decoded: Float32Array,
  weights: Float32Array,
): void {
  const columns = weights.length;
  let { source, decoded: squares, error, maxError } = sums;
  for (let row = 0; row < values.length; row += columns) {
    for (let column = 0; column < columns; column++) {
      const weight = weights[column]!;
      const x = values[row + column]!;
      const y = decoded[row + column]!;
      const difference = x - y;
      source += weight * x * x;
      squares += weight * y * y;
      error += weight * difference * difference;
      maxError = Math.max(maxError, Math.abs(difference));
    }
  }
  Object.assign(sums, { source, decoded: squares, error, maxError });
}
