import { loadNative } from '../../native';
import type { Grid } from '../../protocol/grids';
import { decodeRows, roundToNearest } from '../grids/roundToNearest';

export interface ClipOptions {
  /** Limits that are tried are largest magnitude · (1 − i / steps). */
  readonly steps: number;
  /** Limits go down by less than this share of the largest magnitude. */
  readonly shrink: number;
}

/**
 * Limits the weights of each group to the range whose outputs are nearest to those of the original weights when the group is rounded
 * (AutoAWQ, `_compute_best_clip`). Groups that are not parts of rows are left as they are.
 * @param values `[rows, columns]`, whole groups of rows.
 * @param inputs some inputs, `[samples, columns]`.
 * @returns the limited weights.
 */
export async function clipRows(
  grid: Grid,
  values: Float32Array,
  columns: number,
  inputs: Float32Array,
  { steps, shrink }: ClipOptions,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const group = clippedWidth(grid, columns);
  if (group === undefined) return values;
  const native = loadNative();
  const limits = await native.groupLimits(values, columns, group, signal);
  const best = limits.slice();
  const least = new Float64Array(limits.length).fill(Infinity);
  for (let step = 0; step < Math.floor(shrink * steps); step++) {
    const tried = limits.map((limit) => limit * Math.fround(1 - step / steps));
    const clipped = await native.limitGroups(values, columns, group, tried, signal);
    const rounded = await roundToNearest(grid, clipped, [values.length / columns, columns], {}, signal);
    const replacement = { weights: values, others: await decodeRows(rounded, signal) };
    const errors = await native.outputErrors(replacement, inputs, columns, group, signal);
    errors.forEach((error, i) => {
      if (!(error < least[i]!)) return;
      least[i] = error;
      best[i] = tried[i]!;
    });
  }
  return native.limitGroups(values, columns, group, best, signal);
}

/** Width of groups that are parts of rows, or rows. */
function clippedWidth({ group }: Grid, columns: number): number | undefined {
  if (group === 'row') return columns;
  if (typeof group === 'number') return Math.min(group, columns);
  return typeof group === 'object' && 'flat' in group && columns % group.flat === 0 ? group.flat : undefined;
}
