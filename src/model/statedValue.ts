import { said } from '../protocol/said';

/** Most characters of a value in a message. */
const maxShown = 200;

/**
 * What a file says of a key, as the end of a sentence that begins with the key: `is 3`, `is null`, `is missing`. A long value is truncated.
 * @param fallback what a missing value or null means, where it means something.
 */
export function stated(value: unknown, fallback?: unknown): string {
  const what = value === undefined ? said`is missing` : said`is ${shown(value)}`;
  return (value ?? undefined) === undefined && fallback !== undefined
    ? said`${what}, which means ${shown(fallback)}`
    : what;
}

function shown(value: unknown): string {
  const isPlain = typeof value !== 'number' || Number.isFinite(value);
  const text = isPlain ? JSON.stringify(value) : String(value);
  return text.length > maxShown ? `${text.slice(0, maxShown)}…` : text;
}
