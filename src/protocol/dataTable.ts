import { markdownInline } from './markdown';

/** What a chart or a table shows, as columns: to be copied, saved, or put into a report. */

export type DataValue = number | string | boolean | null | undefined;

export interface DataColumn {
  readonly name: string;
  /** "bytes", "nats"; absent where values have none. */
  readonly unit?: string;
  /** As many as those of the other columns. Absent values are null or undefined. */
  readonly values: readonly DataValue[];
}

export interface DataTable {
  readonly title: string;
  /** Model, and tensor where it is about one. */
  readonly about: readonly string[];
  readonly columns: readonly DataColumn[];
}

/** A column of a table whose lines are known. */
export interface LineColumn<Line> {
  readonly name: string;
  readonly unit?: string;
  readonly value: (line: Line) => DataValue;
}

/** The columns of a list of lines. */
export const columnsFrom = <Line>(
  lines: readonly Line[],
  columns: readonly LineColumn<Line>[],
): DataColumn[] => columns.map(({ value, ...column }) => ({ ...column, values: lines.map(value) }));

const headOf = ({ name, unit }: DataColumn): string => (unit === undefined ? name : `${name} (${unit})`);

const rowCount = ({ columns }: DataTable): number => columns[0]?.values.length ?? 0;

/** Texts that a spreadsheet would take for a formula. */
const formula = /^[=+\-@\t\r]/;

function csvCell(value: DataValue): string {
  if (value === null || value === undefined) return '';
  if (typeof value !== 'string') return String(value);
  const text = formula.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * RFC 4180 with a head and lines that end in CR LF. Numbers have all their digits, and NaN and Infinity are words. A text that a spreadsheet would
 * run as a formula begins with an apostrophe: names come from files.
 */
export function csvText(table: DataTable): string {
  const lines = [table.columns.map((column) => csvCell(headOf(column))).join(',')];
  for (let row = 0; row < rowCount(table); row++)
    lines.push(table.columns.map(({ values }) => csvCell(values[row])).join(','));
  return `${lines.join('\r\n')}\r\n`;
}

/** JSON has no word for what is not finite. */
const jsonValue = (value: DataValue): DataValue =>
  typeof value === 'number' && !Number.isFinite(value) ? String(value) : (value ?? null);

/** The title, what it is about, units by column, and rows as objects; NaN and infinities are strings. */
export function jsonText({ title, about, columns }: DataTable): string {
  const units = columns.flatMap(({ name, unit }) => (unit === undefined ? [] : [[name, unit] as const]));
  const rows = (columns[0]?.values ?? []).map((_, row) =>
    Object.fromEntries(columns.map(({ name, values }) => [name, jsonValue(values[row])])),
  );
  const head = JSON.stringify({ title, about, units: Object.fromEntries(units) }, undefined, 2);
  const body = rows.map((row) => `    ${JSON.stringify(row)}`).join(',\n');
  return `${head.slice(0, -2)},\n  "rows": [${body && `\n${body}\n  `}]\n}\n`;
}

function markdownValue(value: DataValue): string {
  if (value === null || value === undefined) return '';
  if (typeof value !== 'number') return markdownInline(String(value));
  if (Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(6)));
}

/** A table of GitHub's Markdown; numbers are at the right and have six digits. */
export function markdownTable({ columns }: Pick<DataTable, 'columns'>): string {
  const isNumber = columns.map(({ values }) =>
    values.every((value) => typeof value === 'number' || value === null || value === undefined),
  );
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rows = (columns[0]?.values ?? []).map((_, row) =>
    line(columns.map(({ values }) => markdownValue(values[row]))),
  );
  return [
    line(columns.map((column) => markdownInline(headOf(column)))),
    line(isNumber.map((right) => (right ? '---:' : '---'))),
    ...rows,
    '',
  ].join('\n');
}
