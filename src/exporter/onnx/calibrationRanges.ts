import { entropyCut, histogramOf, type Histogram } from './histogram';

/** Element types that values are rounded to while a graph runs. */
export type QuantizedType = 'I8' | 'U8' | 'U16' | 'F8_E4M3';

/** Codes that a value of the graph is rounded to while it runs: (code − zero) · scale. */
export interface ActivationGrid {
  readonly type: QuantizedType;
  readonly scale: number;
  readonly zero: number;
}

/** How inputs are rounded: the type of their codes, and whether these are the same below and above 0. */
export interface ActivationForm {
  readonly type: QuantizedType;
  readonly symmetric: boolean;
}

/** How the range of a value follows from samples of it. */
export type RangeRule =
  /** All of it. */
  | { readonly kind: 'minmax' }
  /** So many percent of the magnitudes, up to the border of one of 2048 bins. */
  | { readonly kind: 'percentile'; readonly percent: number }
  /** The cut of a histogram around zero that loses least of the distribution when it becomes 128 levels. */
  | { readonly kind: 'entropy'; readonly bins: number };

export interface ValueRange {
  readonly low: number;
  readonly high: number;
}

/** What ONNX Runtime's own tools use; its 128 bins for entropy would cut nothing, TensorRT takes 2048. */
export const rangeRules = {
  minmax: { kind: 'minmax' },
  percentile: { kind: 'percentile', percent: 99.999 },
  entropy: { kind: 'entropy', bins: 2048 },
} as const satisfies Record<string, RangeRule>;

const percentileBins = 2048;

/**
 * The range of a value by samples of it.
 * @see https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/python/tools/quantization/calibrate.py
 */
export function rangeOf(samples: Float32Array, rule: RangeRule): ValueRange {
  const whole = extremes(samples);
  if (rule.kind === 'minmax') return whole;
  const cut =
    rule.kind === 'percentile'
      ? percentileCut(samples, rule.percent)
      : entropyRange(samples, whole, rule.bins);
  return { low: Math.max(whole.low, cut.low), high: Math.min(whole.high, cut.high) };
}

function extremes(samples: Float32Array): ValueRange {
  let [low, high] = [Infinity, -Infinity];
  for (const value of samples) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return samples.length === 0 ? { low: 0, high: 0 } : { low, high };
}

function percentileCut(samples: Float32Array, percent: number): ValueRange {
  const magnitudes = samples.map(Math.abs);
  const { low, high } = extremes(magnitudes);
  const { counts, edges } = histogramOf(magnitudes, low, high, percentileBins);
  let sum = 0;
  const bin = counts.findIndex((count) => {
    sum += count / samples.length;
    return sum >= percent / 100;
  });
  const border = edges[bin < 0 ? counts.length : bin]!;
  return { low: -border, high: border };
}

function entropyRange(samples: Float32Array, { low, high }: ValueRange, bins: number): ValueRange {
  const threshold = Math.max(Math.abs(low), Math.abs(high));
  const histogram: Histogram = histogramOf(samples, -threshold, threshold, bins);
  const [first, end] = entropyCut(histogram.counts);
  return { low: histogram.edges[first]!, high: histogram.edges[end]! };
}

/** Codes of the types; symmetric int8 leaves out −128. */
const codeRanges = {
  I8: { symmetric: [-127, 127], affine: [-128, 127] },
  U8: { symmetric: [0, 254], affine: [0, 255] },
  U16: { symmetric: [0, 65534], affine: [0, 65535] },
} as const;

/** Largest finite E4M3. */
const largestE4M3 = 448;

/**
 * The codes for a range, which is widened to include 0. Float32 arithmetic on the range, as ONNX Runtime's tools have it.
 * @param symmetric the same range below and above 0; floats always have it.
 */
export function activationGrid(
  { low, high }: ValueRange,
  type: QuantizedType,
  symmetric = false,
): ActivationGrid {
  const [least, most] = [Math.min(0, low), Math.max(0, high)];
  const largest = Math.max(-least, most);
  if (type === 'F8_E4M3') return { type, scale: Math.fround(largest / largestE4M3) || 1, zero: 0 };
  const [first, last] = codeRanges[type][symmetric ? 'symmetric' : 'affine'];
  const range = symmetric ? 2 * largest : Math.fround(most - least);
  const scale = range / (last - first);
  if (scale < smallestNormal) return { type, scale: 1, zero: 0 };
  const zero = symmetric ? Math.trunc((first + last) / 2) : roundHalfEven(first - least / scale);
  return { type, scale: Math.fround(scale), zero };
}

/** Of float32. */
const smallestNormal = 2 ** -126;

function roundHalfEven(value: number): number {
  const rounded = Math.round(value) + 0; // not −0
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
