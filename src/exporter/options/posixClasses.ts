/**
 * Sets of characters as `std::regex` reads them in its ECMAScript grammar: `[[:digit:]]` is a digit there, whereas
 * JavaScript sees a set of brackets, colons and letters. Classes are those of the C locale, in which llama-quantize runs.
 */

/** Class → its equivalent in a set of JavaScript. */
const classes: Readonly<Record<string, string>> = {
  alnum: 'a-zA-Z0-9',
  alpha: 'a-zA-Z',
  blank: '\\t ',
  cntrl: '\\x00-\\x1f\\x7f',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-/:-@\\[-`{-~',
  space: '\\t-\\r ',
  upper: 'A-Z',
  xdigit: '0-9A-Fa-f',
  d: '0-9',
  s: '\\t-\\r ',
  w: 'a-zA-Z0-9_',
};

/** An escape, or a whole set with what is between its brackets. */
const setOrEscape = /\\.|\[\^?((?:\\.|\[([:=.]).*?\2\]|[^\]])*)\]/gs;
/** Pieces of a set: an escape, `[:class:]`, `[=equivalent=]`, `[.symbol.]`, the start of one without an end, a character. */
const pieces = /\\.|\[([:=.]).*?\1\]|\[[:=.]|./gs;

/**
 * A regular expression with the POSIX parts of its sets spelled out for JavaScript.
 * @throws SyntaxError naming a part that `std::regex` rejects, or a symbol by name, which is not known here.
 */
export function spellOutPosixClasses(pattern: string): string {
  return pattern.replace(setOrEscape, (found, inside: string | undefined) =>
    inside === undefined
      ? found
      : `${found.slice(0, found.length - inside.length - 1)}${spellOutSet(inside.match(pieces) ?? [])}]`,
  );
}

function spellOutSet(parts: readonly string[]): string {
  parts.forEach((part, i) => {
    const [before, after] = [parts[i - 1], parts[i + 1]];
    if (part !== '-' || before === undefined || after === undefined) return;
    const end = isClass(after) ? after : isClass(before) ? before : undefined;
    if (end !== undefined) throw new SyntaxError(`${end} ends a range`);
  });
  return parts.map((part) => (/^\[[:=.]/.test(part) ? spellOut(part) : part)).join('');
}

/** A class of characters, or what is read as one. */
const isClass = (part: string): boolean => /^\[[:=]|^\\[dsw]/i.test(part);

function spellOut(part: string): string {
  const name = part.slice(2, -2);
  const isLetter = /^[a-z]$/i.test(name);
  const meaning = {
    ':': classes[name],
    '=': isLetter ? name.toLowerCase() + name.toUpperCase() : undefined,
    '.': isLetter ? name : undefined,
  }[part[1] ?? ''];
  if (meaning !== undefined) return meaning;
  throw new SyntaxError(`${part} is not a character class`);
}
