import type { LineProfile, OutlierColumns, ProfileCurve } from '../protocol/analysis';

/** As many points as the widest screen has pixels. */
const maxPoints = 4096;
/** Outlier columns that are named. */
const maxNamed = 64;

/**
 * Figures of lines in at most 4,096 points; undefined where there are none.
 * @param absMax max |w| of each line, and `rms` its root mean square.
 */
export function profileOf(absMax: Float32Array, rms: Float32Array): LineProfile | undefined {
  const lines = absMax.length;
  if (lines === 0) return undefined;
  const linesPerPoint = Math.ceil(lines / maxPoints);
  return {
    ...{ lines, linesPerPoint },
    absMax: curveOf(absMax, linesPerPoint),
    rms: curveOf(rms, linesPerPoint),
  };
}

function curveOf(figures: Float32Array, linesPerPoint: number): ProfileCurve {
  const curve = { min: [] as number[], mean: [] as number[], max: [] as number[] };
  for (let first = 0; first < figures.length; first += linesPerPoint) {
    const end = Math.min(figures.length, first + linesPerPoint);
    let [min, sum, max] = [Infinity, 0, -Infinity];
    for (let line = first; line < end; line++) {
      const figure = figures[line]!;
      min = Math.min(min, figure);
      sum += figure;
      max = Math.max(max, figure);
    }
    curve.min.push(min);
    curve.mean.push(sum / (end - first));
    curve.max.push(max);
  }
  return curve;
}

/** Columns whose max |w| is above a threshold; undefined where there are no figures of columns. */
export function outlierColumnsOf(absMax: Float32Array, threshold: number): OutlierColumns | undefined {
  if (absMax.length === 0) return undefined;
  const beyond: { index: number; absMax: number }[] = [];
  absMax.forEach((value, index) => {
    if (value > threshold) beyond.push({ index, absMax: value });
  });
  beyond.sort((a, b) => b.absMax - a.absMax || a.index - b.index);
  return { count: beyond.length, largest: beyond.slice(0, maxNamed) };
}
