import { said } from '../protocol/said';
/** What is wrong with a text that is not JSON, and where (UTF-16 index). */
export interface JsonProblem {
  readonly message: string;
  readonly index: number;
}

interface Token {
  readonly kind: '{' | '}' | '[' | ']' | ',' | ':' | 'string' | 'literal' | 'mistake';
  readonly index: number;
  /** What is wrong, of a mistake. */
  readonly message?: string;
}

/** What may come next; the first two also at the beginning of a list or an object, where its end may come as well. */
type Expected = 'value' | 'key' | 'first value' | 'first key' | 'colon' | 'comma' | 'nothing';

/**
 * The first mistake in a text that JSON.parse rejects (NaN, Infinity and -Infinity are not mistakes). Not recursive, so no
 * text exhausts the stack.
 * @param start index of the first character that counts.
 */
export function findJsonError(text: string, start: number): JsonProblem {
  const open: ('{' | '[')[] = [];
  let expected: Expected = 'value';
  let comma: number | undefined; // of the token before, if it is one
  for (const token of tokensOf(text, start)) {
    const next = afterToken(token, expected, open);
    if (next === undefined) return problemWith(token, expected, comma, text);
    expected = next;
    comma = token.kind === ',' ? token.index : undefined;
  }
  return { message: said`the text ends before the value does: it is cut off`, index: text.length };
}

/** What may follow a token, or undefined where the token is not allowed. */
function afterToken({ kind }: Token, expected: Expected, open: ('{' | '[')[]): Expected | undefined {
  const ofValue = expected === 'value' || expected === 'first value';
  const afterValue = (): Expected => (open.length === 0 ? 'nothing' : 'comma');
  switch (kind) {
    case '{':
    case '[':
      if (!ofValue) return undefined;
      open.push(kind);
      return kind === '{' ? 'first key' : 'first value';
    case '}':
    case ']':
      if (open.at(-1) !== (kind === '}' ? '{' : '[')) return undefined;
      if (expected !== 'comma' && !expected.startsWith('first')) return undefined;
      open.pop();
      return afterValue();
    case ',':
      if (expected !== 'comma') return undefined;
      return open.at(-1) === '{' ? 'key' : 'value';
    case ':':
      return expected === 'colon' ? 'value' : undefined;
    case 'string':
      if (ofValue) return afterValue();
      return expected === 'key' || expected === 'first key' ? 'colon' : undefined;
    case 'literal':
      return ofValue ? afterValue() : undefined;
    case 'mistake':
      return undefined;
  }
}

const wanted: Readonly<Record<Expected, string>> = {
  value: 'a value',
  'first value': 'a value or "]"',
  key: 'a name in double quotes',
  'first key': 'a name in double quotes or "}"',
  colon: '":"',
  comma: '"," or the end of the object or list',
  nothing: 'the end of the text',
};

function problemWith(
  { kind, index, message }: Token,
  expected: Expected,
  comma: number | undefined,
  text: string,
): JsonProblem {
  if (message !== undefined) return { message, index };
  if (comma !== undefined && (kind === '}' || kind === ']'))
    return { message: said`there is a comma before "${kind}", where JSON has none`, index: comma };
  const found = /[^\s,:{}[\]"]{1,20}|[^]/uy;
  found.lastIndex = index;
  return {
    message: said`${wanted[expected]} is expected, not ${JSON.stringify(found.exec(text)?.[0])}`,
    index,
  };
}

const literal = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|NaN|-?Infinity|true|false|null)(?![\w.+-])/y;

/** Mistakes that people make by hand or with Python's repr; the first that fits is reported. */
const mistakes: readonly (readonly [RegExp, string])[] = [
  [/\/[/*]|#/y, said`there is a comment, which JSON does not have`],
  [/'/y, said`there is a single quote; strings need double quotes`],
  [
    /(?:True|False|None)(?!\w)/y,
    said`JSON writes true, false and null where Python writes True, False and None`,
  ],
  [/<{7}|>{7}|={7}/y, said`there is a conflict marker left by a merge`],
];

/** The reader stops after a mistake. */
function* tokensOf(text: string, start: number): Generator<Token> {
  for (let index = start; index < text.length;) {
    const character = text[index]!;
    if (/[ \t\r\n]/.test(character)) {
      index += 1;
    } else if (/[{}[\],:]/.test(character)) {
      yield { kind: character as ',', index };
      index += 1;
    } else if (character === '"') {
      const { end, mistake } = readString(text, index);
      yield mistake ? { kind: 'mistake', ...mistake } : { kind: 'string', index };
      index = end;
    } else {
      const length = matchAt(literal, text, index);
      const message = mistakes.find(([pattern]) => matchAt(pattern, text, index) > 0)?.[1];
      if (length > 0) yield { kind: 'literal', index };
      else yield { kind: 'mistake', index, ...(message === undefined ? {} : { message }) };
      index += Math.max(1, length);
    }
  }
}

function matchAt(pattern: RegExp, text: string, index: number): number {
  pattern.lastIndex = index;
  return pattern.exec(text)?.[0].length ?? 0;
}

const escape = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

/** The index after a string's closing quote, or what is wrong with the string. */
function readString(text: string, start: number): { end: number; mistake?: JsonProblem } {
  for (let index = start + 1; index < text.length; index++) {
    const character = text[index]!;
    if (character === '"') return { end: index + 1 };
    if (character < ' ')
      return wrong(
        index,
        character === '\n'
          ? said`there is a line break in a string`
          : said`there is a control character in a string`,
      );
    if (character !== '\\') continue;
    const length = matchAt(escape, text, index);
    if (length === 0) return wrong(index, said`there is a backslash that begins no escape sequence of JSON`);
    index += length - 1;
  }
  return wrong(text.length, said`the text ends inside a string: it is cut off`);
}

const wrong = (index: number, message: string) => ({ end: index, mistake: { message, index } });
