import * as l10n from '@vscode/l10n';
import { figureChoices, type FigureChoice } from './model/figureChoices';

/** A column of a figure that a scan or a sensitivity run measures. */
export type FigureColumn = Exclude<FigureChoice, 'bits'>;

/** Columns of the tree: rows can be sorted by each, without one they are in order of execution. */
export type TreeColumnId =
  'name' | 'shape' | 'dtype' | 'parameters' | 'bytes' | 'bits' | 'plan' | FigureColumn;

export interface TreeColumn {
  readonly id: TreeColumnId;
  readonly label: string;
  readonly title?: string;
  readonly class?: string;
  /** Numbers are sorted from the largest first. */
  readonly isNumber?: boolean;
  /** Pixels; the name takes what is left. */
  readonly width: number;
  /** Whether it is shown until the user chooses; one of these may be left out where there is no room. */
  readonly isUsual?: boolean;
}

const figureColumns = figureChoices.flatMap(({ id, label, hint }): TreeColumn[] =>
  id === 'bits' ? [] : [{ ...{ id, label, title: hint }, class: 'right', isNumber: true, width: 108 }],
);

/** All columns, in their order. */
export const treeColumns: readonly TreeColumn[] = [
  { id: 'name', label: l10n.t('Name'), width: 0, isUsual: true },
  { id: 'shape', label: l10n.t('Shape'), class: 'shape', width: 112, isUsual: true },
  { id: 'dtype', label: l10n.t('Dtype'), class: 'dtype', width: 76, isUsual: true },
  {
    ...{ id: 'parameters', label: l10n.t('Params'), class: 'right parameters' },
    ...{ isNumber: true, width: 62, isUsual: true },
  },
  {
    ...{ id: 'bytes', label: l10n.t('Size'), class: 'right bytes' },
    ...{ isNumber: true, width: 76, isUsual: true },
  },
  {
    ...{ id: 'bits', label: l10n.t('Bits'), title: l10n.t('Bits per weight') },
    ...{ isNumber: true, width: 94, isUsual: true },
  },
  {
    ...{ id: 'plan', label: l10n.t('Plan'), title: l10n.t('Format that the plan suggests') },
    ...{ isNumber: true, width: 90, isUsual: true },
  },
  ...figureColumns,
];

/** Whether figures of the column come from a scan or a sensitivity run. */
export const isFigureColumn = (id: TreeColumnId): id is FigureColumn =>
  figureColumns.some((column) => column.id === id);

/** Columns that there can be: that of the plan needs one. */
export const columnsWith = (hasPlan: boolean): readonly TreeColumn[] =>
  hasPlan ? treeColumns : treeColumns.filter(({ id }) => id !== 'plan');

/** The columns that are shown. @param chosen their ids; undefined for the usual ones. The name is always there. */
export function chosenColumns(
  chosen: readonly string[] | undefined,
  hasPlan: boolean,
): readonly TreeColumn[] {
  return columnsWith(hasPlan).filter(({ id, isUsual = false }) =>
    chosen && id !== 'name' ? chosen.includes(id) : isUsual,
  );
}

/** The choice after a column was shown or hidden; undefined where it is the usual one. */
export function toggled(
  chosen: readonly string[] | undefined,
  id: TreeColumnId,
): readonly string[] | undefined {
  const usual = treeColumns.filter(({ isUsual }) => isUsual).map((column) => column.id as string);
  const now = new Set(chosen ?? usual);
  if (!now.delete(id)) now.add(id);
  const next = treeColumns.map((column) => column.id as string).filter((other) => now.has(other));
  return next.join() === usual.join() ? undefined : next;
}

/** Widths in pixels: between columns, beside a row, and of a name: where others give way to it, and at least. */
const room = { gap: 8, beside: 24, name: 170, leastName: 110 } as const;

/** Usual columns in the order in which they give way; with a plan, bits of the files and of the plan replace the dtype first. */
const givingWay: Readonly<Record<'withPlan' | 'withoutPlan', readonly TreeColumnId[]>> = {
  withPlan: ['parameters', 'dtype', 'shape', 'bytes'],
  withoutPlan: ['parameters', 'shape', 'dtype', 'bytes'],
};

/** How a tree's columns are laid out. */
export interface TreeLayout {
  /** Columns that have no room: what the user added stays, and the tree scrolls where that is wider. */
  readonly hidden: ReadonlySet<TreeColumnId>;
  /** Value of `grid-template-columns`. */
  readonly template: string;
  /** Of a row, pixels. */
  readonly minWidth: number;
}

/** @param width of the tree in pixels; 0 before it is known: then all columns have room. */
export function layOutColumns(columns: readonly TreeColumn[], width: number): TreeLayout {
  const hidden = new Set<TreeColumnId>();
  const shown = (): readonly TreeColumn[] => columns.filter(({ id }) => !hidden.has(id));
  const others = (): number => shown().reduce((sum, column) => sum + column.width, 0);
  const gaps = (): number => room.beside + room.gap * (shown().length - 1);
  const hasPlan = columns.some(({ id }) => id === 'plan');
  for (const id of givingWay[hasPlan ? 'withPlan' : 'withoutPlan']) {
    if (width === 0 || others() + gaps() + room.name <= width) break;
    hidden.add(id);
  }
  const rest = shown().filter(({ id }) => id !== 'name');
  return {
    hidden,
    template: [`minmax(${room.leastName}px, 1fr)`, ...rest.map((column) => `${column.width}px`)].join(' '),
    minWidth: others() + gaps() + room.leastName,
  };
}
