import type { SensitivityRow } from '../protocol/plan';

/** A tensor of a block, by its place. */
interface Place {
  readonly block: number;
  /** Its name inside the block: "attn_q.weight". */
  readonly role: string;
}

/** Where a tensor is; undefined outside of blocks. */
function placeOf(tensor: string): Place | undefined {
  const [, block, role] = /^blk\.(\d+)\.(.+)$/.exec(tensor) ?? [];
  return block === undefined || role === undefined ? undefined : { block: Number(block), role };
}

/** The blocks that tensors are in, in rising order. */
export const blocksOf = (tensors: readonly string[]): number[] =>
  [...new Set(tensors.flatMap((name) => placeOf(name)?.block ?? []))].sort((a, b) => a - b);

/** Whether the gain of a tensor is measured where that is done in some blocks only: those outside of blocks always are. */
export function isSampled(tensor: string, blocks: readonly number[] | undefined): boolean {
  const block = placeOf(tensor)?.block;
  return blocks === undefined || block === undefined || blocks.includes(block);
}

/**
 * Blocks in which gains are measured: so many, spread evenly over the depth of the model, and the first and the last that have each role, so that
 * none is extrapolated.
 * @param tensors names of all tensors, as GGUF has them.
 * @param count at least 2.
 * @returns in rising order; undefined where these are all blocks.
 */
export function sampleOfBlocks(tensors: readonly string[], count: number): readonly number[] | undefined {
  const all = blocksOf(tensors);
  if (count >= all.length) return undefined;
  const chosen = new Set<number>();
  for (let i = 0; i < count; i++) chosen.add(all[Math.round((i * (all.length - 1)) / (count - 1))]!);
  const ends = new Map<string, { first: number; last: number }>();
  for (const { block, role } of tensors.flatMap((name) => placeOf(name) ?? [])) {
    const { first, last } = ends.get(role) ?? { first: block, last: block };
    ends.set(role, { first: Math.min(first, block), last: Math.max(last, block) });
  }
  for (const { first, last } of ends.values()) chosen.add(first).add(last);
  return chosen.size === all.length ? undefined : [...chosen].sort((a, b) => a - b);
}

/** Gains of tensors that were not measured, and how exact they are. */
export interface InterpolatedGains {
  readonly gains: ReadonlyMap<string, number>;
  /**
   * Geometric standard deviation of interpolated / measured gain, over the measured tensors that have measured ones of their role before and after
   * them, each left out in turn. Gaps are then about twice as wide as those that are interpolated. Absent where there are none.
   */
  readonly deviation?: number;
}

/** A measured gain per weight, as its logarithm, at a depth. */
interface Point {
  readonly block: number;
  readonly log: number;
}

/**
 * Gains in the blocks that were not measured: for each role, the logarithm of the gain per weight is linear between the nearest measured blocks.
 * @param rows with the gains that were measured.
 * @param blocks in which they were.
 */
export function interpolateGains(
  rows: readonly Pick<SensitivityRow, 'tensor' | 'weights' | 'gain'>[],
  blocks: readonly number[],
): InterpolatedGains {
  const points = pointsByRole(rows);
  const gains = new Map<string, number>();
  for (const { tensor, weights } of rows) {
    const place = placeOf(tensor);
    if (!place || blocks.includes(place.block)) continue;
    const known = points.get(place.role);
    if (known) gains.set(tensor, weights * Math.exp(logAt(known, place.block)));
  }
  const misses = [...points.values()].flatMap(leftOut);
  if (misses.length === 0) return { gains };
  const variance = misses.reduce((sum, miss) => sum + miss ** 2, 0) / misses.length;
  return { gains, deviation: Math.exp(Math.sqrt(variance)) };
}

/** In rising order of blocks. Tensors without influence, whose gain has no logarithm, are left out where others of their role have some. */
function pointsByRole(
  rows: readonly Pick<SensitivityRow, 'tensor' | 'weights' | 'gain'>[],
): Map<string, Point[]> {
  const byRole = new Map<string, Point[]>();
  for (const { tensor, weights, gain } of rows) {
    const place = placeOf(tensor);
    if (!place || gain === undefined) continue;
    byRole.set(place.role, [
      ...(byRole.get(place.role) ?? []),
      { block: place.block, log: Math.log(gain / weights) },
    ]);
  }
  return new Map(
    [...byRole].map(([role, points]) => {
      const told = points.filter(({ log }) => Number.isFinite(log));
      return [role, told.length > 0 ? told.sort((a, b) => a.block - b.block) : points.slice(0, 1)];
    }),
  );
}

/** Of the nearest points before and after a block; beyond all points, of the nearest. */
function logAt(points: readonly Point[], block: number): number {
  const after = points.find((point) => point.block >= block);
  const before = points.findLast((point) => point.block <= block);
  if (!after || !before || after.block === before.block) return (after ?? before)!.log;
  const share = (block - before.block) / (after.block - before.block);
  return before.log + share * (after.log - before.log);
}

/** Logarithms of interpolated / measured for the points between the first and the last, each without itself. */
const leftOut = (points: readonly Point[]): number[] =>
  points
    .slice(1, -1)
    .map(
      (point) =>
        logAt(
          points.filter((other) => other !== point),
          point.block,
        ) - point.log,
    )
    .filter((miss) => Number.isFinite(miss));
