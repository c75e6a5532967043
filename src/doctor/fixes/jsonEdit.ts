import { endOfString } from '../../model/json';

interface Span {
  readonly start: number;
  readonly end: number;
}

const space = /\s/;

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && space.test(text[at]!)) at++;
  return at;
}

/** End of the JSON value that begins at `start`. */
function endOfValue(text: string, start: number): number {
  if (text[start] === '"') return endOfString(text, start) + 1;
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const character = text[at]!;
    if (character === '"') {
      at = endOfString(text, at);
      continue;
    }
    if (depth === 0 && (character === ',' || character === '}' || character === ']' || space.test(character)))
      return at;
    if (character === '{' || character === '[') depth += 1;
    else if (character === '}' || character === ']') {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return text.length;
}

/** Where the value of a key lies in the object that begins at `start`, the last one of that key as parsers take it. */
function memberOf(text: string, start: number, wanted: string): Span | undefined {
  let found: Span | undefined;
  let at = skipSpace(text, start + 1);
  while (text[at] === '"') {
    const keyEnd = endOfString(text, at) + 1;
    const key = JSON.parse(text.slice(at, keyEnd)) as string;
    const valueStart = skipSpace(text, skipSpace(text, keyEnd) + 1);
    const end = endOfValue(text, valueStart);
    if (key === wanted) found = { start: valueStart, end };
    at = skipSpace(text, end);
    if (text[at] === ',') at = skipSpace(text, at + 1);
  }
  return found;
}

/** Where a value of a valid JSON text lies, by the keys of the objects that lead to it; undefined where there is none. */
export function jsonSpan(text: string, keys: readonly string[]): Span | undefined {
  let span: Span | undefined = {
    start: skipSpace(text, text.charCodeAt(0) === 0xfeff ? 1 : 0),
    end: text.length,
  };
  for (const key of keys) {
    if (text[span.start] !== '{') return undefined;
    span = memberOf(text, span.start, key);
    if (!span) return undefined;
  }
  return span;
}

/** The text with one value replaced and all else as it was; unchanged where there is no such value. */
export function withJsonValue(text: string, keys: readonly string[], value: unknown): string {
  const span = jsonSpan(text, keys);
  return span ? text.slice(0, span.start) + JSON.stringify(value) + text.slice(span.end) : text;
}
