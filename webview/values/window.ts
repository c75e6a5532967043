/** Browsers place nothing farther away than 33 million pixels: longer lists are scrolled in larger steps. */
const mostPixels = 8_000_000;

/** Lines of one direction of a table: rows or columns. */
export interface Lines {
  readonly count: number;
  /** Pixels of a line, and of what is in sight. */
  readonly size: number;
  readonly sight: number;
}

/** Lines that are in sight as a whole or in part. */
const linesInSight = ({ count, size, sight }: Lines): number => Math.min(count, Math.ceil(sight / size) + 1);

/** Pixels that are scrolled over. */
export const extentOf = ({ count, size }: Lines): number => Math.min(mostPixels, count * size);

/** The first line in sight, and how many there are. */
export function windowOf(offset: number, lines: Lines): { first: number; count: number } {
  const { count, size, sight } = lines;
  const shown = linesInSight(lines);
  const range = extentOf(lines) - sight;
  const last = Math.max(0, count - Math.floor(sight / size));
  const first =
    count * size <= mostPixels
      ? Math.round(offset / size)
      : range <= 0
        ? 0
        : Math.round((offset / range) * last);
  const start = Math.min(last, Math.max(0, first));
  return { first: start, count: Math.min(shown, count - start) };
}
