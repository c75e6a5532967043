import { loadNative } from '../../native';
import { greatestOf, leastOf } from '../../protocol/extremes';
import type { Grid } from '../../protocol/grids';
import { decodeRows, roundToNearest } from '../grids/roundToNearest';
import type { ScaledMatrix } from '../methods/method';

/** Added to the largest weight of a group, and to what scales are divided by, as AutoAWQ does. */
const leastMagnitude = 1e-6;
const leastDivisor = 1e-4;

export interface ScaleSearchOptions {
  /** Ratios that are tried: 0, 1/n, …, (n − 1)/n. */
  readonly ratios: number;
  /** Scales also depend on the weights, not on the inputs alone. */
  readonly duoScaling: boolean;
}

export interface FoundScales {
  /** Factors of the columns; all 1 where no ratio is better than rounding. */
  readonly scales: Float32Array;
  /** Absent where none is better than rounding. */
  readonly ratio?: number;
  /** Mean over the inputs of the squared error of all outputs, for each ratio. */
  readonly losses: Float64Array;
  /** The same for rounding. */
  readonly roundingLoss: number;
}

/**
 * Factors of the columns of matrices that share an input, so that their outputs change least when the scaled matrices are rounded (Lin et al.
 * 2023, AWQ, arXiv:2306.00978): s = x^r / (w^(1 − r) + 1e-4), or x^r, with x the mean magnitude of an input channel, w the mean over all rows
 * of |weight| / largest of its group, and r the ratio whose outputs are nearest; divided by √(max s · min s). The factors are those of AutoAWQ
 * (`_search_best_scale`).
 * @param matrices read twice, slab by slab.
 */
export async function searchScales(
  matrices: readonly ScaledMatrix[],
  { ratios, duoScaling }: ScaleSearchOptions,
  signal?: AbortSignal,
): Promise<FoundScales> {
  const inputs = meanMagnitudes(matrices);
  const weights = duoScaling ? await meanShares(matrices, signal) : undefined;
  const candidates = Array.from({ length: ratios }, (_, i) => scalesFor(i / ratios, inputs, weights));
  const [roundingLoss = 0, ...losses] = await lossesOf(matrices, [undefined, ...candidates], signal);
  const best = losses.indexOf(leastOf(losses));
  const isBetter = losses[best]! < roundingLoss;
  return {
    scales: isBetter ? candidates[best]! : new Float32Array(inputs.length).fill(1),
    ...(isBetter ? { ratio: best / ratios } : {}),
    losses: Float64Array.from(losses),
    roundingLoss,
  };
}

/** Mean |x| of each channel over the inputs of all matrices; those that share them count once. */
function meanMagnitudes(matrices: readonly ScaledMatrix[]): Float32Array {
  const { columns } = matrices[0]!;
  const sums = new Float64Array(columns);
  let count = 0;
  for (const inputs of new Set(matrices.map((matrix) => matrix.inputs))) {
    for (let at = 0; at < inputs.length; at++) sums[at % columns]! += Math.abs(inputs[at]!);
    count += inputs.length / columns;
  }
  return Float32Array.from(sums, (sum) => sum / count);
}

/** Mean over all rows of |weight| / largest magnitude of its group. */
async function meanShares(
  matrices: readonly ScaledMatrix[],
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const sums = new Float64Array(matrices[0]!.columns);
  let rows = 0;
  for (const { grid, columns, weights } of matrices) {
    const group = groupWidth(grid, columns);
    for await (const values of weights(signal)) {
      addShares(values, columns, group, sums);
      rows += values.length / columns;
    }
  }
  return Float32Array.from(sums, (sum) => sum / rows);
}

function addShares(values: Float32Array, columns: number, group: number, sums: Float64Array): void {
  for (let row = 0; row < values.length; row += columns)
    for (let first = 0; first < columns; first += group) {
      const end = Math.min(columns, first + group);
      let largest = 0;
      for (let c = first; c < end; c++) largest = Math.max(largest, Math.abs(values[row + c]!));
      const divisor = Math.fround(largest + leastMagnitude);
      for (let c = first; c < end; c++) sums[c]! += Math.fround(Math.abs(values[row + c]!) / divisor);
    }
}

/** Consecutive weights of a row whose largest magnitude counts for each. */
function groupWidth({ group }: Grid, columns: number): number {
  if (typeof group === 'number') return group;
  if (typeof group === 'string') return columns;
  return 'flat' in group ? group.flat : group.columns;
}

/** @param weights mean shares; scales depend on the inputs alone where it is absent. */
function scalesFor(ratio: number, inputs: Float32Array, weights: Float32Array | undefined): Float32Array {
  const raw = inputs.map((x, i) => {
    const scale = x ** ratio / (weights ? weights[i]! ** (1 - ratio) + leastDivisor : 1);
    return Math.max(scale, leastDivisor);
  });
  const middle = Math.fround(Math.sqrt(greatestOf(raw) * leastOf(raw)));
  return raw.map((scale) => {
    const scaled = scale / middle;
    return Number.isFinite(scaled) ? scaled : 1;
  });
}

/** The loss of each candidate: factors of the columns, or none. */
async function lossesOf(
  matrices: readonly ScaledMatrix[],
  candidates: readonly (Float32Array | undefined)[],
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const losses = candidates.map(() => 0);
  for (const { grid, columns, inputs, weights } of matrices)
    for await (const values of weights(signal))
      for (const [i, scales] of candidates.entries()) {
        const scaled = scales ? await loadNative().scaleColumns(values, scales, signal) : values;
        const shape = [values.length / columns, columns] as const;
        const others = await decodeRows(await roundToNearest(grid, scaled, shape, {}, signal), signal);
        const errors = await loadNative().outputErrors(
          { weights: values, others, scales },
          ...([inputs, columns, columns, signal] as const),
        );
        losses[i]! += errors.reduce((sum, error) => sum + error, 0) / (inputs.length / columns);
      }
  return losses;
}
