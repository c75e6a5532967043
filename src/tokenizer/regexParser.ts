/** A part of an expression: a group of alternatives, or one character of some kind. */
export interface Term {
  /** As it is written in a form. */
  readonly text: string;
  readonly quantifier: string;
  readonly group?: Alternatives;
  /** How the group begins: "(?:" for any that only groups. */
  readonly open?: string;
  /** A character, or a letter in either case. */
  readonly isText?: boolean;
  /** What a class of characters lists, and whether it means the others. */
  readonly members?: readonly string[];
  readonly negated?: boolean;
}

export type Alternatives = readonly (readonly Term[])[];

/** Names of properties that mean the same. */
const properties: Readonly<Record<string, string>> = {
  ...{ Letter: 'L', Number: 'N', Mark: 'M', Punctuation: 'P', Symbol: 'S', 'Script=Han': 'Han' },
};
const control: Readonly<Record<string, string>> = { '\r': '\\r', '\n': '\\n', '\t': '\\t' };

class Unknown extends Error {}

/** Groups inside each other; published patterns have three. */
const maxDepth = 50;

/** @returns undefined for what is not understood: no expression is guessed. */
export function parseAlternatives(pattern: string): Alternatives | undefined {
  try {
    const parser = new Parser([...pattern]);
    const alternatives = parser.alternatives(false);
    return parser.atEnd() ? alternatives : undefined;
  } catch (error) {
    if (error instanceof Unknown) return undefined;
    throw error;
  }
}

const openings: Readonly<Record<string, string>> = {
  '?:': '(?:',
  '?=': '(?=',
  '?!': '(?!',
  '?>': '(?>',
  '?i:': '(?:',
};

/** The place in an expression while it is read. */
class Parser {
  #at = 0;
  #depth = 0;
  readonly #characters: readonly string[];

  constructor(characters: readonly string[]) {
    this.#characters = characters;
  }

  atEnd(): boolean {
    return this.#at >= this.#characters.length;
  }

  /** @param either letters of ASCII stand for both cases. */
  alternatives(either: boolean): Term[][] {
    const all: Term[][] = [[]];
    while (!this.atEnd() && this.#peek() !== ')') {
      if (this.#take('|')) all.push([]);
      else all.at(-1)!.push(this.#term(either));
    }
    return all;
  }

  #peek(length = 1): string {
    return this.#characters.slice(this.#at, this.#at + length).join('');
  }

  #take(text: string): boolean {
    if (this.#peek(text.length) !== text) return false;
    this.#at += text.length;
    return true;
  }

  #next(): string {
    const character = this.#characters[this.#at++];
    if (character === undefined) throw new Unknown();
    return character;
  }

  #term(either: boolean): Term {
    const atom = this.#atom(either);
    return { ...atom, quantifier: this.#quantifier() };
  }

