import { spellOutPosixClasses } from '../../exporter/options/posixClasses';
import { literalPattern } from '../../model/literalPattern';
import type { NameSyntax } from '../../protocol/names';

/** What ends the names of weights, which documents leave out where they name modules. */
export const weightEnding = '.weight';

/** Characters of a pattern; longer texts are something else. */
const maxLength = 10_000;

/** How the texts of a syntax become expressions over names. */
interface PatternSyntax {
  /** @throws SyntaxError */
  readonly compile: (text: string) => RegExp;
  /** Whether only names of the exported file count. */
  readonly isExported?: true;
}

/**
 * Syntaxes that are tried name by name; `name` is looked up instead. Names are given with and without ".weight". Modules are matched as
 * transformers matches `modules_to_not_convert`.
 */
const syntaxes: Readonly<Record<Exclude<NameSyntax, 'name'>, PatternSyntax>> = {
  module: { compile: (text) => new RegExp(`(?:^|\\.)${literalPattern(text)}(?:\\.|$)`) },
  contains: { compile: (text) => new RegExp(literalPattern(text)) },
  wildcard: { compile: (text) => new RegExp(`^(?:${fromWildcards(text)})$`) },
  search: { compile: (text) => fromPython(text, (source) => source) },
  start: { compile: (text) => fromPython(text, (source) => `^(?:${source})`) },
  whole: { compile: (text) => fromPython(text, (source) => `^(?:${source})$`) },
  exported: { compile: (text) => new RegExp(text, 'u'), isExported: true },
  'tensor-type': {
    compile: (text) => new RegExp(spellOutPosixClasses(text.toLowerCase())),
    isExported: true,
  },
};

/** The expression of a text, and which names it is about; undefined for one that is not valid or that any name would match. */
export function namePattern(
  text: string,
  syntax: Exclude<NameSyntax, 'name'>,
): { readonly pattern: RegExp; readonly isExported: boolean } | undefined {
  const { compile, isExported = false } = syntaxes[syntax];
  if (text === '' || text.length > maxLength) return undefined;
  try {
    return { pattern: compile(text), isExported };
  } catch {
    return undefined; // half-typed, or of another dialect
  }
}

/** Python's fnmatch. */
const fromWildcards = (text: string): string =>
  text.replace(/\[!?[^\]]+\]|[*?]|[^*?[]+|\[/g, (part) => {
    if (part === '*') return '.*';
    if (part === '?') return '.';
    if (part.length < 3 || !part.startsWith('[')) return literalPattern(part);
    return part.startsWith('[!') ? `[^${setOf(part.slice(2, -1))}]` : `[${setOf(part.slice(1, -1))}]`;
  });

const setOf = (characters: string): string => characters.replace(/[\\^\]]/g, '\\$&');

/** Spellings of Python's `re` that JavaScript has otherwise. */
const spellings: readonly (readonly [RegExp, string])[] = [
  [/\(\?P</g, '(?<'],
  [/\(\?P=(\w+)\)/g, '\\k<$1>'],
  [/\\A/g, '^'],
  [/\\Z/g, '$'],
];

/** @throws SyntaxError */
function fromPython(text: string, place: (source: string) => string): RegExp {
  const flags = /^\(\?([ims]+)\)/.exec(text);
  const plain = spellings.reduce(
    (source, [from, to]) => source.replace(from, to),
    text.slice(flags?.[0].length ?? 0),
  );
  return new RegExp(place(plain), flags?.[1] ?? '');
}
