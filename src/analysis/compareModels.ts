import { convertedSlabs } from '../architectures/convertedRows';
import { sourcesOf, type ConvertedTensor } from '../architectures/convertedTensor';
import { throwIfCancelled } from '../model/errors';
import type { Model } from '../model/openModel';
import { matrixOf } from '../model/rows';
import { loadNative, type ErrorSums } from '../native';
import type {
  ComparedSide,
  ComparedTensor,
  CompareStatus,
  ModelComparison,
  TensorOverlay,
} from '../protocol/compare';
import { matchTensors, type TensorPair } from './matchTensors';
import { addSums, errorMetrics, noSums } from './metrics';

export interface CompareModelsOptions {
  readonly signal?: AbortSignal | undefined;
  /** After each tensor: how many are done, out of how many. */
  readonly onProgress?: ((tensor: string, done: number, total: number) => void) | undefined;
}

/**
 * Compares two models of any formats, tensor by tensor. Memory is bounded by slabs; a tensor that cannot be compared is
 * listed as such and the rest continues.
 * @throws QuantscopeError as `matchTensors`, IO, CANCELLED.
 */
export async function compareModels(
  a: Model,
  b: Model,
  { signal, onProgress }: CompareModelsOptions = {},
): Promise<ModelComparison> {
  const { pairs, translated, notes } = await matchTensors(a, b, signal);
  const tensors: ComparedTensor[] = [];
  let total = noSums;
  for (const [index, pair] of pairs.entries()) {
    throwIfCancelled(signal);
    onProgress?.(pair.name, index, pairs.length);
    const { compared, sums } = await comparePair(a, b, pair, signal);
    tensors.push(compared);
    if (compared.error) total = addSums(total, sums);
  }
  return {
    a: a.description.path,
    b: b.description.path,
    translated,
    notes,
    tensors: tensors.sort(worstFirst),
    relativeError: errorMetrics(total).relativeError,
    counts: countStatuses(tensors),
  };
}

async function comparePair(
  a: Model,
  b: Model,
  pair: TensorPair,
  signal: AbortSignal | undefined,
): Promise<{ compared: ComparedTensor; sums: ErrorSums }> {
  const sides = {
    ...(pair.a ? { a: sideOf(pair.a) } : {}),
    ...(pair.b ? { b: sideOf(pair.b) } : {}),
  };
  const listed = (status: CompareStatus, reason?: string) => ({
    compared: { name: pair.name, status, ...sides, ...(reason === undefined ? {} : { reason }) },
    sums: noSums,
  });
  if (!pair.a) return listed('only in B');
  if (!pair.b) return listed('only in A');
  if (!sameShape(pair.a.shape, pair.b.shape)) return listed('shape');
  const unreadable = [pair.a, pair.b].flatMap(sourcesOf).find(({ readable }) => !readable);
  if (unreadable) return listed('unreadable', unreadable.unreadableReason);
  let sums = noSums;
  for await (const [left, right] of together(decoded(a, pair.a, signal), decoded(b, pair.b, signal)))
    sums = addSums(sums, await loadNative().errorSums(left, right));
  if (!Number.isFinite(sums.error)) return listed('not finite');
  const status: CompareStatus = sums.error === 0 ? 'equal' : 'different';
  return { compared: { ...listed(status).compared, error: errorMetrics(sums) }, sums };
}

function sideOf(tensor: ConvertedTensor): ComparedSide {
  const [source] = sourcesOf(tensor);
  return { name: source?.name ?? tensor.name, dtype: source?.dtype ?? '?', shape: tensor.shape };
}

/** Outermost dimensions of size 1 do not count, as in ggml. */
function sameShape(a: readonly number[], b: readonly number[]): boolean {
  const sizes = (shape: readonly number[]): string => shape.join().replace(/^(1,)+(?=.)/, '');
  return sizes(a) === sizes(b);
}

/** The weights of a converted tensor as float32, in slabs. */
async function* decoded(
  model: Model,
  converted: ConvertedTensor,
  signal: AbortSignal | undefined,
): AsyncGenerator<Float32Array> {
  for await (const { dtype, data, weights } of convertedSlabs(model, converted, { signal })) {
    const values = new Float32Array(weights);
    await loadNative().decode(dtype, data, values, signal);
    const { add } = converted;
    yield add === undefined ? values : values.map((value) => value + add);
  }
}