  #atom(either: boolean): Omit<Term, 'quantifier'> {
    if (this.#take('(')) return this.#group(either);
    if (this.#take('[')) return this.#class(either);
    const character = this.#next();
    if ('.^$'.includes(character)) return { text: character };
    if ('?*+{})]'.includes(character)) throw new Unknown();
    const member = character === '\\' ? this.#escape() : (control[character] ?? character);
    return oneOf([member], false, either);
  }

  #group(either: boolean): Omit<Term, 'quantifier'> {
    const mark = Object.keys(openings).find((text) => this.#take(text)) ?? '';
    if (mark === '' && this.#peek() === '?') throw new Unknown();
    if (++this.#depth > maxDepth) throw new Unknown();
    const group = this.alternatives(either || mark === '?i:');
    if (!this.#take(')')) throw new Unknown();
    this.#depth -= 1;
    return { text: '', group, open: openings[mark] ?? '(?:' };
  }

  #class(either: boolean): Omit<Term, 'quantifier'> {
    const start = this.#at;
    const negated = this.#take('^');
    const members: string[] = [];
    while (!this.#take(']')) {
      // Intersections stay as they are written.
      if (this.#peek() === '[' || this.#peek(2) === '&&') return this.#raw(start);
      members.push(this.#member());
    }
    return oneOf(members, negated, either);
  }

  #member(): string {
    const first = this.#single();
    if (this.#peek() !== '-' || this.#peek(2) === '-]') return first;
    this.#next();
    return `${first}-${this.#single()}`;
  }

  #single(): string {
    const character = this.#next();
    return character === '\\' ? this.#escape() : (control[character] ?? character);
  }

  #raw(start: number): Omit<Term, 'quantifier'> {
    let depth = 1;
    this.#at = start;
    while (depth > 0) {
      const character = this.#next();
      if (character === '\\') this.#next();
      else if (character === '[') depth += 1;
      else if (character === ']') depth -= 1;
    }
    return { text: `[${this.#characters.slice(start, this.#at).join('')}` };
  }

  /** After a backslash: a class of characters, a place, or a character. */
  #escape(): string {
    const kind = this.#next();
    if (kind === 'p' || kind === 'P') return `\\${kind}{${this.#property()}}`;
    if (kind === 'u' || kind === 'x') return this.#codePoint(kind);
    if (/[A-Za-z]/.test(kind)) return `\\${kind}`;
    if (/\d/.test(kind)) throw new Unknown();
    return kind;
  }

  #property(): string {
    const name = this.#take('{') ? this.#until('}') : this.#next();
    return properties[name] ?? name;
  }

  #codePoint(kind: string): string {
    const digits = this.#take('{') ? this.#until('}') : this.#hexadecimal(kind === 'u' ? 4 : 2);
    const code = parseInt(digits, 16);
    if (!/^[\da-f]+$/i.test(digits) || code > 0x10ffff) throw new Unknown();
    const character = String.fromCodePoint(code);
    return control[character] ?? character;
  }

  #hexadecimal(length: number): string {
    const digits = this.#peek(length);
    this.#at += length;
    return digits;
  }

  #until(end: string): string {
    let text = '';
    for (let character = this.#next(); character !== end; character = this.#next()) text += character;
    return text;
  }

  #quantifier(): string {
    const simple = ['?', '*', '+'].find((text) => this.#take(text)) ?? this.#counts();
    if (simple === '') return '';
    const rest = ['+', '?'].find((text) => this.#take(text)) ?? '';
    return `${simple}${rest}`;
  }

  #counts(): string {
    if (!this.#take('{')) return '';
    const counts = this.#until('}');
    if (!/^\d+(?:,\d*)?$/.test(counts)) throw new Unknown();
    const same: Readonly<Record<string, string>> = { '1': '', '0,1': '?', '1,': '+', '0,': '*' };
    return same[counts] ?? `{${counts}}`;
  }
}

/** A character, a letter in either case, a class of characters, or a choice of letters in either case. */
function oneOf(members: readonly string[], negated: boolean, either: boolean): Omit<Term, 'quantifier'> {
  const all = either ? members.flatMap(bothCases) : members;
  const unique = [...new Set(all)].sort((a, b) => (a < b ? -1 : 1));
  const [only = ''] = unique;
  if (!negated && unique.length === 1 && !isRange(only)) {
    const isText = [...only].length === 1 || /^\\[rnt]$/.test(only);
    return { text: isText ? escaped(only) : only, members: unique, isText };
  }
  const text = `[${negated ? '^' : ''}${unique.map((member) => member.replace(/^[\]\\^-]$/, '\\$&')).join('')}]`;
  if (negated || !unique.every((member) => /^[A-Za-z]$/.test(member)))
    return { text, members: unique, negated };
  const letters = new Set(unique.map((member) => member.toLowerCase()));
  const inBothCases = unique.length === 2 * letters.size;
  if (inBothCases && letters.size === 1) return { text, members: unique, isText: true };
  const choices = inBothCases ? [...letters] : unique;
  return {
    text: '',
    open: '(?:',
    group: choices.map((letter) => [{ ...oneOf([letter], false, inBothCases), quantifier: '' }]),
  };
}

const isRange = (member: string): boolean => /^(?:.|\\.)-./su.test(member);

const bothCases = (member: string): string[] =>
  /^[A-Za-z]$/.test(member) ? [member.toUpperCase(), member.toLowerCase()] : [member];

const escaped = (character: string): string => character.replace(/^[\^$.|?*+()[\]{}\\]$/, '\\$&');
