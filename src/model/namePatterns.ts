import { splitName } from '../protocol/tensorTable';
import type { IntegerStream } from './integerStream';
import { plainName, type PlainJson } from './plainJson';

/** Digits of a number in a name; `splitName` takes longer ones for text. */
const mostDigits = 9;

/**
 * Names by their patterns. Names of neighbours alternate between few: what followed a pattern last time is tried first. A name becomes the index
 * of its pattern, an integer that its caller sets, and the numbers of the name.
 */
export class NamePatterns {
  readonly patterns: (readonly string[])[] = [];
  /** Pieces of patterns as bytes, the last one with the quote after it; made when names are first read from bytes. */
  private readonly bytes: (readonly Uint8Array[])[] = [];
  private readonly byKey = new Map<string, number>();
  private readonly next: number[] = [];
  private last = -1;

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

  /** Appends the name that comes next in a text, with 0 beside its pattern; no text is made of one that was guessed. @returns its pattern. */
  read(json: PlainJson, into: IntegerStream): number {
    const { at } = json;
    const start = into.length;
    const guess = this.next[this.last];
    if (guess !== undefined) {
      into.push(guess);
      into.push(0);
      if (this.matchesBytes(guess, json, into)) return this.follow(guess);
      into.length = start;
      json.at = at;
    }
    return this.look(json.string(), 0, into);
  }

  private follow(pattern: number): number {
    if (this.last >= 0) this.next[this.last] = pattern;
    return (this.last = pattern);
  }

  private look(name: string, beside: number, into: IntegerStream): number {
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
      if (digits === 0 || digits > mostDigits || (digits > 1 && name.charCodeAt(start) === 48)) return false;
      into.push(value);
    }
    return false;
  }

  /** The same for a name between quotes. */
  private matchesBytes(pattern: number, json: PlainJson, into: IntegerStream): boolean {
    const pieces = (this.bytes[pattern] ??= bytesOf(this.patterns[pattern]!));
    if (!json.takes(pieces[0]!)) return false;
    for (let p = 1; p < pieces.length; p++) {
      const value = json.numberInText(mostDigits);
      if (value < 0 || !json.takes(pieces[p]!)) return false;
      into.push(value);
    }
    return true;
  }
}

function bytesOf(pieces: readonly string[]): Uint8Array[] {
  const bytes: Uint8Array[] = pieces.map((piece) => Buffer.from(piece));
  bytes[0] = Buffer.from(`"${pieces[0]!}`);
  const last = pieces.length - 1;
  bytes[last] = last === 0 ? Buffer.from(`"${pieces[0]!}"`) : plainName(pieces[last]!);
  return bytes;
}
