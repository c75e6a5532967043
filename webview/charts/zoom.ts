import type { TensorRegion } from '../../src/protocol/analysis';

/** Rows and columns of a tensor seen as a matrix. */
export interface Extent {
  readonly rows: number;
  readonly columns: number;
}

export const wholeOf = ({ rows, columns }: Extent): TensorRegion => ({
  ...{ firstRow: 0, firstColumn: 0, rows, columns },
});

/** Whether a region covers the whole tensor. */
export const isWhole = (region: TensorRegion, { rows, columns }: Extent): boolean =>
  region.rows >= rows && region.columns >= columns;

/** The whole weights that a rectangle on the axes covers, at least one; an axis that did not change keeps its range. */
export function regionOf(
  { x, y }: { x?: readonly [number, number]; y?: readonly [number, number] },
  shown: TensorRegion,
  extent: Extent,
): TensorRegion {
  const [firstColumn, columns] = x
    ? spanOf(x, extent.columns)
    : ([shown.firstColumn, shown.columns] as const);
  const [firstRow, rows] = y ? spanOf(y, extent.rows) : ([shown.firstRow, shown.rows] as const);
  return { firstRow, firstColumn, rows, columns };
}

/** First weight and number of weights between two axis positions; weight n extends from n − 0.5 to n + 0.5. */
function spanOf([a, b]: readonly [number, number], size: number): readonly [number, number] {
  const first = Math.min(size - 1, Math.max(0, Math.floor(Math.min(a, b) + 0.5)));
  const last = Math.min(size - 1, Math.max(first, Math.ceil(Math.max(a, b) - 0.5)));
  return [first, last - first + 1];
}

/** The region scaled about its centre, clamped to the tensor. */
export function scaled(region: TensorRegion, factor: number, extent: Extent): TensorRegion {
  const [firstRow, rows] = scaledSpan(region.firstRow, region.rows, factor, extent.rows);
  const [firstColumn, columns] = scaledSpan(region.firstColumn, region.columns, factor, extent.columns);
  return { firstRow, firstColumn, rows, columns };
}

function scaledSpan(first: number, count: number, factor: number, size: number): readonly [number, number] {
  const next = Math.min(size, Math.max(1, Math.round(count * factor)));
  return [within(first + Math.round((count - next) / 2), next, size), next];
}

/** The region moved by a fraction of its size, clamped to the tensor. */
export function moved(
  region: TensorRegion,
  { right = 0, down = 0 }: { right?: number; down?: number },
  extent: Extent,
): TensorRegion {
  const step = (share: number, count: number): number =>
    Math.sign(share) * Math.ceil(Math.abs(share) * count);
  return {
    ...region,
    firstRow: within(region.firstRow + step(down, region.rows), region.rows, extent.rows),
    firstColumn: within(region.firstColumn + step(right, region.columns), region.columns, extent.columns),
  };
}

const within = (first: number, count: number, size: number): number =>
  Math.min(size - count, Math.max(0, first));
