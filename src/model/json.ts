import { findJsonError } from './jsonError';
import { maxJsonDepth } from './limits';

/** Text that is not JSON, or is nested too deep: what is wrong, and where in the text (UTF-16 index). */
export class JsonTextError extends Error {
  constructor(
    message: string,
    readonly index: number,
  ) {
    super(message);
    this.name = 'JsonTextError';
  }
}

/** A key that appears twice in one object; JSON.parse would keep the last one silently. */
export interface DuplicateKey {
  readonly key: string;
  /** Index of the second occurrence in the text. */
  readonly index: number;
}

/**
 * The value of a JSON text as Python's json module writes and reads it: NaN, Infinity and -Infinity are numbers, a byte order
 * mark at the beginning is skipped. The only reader of JSON that comes from models.
 * @throws JsonTextError saying what is wrong and where.
 */
export function parseJson(text: string): unknown {
  const start = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  const literals = scanStructure(text, start);
  const json = start === 0 ? text : text.slice(start);
  try {
    return literals.length === 0 ? JSON.parse(json) : parseWithLiterals(text, start, literals);
  } catch {
    const { message, index } = findJsonError(text, start);
    throw new JsonTextError(message, index);
  }
}

/** A place in a text, for people: lines and columns count from 1. */
export function lineAndColumn(text: string, index: number): { line: number; column: number } {
  const before = text.slice(0, index);
  const lastBreak = before.lastIndexOf('\n');
  return { line: before.split('\n').length, column: index - lastBreak };
}

/** First duplicate key at the top level of a JSON object's text (which must be valid JSON). */
export function duplicateTopLevelKey(text: string): DuplicateKey | undefined {
  const seen = new Set<string>();
  let depth = 0;
  let expectsKey = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '"') {
      const end = endOfString(text, i);
      if (depth === 1 && expectsKey) {
        const key = JSON.parse(text.slice(i, end + 1)) as string;
        if (seen.has(key)) return { key, index: i };
        seen.add(key);
        expectsKey = false;
      }
      i = end;
    } else if (character === '{' || character === '[') {
      depth += 1;
      expectsKey = depth === 1;
    } else if (character === '}' || character === ']') {
      depth -= 1;
    } else if (character === ',') {
      expectsKey = depth === 1;
    }
  }
  return undefined;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Number literals that Python writes and JSON lacks. */
const pythonLiterals = ['NaN', '-Infinity', 'Infinity'] as const;

/**
 * Walks the text outside strings: checks the depth, which JSON.parse does not and later recursive code relies on.
 * @returns indices of NaN, Infinity and -Infinity.
 */
function scanStructure(text: string, start: number): number[] {
  const literals: number[] = [];
  let depth = 0;
  for (let i = start; i < text.length; i++) {
    const character = text[i];
    if (character === '"') i = endOfString(text, i);
    else if (character === '{' || character === '[') {
      depth += 1;
      if (depth > maxJsonDepth)
        throw new JsonTextError(`objects and lists are nested more than ${maxJsonDepth} deep`, i);
    } else if (character === '}' || character === ']') depth -= 1;
    else if (character === 'N' && text.startsWith('NaN', i)) literals.push(i);
    else if (character === 'I' && text.startsWith('Infinity', i))
      literals.push(text[i - 1] === '-' ? i - 1 : i);
  }
  return literals;
}

/** Parses with each literal replaced by a string that the text does not contain, which is then turned back into the number. */
function parseWithLiterals(text: string, start: number, literals: readonly number[]): unknown {
  let mark = 'number:';
  while (text.includes(mark)) mark += ':';
  const parts: string[] = [];
  let done = start;
  for (const index of literals) {
    const literal = pythonLiterals.find((item) => text.startsWith(item, index)) ?? '';
    parts.push(text.slice(done, index), JSON.stringify(mark + literal));
    done = index + literal.length;
  }
  parts.push(text.slice(done));
  const numbers = new Map(pythonLiterals.map((literal) => [mark + literal, Number(literal)]));
  return JSON.parse(parts.join(''), (_, value: unknown) =>
    typeof value === 'string' ? (numbers.get(value) ?? value) : value,
  );
}

/** Index of the quote that ends the string that begins at `start`; the text's length where there is none. */
export function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text[end - 1 - escapes] === '\\') escapes += 1;
    if (escapes % 2 === 0) return end;
  }
  return text.length;
}
