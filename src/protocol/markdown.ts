import { greatestOf } from './extremes';

/** Line breaks and other controls, which would end the block that a text stands in. */
const controls = /[\p{Cc}\p{Zl}\p{Zp}]+/gu;

/**
 * What Markdown, its extensions for tables, formulas, mentions and links, or HTML act on inside a line: characters, an underscore that is
 * not inside a word, the colons of an emoji, the starts of addresses.
 */
const active =
  /[\\`*[\]<>&|~$@^#{}]|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])|!(?=\[)|:(?=\/\/|[\w+-]+:)|(?<=\bwww)\./giu;

/** What makes the start of a line a list or a heading. */
const opening = /^[-+=]|(?<=^\d+)[.)]/gu;

/** Text of a file as Markdown that shows it and nothing else, in one line. */
export const markdownText = (text: string): string => markdownInline(text).replace(opening, '\\$&');

/** The same for what does not begin a line: cells of a table, words of a sentence. */
export const markdownInline = (text: string): string => text.replace(controls, ' ').replace(active, '\\$&');

/** The same as a code span, also in a table: for names. */
export function markdownCode(text: string): string {
  const line = text.replace(controls, ' ');
  const longest = greatestOf([0, ...(line.match(/`+/g) ?? []).map((run) => run.length)]);
  const fence = '`'.repeat(longest + 1);
  const edge = /^`|`$|^ .* $/.test(line) || line.trim() === '' ? ' ' : '';
  return `${fence}${edge}${line.replaceAll('|', '\\|')}${edge}${fence}`;
}
