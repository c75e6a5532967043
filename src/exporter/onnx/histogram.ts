/** Counts of values between edges, one more edge than counts. */
export interface Histogram {
  readonly counts: Float64Array;
  readonly edges: Float32Array;
}

/** Equal bins over [low, high]; both ends belong to the outer bins, and an edge to the bin above it, as numpy.histogram has it. */
export function histogramOf(values: Float32Array, low: number, high: number, bins: number): Histogram {
  const counts = new Float64Array(bins);
  const [from, to] = low === high ? [low - 0.5, high + 0.5] : [low, high];
  const edges = Float32Array.from({ length: bins + 1 }, (_, i) => from + (i * (to - from)) / bins);
  edges[bins] = to;
  for (const value of values) {
    if (value < from || value > to) continue;
    let bin = Math.min(bins - 1, Math.floor(((value - from) / (to - from)) * bins));
    if (value < edges[bin]!) bin -= 1;
    else if (bin < bins - 1 && value >= edges[bin + 1]!) bin += 1;
    counts[bin]! += 1;
  }
  return { counts, edges };
}

/** Levels that a distribution is compared with. */
const levels = 128;

/**
 * The bins that are kept so that the distribution, its tails moved to the outer bins, differs least from itself in 128 levels, by
 * Kullback–Leibler divergence.
 * @param counts of bins around zero.
 * @returns first bin, and the one after the last.
 * @see "8-bit Inference with TensorRT" (Szymon Migacz, GTC 2017)
 */
export function entropyCut(counts: Float64Array): [first: number, end: number] {
  const middle = Math.floor(counts.length / 2);
  let best: [number, number] = [0, counts.length];
  let least = Infinity;
  for (let half = levels / 2; half <= middle; half++) {
    const cut: [number, number] = [middle - half, Math.min(counts.length, middle + half + 1)];
    const divergence = divergenceOf(counts, cut);
    if (divergence >= least) continue;
    least = divergence;
    best = cut;
  }
  return best;
}

function divergenceOf(counts: Float64Array, [first, end]: readonly [number, number]): number {
  const kept = counts.subarray(first, end);
  const reference = Float64Array.from(kept);
  reference[0]! += sumOf(counts.subarray(0, first));
  reference[reference.length - 1]! += sumOf(counts.subarray(end));
  const [p, q] = [smoothed(reference), smoothed(inLevels(kept, reference))];
  if (!p || !q) return Infinity;
  const [sumP, sumQ] = [sumOf(p), sumOf(q)];
  return p.reduce((sum, value, i) => sum + (value / sumP) * Math.log(value / sumP / (q[i]! / sumQ)), 0);
}

/** Counts merged to 128 levels, each spread evenly over its bins that are not empty. */
function inLevels(kept: Float64Array, reference: Float64Array): Float64Array {
  const merged = Math.floor(kept.length / levels);
  const spread = new Float64Array(kept.length);
  for (let level = 0; level < levels; level++) {
    const [start, end] = [level * merged, (level + 1) * merged];
    const rest = level === levels - 1 ? sumOf(kept.subarray(levels * merged)) : 0;
    const count = sumOf(kept.subarray(start, end)) + rest;
    const filled = reference.subarray(start, end).reduce((sum, value) => sum + (value === 0 ? 0 : 1), 0);
    if (filled > 0) spread.fill(Math.trunc(count / filled), start, end);
  }
  return spread;
}

/** A little of each filled bin moved to the empty ones, so that logarithms are finite; undefined when all are empty. */
function smoothed(counts: Float64Array): Float64Array | undefined {
  const empty = counts.reduce((sum, value) => sum + (value === 0 ? 1 : 0), 0);
  const filled = counts.length - empty;
  if (filled === 0) return undefined;
  const taken = (smoothing * empty) / filled;
  return counts.map((value) => (value === 0 ? smoothing : value - taken));
}

const smoothing = 1e-4;

const sumOf = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0);
