import { createHash } from 'node:crypto';
import { parseExact, stringifyExact } from '../protocol/exactJson';

/** A digest of so many hexadecimal digits detects damage and edits, not forgery. */
const digestLength = 16;

const digestOf = (text: string): string =>
  createHash('sha256').update(text).digest('hex').slice(0, digestLength);

const pattern = /^\{"digest":"([0-9a-f]{16})","content":/;

/** One line of JSON with a digest of its content, for what this program keeps for itself. Numbers stay exact. */
export function seal(value: unknown): string {
  const content = stringifyExact(value);
  return `{"digest":"${digestOf(content)}","content":${content}}`;
}

/** The value given to `seal`; undefined for anything else: a line that is incomplete, damaged or edited. */
export function unseal(line: string): unknown {
  const match = pattern.exec(line);
  if (!match) return undefined;
  const [start, digest] = match;
  const content = line.slice(start.length, -1);
  try {
    return digest === digestOf(content) && line.endsWith('}') ? parseExact(content) : undefined;
  } catch {
    return undefined;
  }
}
