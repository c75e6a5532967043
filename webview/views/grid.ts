import type { ComponentChildren } from 'preact';
import type { DataColumn, DataValue, LineColumn } from '../../src/protocol/dataTable';

/** A column of figures; the names, which stay visible, are not a column. */
export interface GridColumn<Line> {
  readonly id: string;
  readonly label: ComponentChildren;
  /** What the column means. */
  readonly title?: string;
  /** Pixels. */
  readonly width: number;
  /** Takes the remaining space, at least its width. */
  readonly grows?: true;
  readonly align?: 'left';
  readonly cell: (line: Line) => ComponentChildren;
  /** What the column is called, and what a line has in it, in tables that are saved: the label and the text of the cell where it is absent. */
  readonly saved?: Omit<LineColumn<Line>, 'name'> & { readonly name?: string };
  /** Details, as a tooltip. */
  readonly cellTitle?: (line: Line) => string | undefined;
  /** Background of the cell. */
  readonly tint?: (line: Line) => string | undefined;
}

/** `column` is the id of a column. */
export interface GridOrder {
  readonly column: string;
  readonly descending: boolean;
}

/** An order that was stored; undefined where it is none. */
export function orderFrom(stored: unknown): GridOrder | undefined {
  const { column, descending } = Object(stored) as Partial<GridOrder>;
  return typeof column === 'string' && typeof descending === 'boolean' ? { column, descending } : undefined;
}

export interface GridProps<Line> {
  /** Unique on the page: rows have ids. */
  readonly id: string;
  /** What screen readers call the table. */
  readonly label: string;
  readonly nameLabel: string;
  readonly lines: readonly Line[];
  readonly columns: readonly GridColumn<Line>[];
  readonly keyOf: (line: Line) => string;
  readonly name: (line: Line) => ComponentChildren;
  readonly nameTitle?: (line: Line) => string;
  readonly depthOf?: (line: Line) => number;
  /** Whether a group is open; undefined for a line that is not a group. */
  readonly openOf?: (line: Line) => boolean | undefined;
  readonly toggle?: (line: Line) => void;
  /** A click or Enter on a line that is not a group. */
  readonly choose: (line: Line) => void;
  readonly isChosen?: (line: Line) => boolean;
  readonly rowClass?: (line: Line) => string;
  /** Attributes that identify a row's content. */
  readonly dataOf?: (line: Line) => Readonly<Record<`data-${string}`, string | undefined>>;
  /** `data-vscode-context` of a line; requested when its menu opens, since that of a large group is long. */
  readonly contextOf?: (line: Line) => string;
  /** A key that does not move the active line, which it is about. @returns whether it has an effect. */
  readonly onLineKey?: (event: KeyboardEvent, line: Line) => boolean;
  /** The column that orders the lines. */
  readonly order?: GridOrder;
  /** A click on a header; columns can be sorted by only where it is present. */
  readonly reorder?: (column: string) => void;
  /** Shown when there are no lines. */
  readonly empty: string;
  /** What is saved of the table; absent for its lines with their columns. */
  readonly savedColumns?: () => readonly DataColumn[];
}

/** All lines of a grid as a table: their keys and columns. A cell that is more than a text needs `saved`. */
export function gridData<Line>({ nameLabel, lines, columns, keyOf }: GridProps<Line>): DataColumn[] {
  return [
    { name: nameLabel, values: lines.map(keyOf) },
    ...columns.map(({ id, label, cell, saved }) => ({
      name: saved?.name ?? (typeof label === 'string' ? label : id),
      ...(saved?.unit === undefined ? {} : { unit: saved.unit }),
      values: lines.map((line) => (saved ? saved.value(line) : plainText(cell(line)))),
    })),
  ];
}

/** A cell that is a text or a number; other cells have none. */
const plainText = (cell: ComponentChildren): DataValue =>
  typeof cell === 'string' || typeof cell === 'number' ? cell : undefined;

/** The order after a click on a header: largest first, then reversed. */
export const nextOrder = (order: GridOrder | undefined, column: string): GridOrder => ({
  column,
  descending: order?.column !== column || !order.descending,
});
