/** A row of a table that is shown as text. */
export type TextRow = readonly string[];

/** The letters that each column needs. @param rows the first of which has all columns. */
export const columnWidths = (rows: readonly TextRow[]): readonly number[] =>
  (rows[0] ?? []).map((_, column) => rows.reduce((most, row) => Math.max(most, row[column]?.length ?? 0), 0));

/** Columns below each other: numbers to the right, others to the left. @param numbers the first of them, and how many there are. */
export const alignedRow = (
  row: TextRow,
  widths: readonly number[],
  [first, count]: readonly [first: number, count: number],
): string =>
  row
    .map((cell, i) => {
      const width = widths[i] ?? 0;
      return i >= first && i < first + count ? cell.padStart(width) : cell.padEnd(width);
    })
    .join('  ')
    .trimEnd();
