/** Rows and columns of a tensor seen as a matrix. */
export interface Extent {
  readonly rows: number;
  readonly columns: number;
}

/** CSS pixels of the map itself. */
export interface Area {
  readonly width: number;
  readonly height: number;
}

/** The part of a matrix that a map shows; weight n covers n to n + 1. */
export interface View {
  readonly row: number;
  readonly rows: number;
  readonly column: number;
  readonly columns: number;
}

/** A view that was stored; undefined where it is none. */
export function viewFrom(stored: unknown): View | undefined {
  const { row, rows, column, columns } = Object(stored) as View;
  return [row, rows, column, columns].every(Number.isFinite) ? { row, rows, column, columns } : undefined;
}

/** A point of the map as shares of its width and height. */
export interface Anchor {
  readonly x: number;
  readonly y: number;
}

export const center: Anchor = { x: 0.5, y: 0.5 };

/** A weight is drawn at most so large (CSS pixels): enough for its number. */
export const largestCell: Area = { width: 72, height: 26 };

export const wholeView = ({ rows, columns }: Extent): View => ({ row: 0, rows, column: 0, columns });

export const isWholeView = (view: View, { rows, columns }: Extent): boolean =>
  view.rows >= rows && view.columns >= columns;

/** The room that the map takes of what there is: no more than its weights need at their largest. */
export const areaOf = ({ rows, columns }: Extent, room: Area): Area => ({
  width: Math.max(1, Math.min(room.width, columns * largestCell.width)),
  height: Math.max(1, Math.min(room.height, rows * largestCell.height)),
});

/** The view moved and scaled to what lies in the tensor and is drawn no larger than it may be. */
export function clamped(view: View, extent: Extent, area: Area): View {
  const [row, rows] = clampedSpan(view.row, view.rows, extent.rows, area.height / largestCell.height);
  const least = area.width / largestCell.width;
  const [column, columns] = clampedSpan(view.column, view.columns, extent.columns, least);
  return { row, rows, column, columns };
}

function clampedSpan(first: number, count: number, size: number, least: number): [number, number] {
  const next = Math.min(size, Math.max(count, Math.min(size, least)));
  return [Math.min(size - next, Math.max(0, first + (count - next) / 2)), next];
}

/** The view scaled by a factor (less than 1: closer); what is at the anchor stays there. */
export function zoomed(view: View, factor: number, anchor: Anchor, extent: Extent, area: Area): View {
  const limits = clamped({ ...view, rows: view.rows * factor, columns: view.columns * factor }, extent, area);
  const { rows, columns } = limits;
  const row = view.row + anchor.y * (view.rows - rows);
  const column = view.column + anchor.x * (view.columns - columns);
  return clamped({ row, rows, column, columns }, extent, area);
}

/** The view moved by shares of its size. */
export const panned = (view: View, { x, y }: Anchor, extent: Extent, area: Area): View =>
  clamped({ ...view, row: view.row + y * view.rows, column: view.column + x * view.columns }, extent, area);

/** The rectangle between two points. */
export function boxed(view: View, a: Anchor, b: Anchor, extent: Extent, area: Area): View {
  const [left, right] = [Math.min(a.x, b.x), Math.max(a.x, b.x)];
  const [top, bottom] = [Math.min(a.y, b.y), Math.max(a.y, b.y)];
  const box = {
    ...{ row: view.row + top * view.rows, rows: (bottom - top) * view.rows },
    ...{ column: view.column + left * view.columns, columns: (right - left) * view.columns },
  };
  return clamped(box, extent, area);
}

/** Lines around one of them, in each direction, that a jump to it shows. */
const around = 8;

/** A row or a column with some on both sides, over the whole of the other direction. */
export function viewOfLine(noun: 'row' | 'column', index: number, extent: Extent): View {
  const whole = wholeView(extent);
  const span = (size: number): [number, number] => {
    const first = Math.max(0, index - around);
    return [first, Math.min(size, index + around + 1) - first];
  };
  if (noun === 'row') {
    const [row, rows] = span(extent.rows);
    return { ...whole, row, rows };
  }
  const [column, columns] = span(extent.columns);
  return { ...whole, column, columns };
}

/** The weight under a point of the map. */
export function weightAt(view: View, { x, y }: Anchor, extent: Extent): { row: number; column: number } {
  const at = (first: number, count: number, share: number, size: number): number =>
    Math.min(size - 1, Math.max(0, Math.floor(first + share * count)));
  return {
    row: at(view.row, view.rows, y, extent.rows),
    column: at(view.column, view.columns, x, extent.columns),
  };
}
