import { createHash, type Hash } from 'node:crypto';
import type { ByteSource } from './byteSource';
import { QuantscopeError } from './errors';
import { headerWindow, maxGgufHeader } from './limits';
import { said } from '../protocol/said';

/** Skipped bytes that a window takes along for the hash: scores and token types of a vocabulary have about a megabyte. */
const maxHeldGap = 8 * 1024 * 1024;

/** Walks a little-endian header in bounded windows; skipped bytes are never held. */
export class HeaderReader {
  /** Absolute offset of the next byte. */
  offset = 0;
  private window: Uint8Array = new Uint8Array(0);
  private view = new DataView(this.window.buffer);
  private windowStart = 0;
  private readonly hash: Hash | undefined;
  /** Everything before this offset is in the hash. */
  private hashed = 0;

  /** @param hashes whether the bytes are hashed as they pass: for `digest`, of a reader that only moves forward. */
  constructor(
    private readonly source: ByteSource,
    private readonly signal?: AbortSignal,
    hashes = false,
  ) {
    this.hash = hashes ? createHash('sha256') : undefined;
  }

  fail(message: string, offset = this.offset, tensor?: string): QuantscopeError {
    const place = { file: this.source.path, offset, ...(tensor === undefined ? {} : { tensor }) };
    return new QuantscopeError('MODEL_FILE', message, place);
  }

  async u32(what: string): Promise<number> {
    const at = await this.take(4, what);
    return this.view.getUint32(at, true);
  }
  async u64(what: string): Promise<bigint> {
    const at = await this.take(8, what);
    return this.view.getBigUint64(at, true);
  }

  /** A 64-bit count that must be an exact number no larger than `limit`. */
  async count(what: string, limit: number): Promise<number> {
    const start = this.offset;
    const value = await this.u64(what);
    if (value > BigInt(limit))
      throw this.fail(said`The ${what} is ${value}; at most ${limit} is allowed.`, start);
    return Number(value);
  }

  async bytes(length: number, what: string): Promise<Uint8Array> {
    const at = await this.take(length, what);
    return this.window.slice(at, at + length);
  }

  /** Advances without holding what is skipped. */
  skip(length: number, what: string): void {
    if (this.offset + length > this.source.size) throw this.truncated(what);
    this.offset += length;
  }

  /**
   * Advances over strings, each after its length in 64 bits: those of a vocabulary, of which a window holds thousands.
   * @param from number of the first of them, which is next. @param to that of the one after the last. @param limit of the length of each.
   */
  async skipStrings(from: number, to: number, limit: number, what: string): Promise<void> {
    for (let i = from; i < to; i++) {
      i += this.skipStringsOfWindow(to - i, limit);
      if (i === to) return;
      // The next length is outside the window, or wrong: it is read as any other, which says so.
      const size = await this.count(`length of string ${i} in ${what}`, limit);
      this.skip(size, `string ${i} of ${to} in ${what}`);
    }
  }

  /** Advances over at most `count` strings as long as their lengths are in the window and right; returns how many. */
  private skipStringsOfWindow(count: number, limit: number): number {
    const { view, windowStart, source } = this;
    let at = this.offset - windowStart;
    let done = 0;
    while (done < count && at >= 0 && at + 8 <= view.byteLength) {
      const size = view.getUint32(at, true) + 2 ** 32 * view.getUint32(at + 4, true);
      if (size > limit || windowStart + at + 8 + size > source.size) break;
      at += 8 + size;
      done += 1;
    }
    this.offset = windowStart + at;
    return done;
  }

  /**
   * SHA-256 of exactly the bytes from the beginning of the file to here, skipped ones included, whatever the windows were.
   * Ends the hash.
   * @throws QuantscopeError MODEL_FILE when there are more than `maxGgufHeader` of them.
   */
  async digest(): Promise<string> {
    if (!this.hash) throw new TypeError('this reader does not hash');
    const end = this.offset;
    if (end > maxGgufHeader)
      throw this.fail(said`The header has ${end} bytes; at most ${maxGgufHeader} are allowed.`, 0);
    this.absorb(end);
    while (this.hashed < end) {
      await this.fill(this.hashed, Math.min(headerWindow, end - this.hashed));
      this.absorb(end);
    }
    return this.hash.digest('hex');
  }

  /** Makes `length` bytes available and returns where they are in the window. */
  private async take(length: number, what: string): Promise<number> {
    const end = this.offset + length;
    if (end > this.source.size) throw this.truncated(what);
    if (this.offset < this.windowStart || end > this.windowStart + this.window.length)
      await this.load(length);
    const at = this.offset - this.windowStart;
    this.offset = end;
    return at;
  }

  /** Adds to the hash those bytes of the window up to `end` that are not in it yet. */
  private absorb(end: number): void {
    const from = this.hashed - this.windowStart;
    const to = Math.min(this.window.length, end - this.windowStart);
    if (!this.hash || from < 0 || from >= to) return;
    this.hash.update(this.window.subarray(from, to));
    this.hashed = this.windowStart + to;
  }

  /** The next window. It includes skipped bytes that must be hashed, unless they are many: then `digest` reads them. */
  private async load(length: number): Promise<void> {
    this.absorb(this.offset);
    const skipped = this.offset - this.hashed;
    const before = this.hash && skipped <= maxHeldGap ? skipped : 0;
    const size = Math.max(length + before, headerWindow);
    await this.fill(this.offset - before, Math.min(size, this.source.size - this.offset + before));
  }

  private async fill(start: number, size: number): Promise<void> {
    this.window = await this.source.read(start, size, this.signal);
    this.view = new DataView(this.window.buffer, this.window.byteOffset, this.window.length);
    this.windowStart = start;
  }

  private truncated(what: string): QuantscopeError {
    return this.fail(
      said`The file of ${this.source.size} bytes ends inside ${what}: it is truncated or damaged.`,
    );
  }
}
