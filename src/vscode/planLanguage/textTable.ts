/** A row of a table that is shown as text. */
export type TextRow = readonly string[];

/** The letters that each column needs. @param rows the first of which has all columns. */
export const columnWidths = (rows: readonly TextRow[]): readonly number[] =>
  (rows[0] ?? []).map((_, column) => rows.reduce((most, row) => Math.max(most, row[column]?.length ?? 0), 0));

/** Columns below each other: the first few to the left, the others, numbers, to the right. */
export const alignedRow = (row: TextRow, widths: readonly number[], toTheLeft: number): string =>
  row
    .map((cell, i) => (i < toTheLeft ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
    .join('  ')
    .trimEnd();
