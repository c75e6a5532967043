import { center, panned, wholeView, zoomed, type Area, type Extent, type View } from './view';

/** What a key does to a view. */
const moves: Readonly<Record<string, (view: View, extent: Extent, area: Area) => View>> = {
  '+': (view, extent, area) => zoomed(view, 0.5, center, extent, area),
  '=': (view, extent, area) => zoomed(view, 0.5, center, extent, area),
  '-': (view, extent, area) => zoomed(view, 2, center, extent, area),
  ArrowLeft: (view, extent, area) => panned(view, { x: -0.25, y: 0 }, extent, area),
  ArrowRight: (view, extent, area) => panned(view, { x: 0.25, y: 0 }, extent, area),
  ArrowUp: (view, extent, area) => panned(view, { x: 0, y: -0.25 }, extent, area),
  ArrowDown: (view, extent, area) => panned(view, { x: 0, y: 0.25 }, extent, area),
  Escape: (_, extent) => wholeView(extent),
  Home: (_, extent) => wholeView(extent),
};

/** The view after a key; undefined for a key that does nothing here. */
export const viewAfterKey = (key: string, view: View, extent: Extent, area: Area): View | undefined =>
  moves[key]?.(view, extent, area);

/** Directions of keys that move the weight that is read out. */
const steps: Readonly<Record<string, readonly [rows: number, columns: number]>> = {
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
};

/** The next cell in the direction of a key, as a weight of it; undefined for a key that does nothing here. */
export function cursorAfterKey(
  key: string,
  { row, column }: { readonly row: number; readonly column: number },
  cell: { readonly rows: number; readonly columns: number },
  extent: Extent,
): { row: number; column: number } | undefined {
  const step = steps[key];
  if (!step) return undefined;
  const within = (at: number, size: number): number => Math.min(size - 1, Math.max(0, at));
  return {
    row: within(row + step[0] * cell.rows, extent.rows),
    column: within(column + step[1] * cell.columns, extent.columns),
  };
}
