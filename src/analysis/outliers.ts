import type { DeadLines, OutlierLine } from '../protocol/analysis';

/** Robust z-score from which a row or column is called an outlier, and how many are listed. */
const outlierScore = 6;
const maxOutliers = 16;
/** Standard deviations of a normal distribution per median and per mean absolute deviation. */
const sigmaPerMedianDeviation = 1.4826;
const sigmaPerMeanDeviation = 1.2533;

/**
 * Lines whose max |w| lies far above the median, in robust standard deviations: of the median absolute deviation or, where more
 * than half of the lines are equal, of the mean absolute deviation (Iglewicz and Hoaglin, 1993).
 * @param absMax max |w| of each line.
 */
export function outliersOf(absMax: Float32Array): OutlierLine[] {
  if (absMax.length < 3) return [];
  const center = median(absMax);
  const deviations = absMax.map((value) => Math.abs(value - center));
  const spread = sigmaPerMedianDeviation * median(deviations) || sigmaPerMeanDeviation * mean(deviations);
  if (spread === 0) return [];
  const lines: OutlierLine[] = [];
  absMax.forEach((value, index) => {
    const score = (value - center) / spread;
    if (score > outlierScore) lines.push({ index, absMax: value, score });
  });
  return lines.sort((a, b) => b.score - a.score).slice(0, maxOutliers);
}

/** Lines without a finite weight other than 0, as ranges; the longest come first. */
export function deadLines(absMax: Float32Array): DeadLines {
  const ranges: { first: number; last: number }[] = [];
  let count = 0;
  absMax.forEach((value, index) => {
    if (value !== 0) return;
    count += 1;
    const range = ranges.at(-1);
    if (range?.last === index - 1) range.last = index;
    else ranges.push({ first: index, last: index });
  });
  ranges.sort((a, b) => b.last - b.first - (a.last - a.first) || a.first - b.first);
  return { count, ranges: ranges.slice(0, maxOutliers) };
}

function median(values: Float32Array): number {
  const sorted = values.slice().sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function mean(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
