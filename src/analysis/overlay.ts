import type { Model } from '../model/model';
import { matrixOf } from '../model/rows';
import { loadNative } from '../native';
import type { Histogram } from '../protocol/analysis';
import type { TensorOverlay } from '../protocol/compare';
import { ErrorMapMeter } from './errorMap';
import type { TensorPair } from './matchTensors';
import { TensorReader, type TensorWork } from './tensorReader';
import { together } from './together';

const bins = 160;

/**
 * One tensor of two models in detail, in equal shapes: histograms of both over their common range, and where they differ.
 * Each side is read once where it is at most 128 MiB, else twice. Progress is reported in weights, over both passes.
 * @throws QuantscopeError UNSUPPORTED for a tensor that cannot be decoded, IO, CANCELLED.
 */
export async function overlayTensors(
  a: Model,
  b: Model,
  { name, a: tensorA, b: tensorB }: Required<TensorPair>,
  { signal, onProgress }: TensorWork = {},
): Promise<TensorOverlay> {
  const [readerA, readerB] = [new TensorReader(a, tensorA), new TensorReader(b, tensorB)];
  let done = 0;
  const both = async function* () {
    for await (const pair of together(readerA.values(signal), readerB.values(signal))) {
      yield pair;
      onProgress?.((done += pair[0].length), 2 * readerA.elements);
    }
  };
  let range = { min: Infinity, max: -Infinity };
  for await (const pair of both()) range = pair.reduce(widened, range);
  if (range.min > range.max) range = { min: NaN, max: NaN };
  const [histogramA, histogramB] = [emptyHistogram(range), emptyHistogram(range)];
  const errors = new ErrorMapMeter(matrixOf(tensorA.shape));
  for await (const [left, right] of both()) {
    await addValues(histogramA, left);
    await addValues(histogramB, right);
    errors.add(left, right);
  }
  return { name, histogramA, histogramB, errorMap: errors.finish() };
}

interface Range {
  readonly min: number;
  readonly max: number;
}

/** A range with the finite values in it. */
function widened({ min, max }: Range, values: Float32Array): Range {
  for (const value of values) {
    if (value - value !== 0) continue; // NaN or infinite
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return { min, max };
}

const emptyHistogram = (range: Range): Histogram & { counts: number[] } => ({
  ...range,
  counts: new Array<number>(bins).fill(0),
});

async function addValues(
  { min, max, counts }: Histogram & { counts: number[] },
  values: Float32Array,
): Promise<void> {
  const added = await loadNative().histogram(values, min, max, bins);
  added.forEach((count, bin) => (counts[bin]! += count));
}