/** Two streams of equally many numbers, cut the same way. */
async function* together(
  a: AsyncGenerator<Float32Array>,
  b: AsyncGenerator<Float32Array>,
): AsyncGenerator<[Float32Array, Float32Array]> {
  let [left, right] = [new Float32Array(0), new Float32Array(0)];
  try {
    for (;;) {
      if (left.length === 0) left = await nextOf(a);
      if (right.length === 0) right = await nextOf(b);
      const count = Math.min(left.length, right.length);
      if (count === 0) return;
      yield [left.subarray(0, count), right.subarray(0, count)];
      [left, right] = [left.subarray(count), right.subarray(count)];
    }
  } finally {
    await a.return(undefined);
    await b.return(undefined);
  }
}

async function nextOf(stream: AsyncGenerator<Float32Array>): Promise<Float32Array<ArrayBuffer>> {
  const { done, value } = (await stream.next()) as IteratorResult<Float32Array<ArrayBuffer>, void>;
  return done ? new Float32Array(0) : value;
}

/** Problems come first, then what differs most. */
const ranks: Readonly<Record<CompareStatus, number>> = {
  ...{ shape: 0, 'not finite': 1, unreadable: 2, 'only in A': 3, 'only in B': 4 },
  ...{ different: 5, equal: 6 },
};

function worstFirst(a: ComparedTensor, b: ComparedTensor): number {
  return ranks[a.status] - ranks[b.status] || (b.error?.relativeError ?? 0) - (a.error?.relativeError ?? 0);
}

function countStatuses(tensors: readonly ComparedTensor[]): Record<CompareStatus, number> {
  const counts = Object.fromEntries(Object.keys(ranks).map((status) => [status, 0]));
  for (const { status } of tensors) counts[status] = (counts[status] ?? 0) + 1;
  return counts as Record<CompareStatus, number>;
}

const bins = 160;
/** Most cells of the error map in each direction. */
const mapSize = 128;

/**
 * One matched tensor in detail: histograms of both over their common range, and where they differ.
 * @throws QuantscopeError REQUEST when it is not in both models, or in different shapes.
 */
export async function overlayTensors(
  a: Model,
  b: Model,
  pair: Required<TensorPair>,
  signal?: AbortSignal,
): Promise<TensorOverlay> {
  const { rows, columns } = matrixOf(pair.a.shape);
  const [mapRows, mapColumns] = [Math.min(rows, mapSize), Math.min(columns, mapSize)];
  const both = () => together(decoded(a, pair.a, signal), decoded(b, pair.b, signal));
  let [min, max] = [Infinity, -Infinity];
  for await (const values of both()) {
    for (const side of values) {
      for (const value of side) {
        if (value < min) min = value;
        if (value > max) max = value;
      }
    }
  }
  const [countsA, countsB] = [new Float64Array(bins), new Float64Array(bins)];
  const squares = new Float64Array(mapRows * mapColumns);
  const cells = new Float64Array(mapRows * mapColumns);
  let index = 0;
  for await (const [left, right] of both()) {
    (await loadNative().histogram(left, min, max, bins)).forEach((count, bin) => (countsA[bin]! += count));
    (await loadNative().histogram(right, min, max, bins)).forEach((count, bin) => (countsB[bin]! += count));
    for (let i = 0; i < left.length; i++, index++) {
      const row = Math.floor(index / columns);
      const mapRow = Math.floor((row * mapRows) / rows);
      const cell = mapRow * mapColumns + Math.floor(((index - row * columns) * mapColumns) / columns);
      squares[cell]! += (left[i]! - right[i]!) ** 2;
      cells[cell]! += 1;
    }
  }
  return {
    name: pair.name,
    histogramA: { min, max, counts: [...countsA] },
    histogramB: { min, max, counts: [...countsB] },
    errorMap: {
      ...{ rows, columns, mapRows, mapColumns },
      values: [...squares].map((square, cell) => Math.sqrt(square / cells[cell]!)),
    },
  };
}
