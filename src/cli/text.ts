import { printable } from '../protocol/printable';

/** Rows as lines of aligned columns; numbers (by their first row) to the right. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string[] {
  const cells = rows.map((row) => row.map((cell) => printable(String(cell))));
  const widths = head.map((title, i) =>
    cells.reduce((most, row) => Math.max(most, row[i]?.length ?? 0), title.length),
  );
  const right = head.map((_, i) => /^[-−\d.∞]/.test(cells[0]?.[i] ?? ''));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => (right[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd();
  return [line(head), line(widths.map((width) => '─'.repeat(width))), ...cells.map(line)];
}

/** A text after a label, broken between words into lines of at most `columns` characters; later ones are indented below the text. */
export function wrapped(label: string, text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && label.length + last.length + 1 + word.length <= columns)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.map((line, i) => `${i === 0 ? label : ' '.repeat(label.length)}${line}`);
}

/** Four significant digits; infinity as ∞. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '∞' : '−∞';
  if (value === 0) return '0';
  const magnitude = Math.abs(value);
  return magnitude < 1e-3 || magnitude >= 1e6
    ? value.toExponential(3)
    : Number(value.toPrecision(5)).toString();
}

/** The same of a statistic or an error measure, which is NaN where it is not defined (protocol/analysis.ts). */
export function figure(value: number): string {
  return Number.isNaN(value) ? 'not defined' : number(value);
}

/** A divergence, unless it is smaller than what rounding alone causes. */
export const aboveNoise = (divergence: number, noise: number): string =>
  divergence < noise ? '< noise' : figure(divergence);

/** A figure with a fixed number of decimals. */
export function fixed(value: number, decimals: number): string {
  return Number.isFinite(value) ? value.toFixed(decimals) : figure(value);
}

export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/**
 * JSON for programs, always one valid document: NaN and infinities, which JSON lacks, become the texts "NaN", "Infinity",
 * "-Infinity".
 */
export function json(value: unknown): string {
  return JSON.stringify(
    value ?? null,
    (_, item: unknown) => (typeof item === 'number' && !Number.isFinite(item) ? String(item) : item),
    2,
  );
}
