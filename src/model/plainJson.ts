import { parseJson } from './json';
import { maxJsonDepth } from './limits';
import { exactDigits } from './textTemplate';

/** Thrown where a text is not written plainly; it may still be JSON. One object serves all: nobody sees it. */
class NotPlain extends Error {}
const notPlain = new NotPlain('not plain');

const [quote, comma, colon, backslash, zero, nine] = [34, 44, 58, 92, 48, 57];
const [openBrace, closeBrace, openList, closeList] = [123, 125, 91, 93];
const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads JSON as programs write headers and indexes: printable ASCII without escapes, whole numbers. One pass over the bytes without a value
 * for each of them, which for a hundred thousand tensors takes a fraction of the time of JSON.parse. What is not written so throws; the
 * general reader (`json.ts`) then reads it, or says what is wrong.
 */
export class PlainJson {
  /** Index of the next byte. A reader that tried something goes back by setting it. */
  at = 0;
  readonly bytes: Buffer;
  /** The same bytes, several at once. */
  readonly view: DataView;

  constructor({ buffer, byteOffset, length }: Uint8Array) {
    this.bytes = Buffer.from(buffer, byteOffset, length);
    this.view = new DataView(buffer, byteOffset, length);
  }

  /** The text from an index to the next byte. */
  textSince(start: number): string {
    return this.bytes.toString('latin1', start, this.at);
  }

  /** Enters an object. @returns whether it has a member, whose name is next. */
  opens(): boolean {
    this.expect(openBrace);
    if (this.take(closeBrace)) return false;
    this.skipSpace();
    return true;
  }

  /** After the value of a member. @returns whether another member follows; if none does, the object was left. */
  continues(): boolean {
    if (!this.take(comma)) {
      this.expect(closeBrace);
      return false;
    }
    this.skipSpace();
    return true;
  }

  /** The name of a member; its value is next. */
  name(): string {
    const name = this.string();
    this.expect(colon);
    return name;
  }

  /** The same for one of a few names, without making a text of it. @returns its index. */
  oneOf(names: readonly Uint8Array[]): number {
    this.expect(quote);
    const found = names.findIndex((name) => this.isNext(name));
    if (found < 0) throw notPlain;
    this.at += names[found]!.length;
    this.expect(colon);
    return found;
  }

  /** Between the name of a member and its value. */
  colon(): void {
    this.expect(colon);
  }

  /** @param known is returned where it is the same text. */
  string(known?: string): string {
    this.expect(quote);
    const { bytes } = this;
    const start = this.at;
    let at = start;
    for (let byte = bytes[at]!; byte !== quote; byte = bytes[++at]!)
      if (!(byte >= 32 && byte < 127) || byte === backslash) throw notPlain;
    this.at = at + 1;
    return known !== undefined && this.isText(known, start, at) ? known : bytes.toString('latin1', start, at);
  }

  /** A list of whole numbers of at least 0, into the beginning of `into`, which must have room for them. @returns how many there are. */
  wholeNumbers(into: Float64Array): number {
    this.expect(openList);
    if (this.take(closeList)) return 0;
    let count = 0;
    do {
      if (count === into.length) throw notPlain;
      into[count++] = this.wholeNumber();
    } while (this.take(comma));
    this.expect(closeList);
    return count;
  }

  /** An object, whatever it holds: its bytes go to the general reader, and what that refuses is not plain. */
  anyObject(): unknown {
    const bytes = this.objectBytes();
    try {
      return parseJson(utf8.decode(bytes));
    } catch {
      throw notPlain;
    }
  }

  /** Nothing but space may follow. */
  end(): void {
    this.skipSpace();
    if (this.at < this.bytes.length) throw notPlain;
  }

  private objectBytes(): Uint8Array {
    this.skipSpace();
    const start = this.at;
    if (this.bytes[start] !== openBrace) throw notPlain;
    let depth = 0;
    do {
      const byte = this.bytes[this.at++];
      if (byte === undefined) throw notPlain;
      if (byte === quote) this.skipString();
      else if (byte === openBrace || byte === openList) depth += 1;
      else if (byte === closeBrace || byte === closeList) depth -= 1;
      // It lies in an object, which counts, too.
      if (depth >= maxJsonDepth) throw notPlain;
    } while (depth > 0);
    return this.bytes.subarray(start, this.at);
  }

  private wholeNumber(): number {
    this.skipSpace();
    const { bytes, at: start } = this;
    let at = start;
    let value = 0;
    for (let byte = bytes[at]!; byte >= zero && byte <= nine; byte = bytes[++at]!)
      value = value * 10 + (byte - zero);
    const digits = at - start;
    if (digits === 0 || digits > exactDigits || (digits > 1 && bytes[start] === zero)) throw notPlain;
    this.at = at; // what follows the number is checked by the caller: it expects a comma or an end
    return value;
  }

  /** From after its first quote to after its last one. */
  private skipString(): void {
    const { bytes } = this;
    for (let byte = bytes[this.at++]; byte !== quote; byte = bytes[this.at++]) {
      if (byte === undefined) throw notPlain;
      if (byte === backslash) this.at += 1;
    }
  }

  private isNext(name: Uint8Array): boolean {
    const { bytes, at } = this;
    for (let i = 0; i < name.length; i++) if (bytes[at + i] !== name[i]) return false;
    return true;
  }

  private isText(text: string, start: number, end: number): boolean {
    if (text.length !== end - start) return false;
    for (let i = start; i < end; i++) if (this.bytes[i] !== text.charCodeAt(i - start)) return false;
    return true;
  }

  private expect(byte: number): void {
    if (!this.take(byte)) throw notPlain;
  }

  private take(byte: number): boolean {
    if (this.bytes[this.at] !== byte) {
      this.skipSpace();
      if (this.bytes[this.at] !== byte) return false;
    }
    this.at += 1;
    return true;
  }

  private skipSpace(): void {
    for (let byte = this.bytes[this.at]; isSpace(byte); byte = this.bytes[this.at]) this.at += 1;
  }
}

const isSpace = (byte: number | undefined): boolean =>
  byte === 32 || byte === 10 || byte === 13 || byte === 9;

/** A name for `PlainJson.oneOf`, with the quote at its end. */
export const plainName = (name: string): Uint8Array => Buffer.from(`${name}"`);

/** @returns what `read` returns; undefined where the text is not plain. */
export function plainly<T>(bytes: Uint8Array, read: (json: PlainJson) => T): T | undefined {
  try {
    const json = new PlainJson(bytes);
    const value = read(json);
    json.end();
    return value;
  } catch (error) {
    if (error instanceof NotPlain) return undefined;
    throw error;
  }
}

/** For readers that meet what only the general reader may judge. */
export function refusePlain(): never {
  throw notPlain;
}
