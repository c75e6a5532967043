import * as l10n from '@vscode/l10n';
import type { GainsSource } from '../src/protocol/gains';
import type { FigureRow, FormatFigures, SensitivityFigures } from '../src/protocol/sensitivityFigures';
import { scientific } from './format';

/**
 * What quantizing a tensor does: the error of its weights, and the KL divergence of the model's output that is predicted from it. A
 * gain was measured once per tensor, in one format over a text; the divergence in another format is predicted as gain × error.
 */

/** Decades of divergence below the largest over which a tint fades. */
const decades = 3;

/** Divergence that the measurement cannot distinguish from zero, nats per token. */
export const noiseOf = (gainsFrom: GainsSource | undefined): number => gainsFrom?.noise ?? 0;

/**
 * KL divergence predicted for a tensor with this relative squared error, nats per token; undefined where nothing was measured
 * or the error is not defined (NaN).
 */
export function influenceOf(
  { gain }: Pick<FigureRow, 'gain'>,
  relativeSquaredError: number | undefined,
): number | undefined {
  if (relativeSquaredError === undefined || Number.isNaN(relativeSquaredError)) return undefined;
  if (gain === undefined) return undefined;
  return relativeSquaredError === 0 ? 0 : gain * relativeSquaredError;
}

/** A divergence as a table shows it: one below the noise is not a number. No error at all is 0. */
export function influenceText(influence: number, noise: number): string {
  return influence < noise && influence !== 0 ? l10n.t('< noise') : scientific(influence);
}

/** The measurements as the sensitivity view shows them. */
export interface Figures extends Omit<SensitivityFigures, 'rows'> {
  readonly revision: number;
  readonly rows: readonly FigureRow[];
}

/** Measured tensors and formats, as far as influences need them. */
export interface Measurements {
  readonly rows: readonly Pick<FigureRow, 'weights' | 'gain'>[];
  readonly formats: readonly Pick<FormatFigures, 'format' | 'errors' | 'maxErrors'>[];
}

/** The largest finite influence among the measurements; 0 when there is none. */
export function largestInfluence({ rows, formats }: Measurements): number {
  let largest = 0;
  for (const { errors } of formats) {
    for (const [index, row] of rows.entries()) {
      const influence = isMeasured(errors, index) ? influenceOf(row, errors[index]) : undefined;
      if (influence !== undefined && influence !== Infinity) largest = Math.max(largest, influence);
    }
  }
  return largest;
}

/** Errors that are not defined are NaN, those that were not measured −1. */
const isMeasured = (errors: Float32Array, index: number): boolean => errors[index] !== -1;

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
export function summaryOf(
  rows: Measurements['rows'],
  { errors, maxErrors }: Measurements['formats'][number],
  members: readonly number[],
): Summary {
  let [measured, weights, error, maxError] = [0, 0, 0, 0];
  let influence: number | undefined = 0;
  for (const index of members) {
    if (!isMeasured(errors, index)) continue;
    const row = rows[index]!;
    const own = errors[index]!;
    measured += 1;
    weights += row.weights;
    error += own * row.weights;
    maxError = Math.max(maxError, maxErrors[index]!);
    const its = influenceOf(row, own);
    influence = its === undefined || influence === undefined ? undefined : influence + its;
  }
  return measured === 0
    ? { measured, error: NaN, influence: undefined, maxError: NaN }
    : { measured, error: error / weights, influence, maxError };
}
