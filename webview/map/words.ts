import * as l10n from '@vscode/l10n';
import type { Picture } from './compose';
import { weightAt, type Anchor, type Extent, type View } from './view';
import { spanText } from '../charts/cells';
import { number } from '../format';

/** A value in multiples of σ: ", 4.2 σ"; nothing where σ is not defined. */
export const sigmas = (value: number, sigma: number): string =>
  sigma > 0 && Number.isFinite(value) ? `, ${(Math.abs(value) / sigma).toFixed(1)} σ` : '';

/** First and last weight of a cell in one direction. */
const spanOf = (cell: number, size: number, end: number): [number, number] => [
  cell * size,
  Math.min(end, (cell + 1) * size) - 1,
];

export const isSingle = ({ cell }: Picture): boolean => cell.rows === 1 && cell.columns === 1;

/** The cell under a point: its indices in the matrix of cells, and in the picture. */
export function cellAt(picture: Picture, view: View, anchor: Anchor, extent: Extent) {
  const { row, column } = weightAt(view, anchor, extent);
  const cellRow = Math.floor(row / picture.cell.rows);
  const cellColumn = Math.floor(column / picture.cell.columns);
  const index =
    (cellRow - picture.firstRow) * picture.columns +
    Math.min(picture.columns - 1, cellColumn - picture.firstColumn);
  return { cellRow, cellColumn, value: picture.values[index] ?? NaN };
}

/** What is under a point: "row 451, column 58: −0.031, 4.2 σ". */
export function pointWords(
  picture: Picture,
  view: View,
  anchor: Anchor,
  extent: Extent,
  sigma: number,
): string {
  const { cellRow, cellColumn, value } = cellAt(picture, view, anchor, extent);
  const rows = spanText('row', spanOf(cellRow, picture.cell.rows, extent.rows));
  const columns = spanText('column', spanOf(cellColumn, picture.cell.columns, extent.columns));
  const what = isSingle(picture) ? '' : l10n.t('max |w| ');
  return `${rows}, ${columns}: ${what}${number(value)}${sigmas(value, sigma)}`;
}

/** What a view shows: "Rows 0–255, columns 0–767: the largest |w| of 2 × 4 weights per cell." */
export function viewWords(view: View, { cell }: Picture, extent: Extent): string {
  const span = (first: number, count: number, size: number): [number, number] => [
    Math.floor(first),
    Math.min(size, Math.ceil(first + count)) - 1,
  ];
  const rows = spanText('Row', span(view.row, view.rows, extent.rows));
  const columns = spanText('column', span(view.column, view.columns, extent.columns));
  const what =
    cell.rows === 1 && cell.columns === 1
      ? l10n.t('one weight')
      : l10n.t('the largest |w| of {0} × {1} weights', cell.rows, cell.columns);
  return l10n.t('{0}, {1}: {2} per cell.', rows, columns, what);
}
