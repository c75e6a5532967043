import type { SensitivityRow, SensitivityTable } from '../src/protocol/plan';
import { scientific } from './format';

/**
 * What quantizing a tensor does: the error of its weights, and the KL divergence of the model's output that is predicted from it. A
 * gain was measured once per tensor, in one format over a text; the divergence in another format is predicted as gain × error.
 */

/** Decades of divergence below the largest over which a tint fades. */
const decades = 3;

/** Divergence that the measurement cannot distinguish from zero, nats per token. */
export const noiseOf = ({ gainsFrom }: SensitivityTable): number => gainsFrom?.noise ?? 0;

/**
 * KL divergence predicted for a tensor with this relative squared error, nats per token; undefined where nothing was measured
 * or the error is not defined (NaN).
 */
export function influenceOf(
  { gain }: Pick<SensitivityRow, 'gain'>,
  relativeSquaredError: number | undefined,
): number | undefined {
  if (relativeSquaredError === undefined || Number.isNaN(relativeSquaredError)) return undefined;
  if (gain === undefined) return undefined;
  return relativeSquaredError === 0 ? 0 : gain * relativeSquaredError;
}

/** A divergence as a table shows it: one below the noise is not a number. No error at all is 0. */
export function influenceText(influence: number, noise: number): string {
  return influence < noise && influence !== 0 ? '< noise' : scientific(influence);
}

/** The largest finite influence in the table; 0 when there is none. */
export function largestInfluence({ rows }: SensitivityTable): number {
  let largest = 0;
  for (const row of rows) {
    for (const { relativeSquaredError } of row.cells) {
      const influence = influenceOf(row, relativeSquaredError);
      if (influence !== undefined && influence !== Infinity) largest = Math.max(largest, influence);
    }
  }
  return largest;
}

/** Strength of a tint, 0 to 1: on a scale of decades that ends at the largest. */
export function tintOf(influence: number, largest: number): number {
  if (!(influence > 0)) return 0;
  if (influence >= largest) return 1;
  return Math.max(0, 1 + Math.log10(influence / largest) / decades);
}

/** What some tensors have in common in a format. */
export interface Summary {
  /** How many of them were measured in it. */
  readonly measured: number;
  /** Σ relative squared error × weights / Σ weights; NaN where nothing was measured. */
  readonly error: number;
  /** Σ of their influences: to first order divergences add up. Undefined where a gain is missing. */
  readonly influence: number | undefined;
  readonly maxError: number;
}

/** Summary of the rows at these places in a format. */
export function summaryOf({ rows }: SensitivityTable, members: readonly number[], format: string): Summary {
  let [measured, weights, error, maxError] = [0, 0, 0, 0];
  let influence: number | undefined = 0;
  for (const index of members) {
    const row = rows[index]!;
    const cell = row.cells.find((item) => item.format === format);
    if (!cell) continue;
    measured += 1;
    weights += row.weights;
    error += cell.relativeSquaredError * row.weights;
    maxError = Math.max(maxError, cell.maxError);
    const its = influenceOf(row, cell.relativeSquaredError);
    influence = its === undefined || influence === undefined ? undefined : influence + its;
  }
  return measured === 0
    ? { measured, error: NaN, influence: undefined, maxError: NaN }
    : { measured, error: error / weights, influence, maxError };
}
