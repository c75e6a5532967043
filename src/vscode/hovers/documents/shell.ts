import type { NamePlace, NameSyntax } from '../../../protocol/names';

/** How values name tensors: `PATTERN=TYPE`, several of these between commas, modules between commas. */
const forms = {
  assignment: /^.*(?==)/gs,
  assignments: /[^,=]+(?==)/g,
  list: /[^,]+/g,
} as const;

/** Arguments that name tensors: of llama-quantize, of programs of llama.cpp that run models, of auto-round. */
const flags: Readonly<Record<string, { readonly syntax: NameSyntax; readonly form: keyof typeof forms }>> = {
  '--tensor-type': { syntax: 'tensor-type', form: 'assignment' },
  '--override-tensor': { syntax: 'exported', form: 'assignments' },
  '-ot': { syntax: 'exported', form: 'assignments' },
  '--ignore_layers': { syntax: 'module', form: 'list' },
  '--fp_layers': { syntax: 'module', form: 'list' },
};

interface Word {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** A word of a command: pieces with and without quotes. Backticks are the marks of code in Markdown. */
const wordPattern = /(?:"(?:\\.|[^"\\])*"|'[^']*'|\\[^\n]|[^\s"'`\\])+/g;

/** What the argument of llama-quantize and like commands at a place of a script or of Markdown names. */
export function shellName(text: string, offset: number): NamePlace | undefined {
  const [from, to] = commandAround(text, offset);
  const words = [...text.slice(from, to).matchAll(wordPattern)].map((match): Word => ({
    start: from + match.index,
    end: from + match.index + match[0].length,
    text: match[0],
  }));
  const at = words.findIndex(({ start, end }) => start <= offset && offset <= end);
  const word = words[at];
  if (!word) return undefined;
  const joined = /^(--?[\w-]+)=(.*)$/s.exec(word.text);
  if (joined)
    return argumentAt(joined[1]!, { ...word, start: word.end - joined[2]!.length, text: joined[2]! }, offset);
  return argumentAt(words[at - 1]?.text ?? '', word, offset);
}

/** What the value of a flag names at a place. */
export function argumentAt(flag: string, value: Word, offset: number): NamePlace | undefined {
  if (!Object.hasOwn(flags, flag)) return undefined;
  const { syntax, form } = flags[flag]!;
  const { start, text } = unquoted(value);
  for (const { 0: named, index } of text.matchAll(forms[form])) {
    const [first, last] = [start + index, start + index + named.length];
    if (named !== '' && first <= offset && offset <= last)
      return { start: first, end: last, query: { text: named, syntax } };
  }
  return undefined;
}

function unquoted(word: Word): Word {
  if (!/^(["']).*\1$/s.test(word.text) || word.text.length < 2) return word;
  return { start: word.start + 1, end: word.end - 1, text: word.text.slice(1, -1) };
}

/** The line of a place, with those that a backslash continues. */
function commandAround(text: string, offset: number): [number, number] {
  let from = text.lastIndexOf('\n', offset - 1) + 1;
  while (from > 1 && /\\\r?$/.test(lineBefore(text, from))) from = text.lastIndexOf('\n', from - 2) + 1;
  let to = endOfLine(text, offset);
  while (to < text.length && /\\\r?$/.test(text.slice(from, to))) to = endOfLine(text, to + 1);
  return [from, to];
}

const endOfLine = (text: string, from: number): number => {
  const end = text.indexOf('\n', from);
  return end < 0 ? text.length : end;
};

const lineBefore = (text: string, start: number): string =>
  text.slice(text.lastIndexOf('\n', start - 2) + 1, start - 1);
