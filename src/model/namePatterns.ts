import { splitName } from '../protocol/tensorTable';
import type { IntegerStream } from './integerStream';
import { nameDigits, nameTemplate, type TextTemplate } from './textTemplate';

/**
 * Names by their patterns. Names of neighbours alternate between few: what followed a pattern last time is tried first. A name becomes the index
 * of its pattern, an integer that its caller sets, and the numbers of the name.
 */
export class NamePatterns {
  readonly patterns: (readonly string[])[] = [];
  /** The pattern that followed each the last time. */
  readonly next: number[] = [];
  /** The pattern of the last name; −1 before there is one. */
  last = -1;
  private readonly templates: TextTemplate[] = [];
  private readonly byKey = new Map<string, number>();

  /** Appends a name and the integer that goes with it. */
  push(name: string, beside: number, into: IntegerStream): void {
    const start = into.length;
    const guess = this.next[this.last];
    if (guess !== undefined) {
      into.push(guess);
      into.push(beside);
      if (this.matches(guess, name, into)) return void this.follow(guess);
      into.length = start;
    }
    this.look(name, beside, into);
  }

  /** The same without a guess. @returns the pattern of the name. */
  look(name: string, beside: number, into: IntegerStream): number {
    const { pieces, numbers } = splitName(name);
    const key = JSON.stringify(pieces); // names may hold any character
    const known = this.byKey.get(key);
    const pattern = known ?? this.patterns.push(pieces) - 1;
    if (known === undefined) this.byKey.set(key, pattern);
    into.push(pattern);
    into.push(beside);
    for (const number of numbers) into.push(number);
    return this.follow(pattern);
  }

  /** The names of a pattern between their quotes. */
  template(pattern: number): TextTemplate {
    return (this.templates[pattern] ??= nameTemplate(this.patterns[pattern]!));
  }

  private follow(pattern: number): number {
    if (this.last >= 0) this.next[this.last] = pattern;
    return (this.last = pattern);
  }

  /** Whether a name has that pattern; its pieces hold no numbers themselves. */
  private matches(pattern: number, name: string, into: IntegerStream): boolean {
    const pieces = this.patterns[pattern]!;
    let at = 0;
    for (let p = 0; p < pieces.length; p++) {
      const piece = pieces[p]!;
      if (!name.startsWith(piece, at)) return false;
      at += piece.length;
      if (p === pieces.length - 1) return at === name.length;
      const start = at;
      let value = 0;
      for (let code = name.charCodeAt(at); code >= 48 && code <= 57; code = name.charCodeAt(++at))
        value = 10 * value + (code - 48);
      const digits = at - start;
      if (digits === 0 || digits > nameDigits || (digits > 1 && name.charCodeAt(start) === 48)) return false;
      into.push(value);
    }
    return false;
  }
}
