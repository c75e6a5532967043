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

/** A key and its value. */
export interface Member {
  readonly key: Span;
  readonly value: Span;
}

type Members = ReadonlyMap<string, Member>;

/** Members of the object that begins at `start`; of a key that appears twice the last one, as parsers take it. */
function membersOf(text: string, start: number): Members {
  const found = new Map<string, Member>();
  let at = skipSpace(text, start + 1);
  while (text[at] === '"') {
    const keyEnd = endOfString(text, at) + 1;
    const key = JSON.parse(text.slice(at, keyEnd)) as string;
    const valueStart = skipSpace(text, skipSpace(text, keyEnd) + 1);
    const end = endOfValue(text, valueStart);
    found.set(key, { key: { start: at, end: keyEnd }, value: { start: valueStart, end } });
    at = skipSpace(text, end);
    if (text[at] === ',') at = skipSpace(text, at + 1);
  }
  return found;
}

/**
 * Where a member of a valid JSON text lies, by the keys of the objects that lead to it; undefined where there is none.
 * @param objects members of objects by where these begin, kept by callers that ask often.
 */
export function jsonMember(
  text: string,
  keys: readonly string[],
  objects = new Map<number, Members>(),
): Member | undefined {
  let start = skipSpace(text, text.charCodeAt(0) === 0xfeff ? 1 : 0);
  let member: Member | undefined;
  for (const key of keys) {
    if (text[start] !== '{') return undefined;
    const members = objects.get(start) ?? membersOf(text, start);
    objects.set(start, members);
    member = members.get(key);
    if (!member) return undefined;
    start = member.value.start;
  }
  return member;
}

/** The text with one value replaced and all else as it was; unchanged where there is no such value. */
export function withJsonValue(text: string, keys: readonly string[], value: unknown): string {
  const span = jsonMember(text, keys)?.value;
  return span ? text.slice(0, span.start) + JSON.stringify(value) + text.slice(span.end) : text;
}
