import { studentQuantile, type Estimate, type Interval } from '../protocol/estimate';
import { joinArrays } from './joinArrays';

/**
 * Mean over tokens, and its standard error over windows: tokens of one window are not independent, so that an error over tokens would be
 * too small. A ratio estimate, as windows may score different numbers of tokens: √(W/(W−1) · Σ (s − n·mean)²) / N for W windows with n
 * tokens of sum s, N in all (Cochran, Sampling Techniques, chapter 9A).
 * @param counts scored tokens of each window, in the order of the values. @throws RangeError where they are not those of the values.
 */
export function meanOverWindows(values: Float64Array, counts: readonly number[]): Estimate {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total !== values.length)
    throw new RangeError(`${values.length} values are not those of ${total} tokens`);
  const value = sumOf(values) / total;
  let [at, squares] = [0, 0];
  for (const count of counts) {
    squares += (sumOf(values.subarray(at, at + count)) - count * value) ** 2;
    at += count;
  }
  const windows = counts.length;
  return { value, standardError: Math.sqrt((squares * windows) / (windows - 1)) / total };
}

/**
 * Mean of a − b over tokens with its 95 % confidence interval over windows, by Student's distribution.
 * @param counts as for `meanOverWindows`. @throws RangeError where they are not those of the values, or the values cannot be paired.
 */
export function pairedInterval(a: Float64Array, b: Float64Array, counts: readonly number[]): Interval {
  if (a.length !== b.length) throw new RangeError(`${a.length} and ${b.length} values cannot be paired`);
  const { value, standardError } = meanOverWindows(
    a.map((divergence, i) => divergence - b[i]!),
    counts,
  );
  const half = studentQuantile(counts.length - 1) * standardError;
  return { value, low: value - half, high: value + half };
}

/** Windows of one half of a text: every second one, from the first or the second. */
export const alternateWindows = (windows: number, first: 0 | 1): number[] =>
  Array.from({ length: Math.ceil((windows - first) / 2) }, (_, i) => 2 * i + first);

/** The values of the tokens of some windows. @param counts as for `meanOverWindows`. */
export function valuesOfWindows(
  values: Float64Array,
  counts: readonly number[],
  windows: readonly number[],
): Float64Array {
  const starts = [0];
  for (const count of counts) starts.push(starts.at(-1)! + count);
  return joinArrays(
    Float64Array,
    windows.map((at) => values.subarray(starts[at], starts[at + 1])),
  );
}

const sumOf = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0);
