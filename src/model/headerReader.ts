import { createHash, type Hash } from 'node:crypto';
import type { ByteSource } from './byteSource';
import { QuantscopeError } from './errors';
import { headerWindow } from './limits';

/** Walks a little-endian header in bounded windows; skipped bytes are never held. */
export class HeaderReader {
  /** Absolute offset of the next byte. */
  offset = 0;
  private window: Uint8Array = new Uint8Array(0);
  private view = new DataView(this.window.buffer);
  private windowStart = 0;
  private readonly hash: Hash = createHash('sha256');

  constructor(
    private readonly source: ByteSource,
    private readonly signal?: AbortSignal,
  ) {}

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
      throw this.fail(`The ${what} is ${value}; more than ${limit} cannot be right.`, start);
    return Number(value);
  }

  async bytes(length: number, what: string): Promise<Uint8Array> {
    const at = await this.take(length, what);
    return this.window.slice(at, at + length);
  }

  /** Moves on without reading. */
  skip(length: number, what: string): void {
    if (this.offset + length > this.source.size) throw this.truncated(what);
    this.offset += length;
  }

  /** SHA-256 of everything that was read, in order. */
  digest(): string {
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

  private async load(length: number): Promise<void> {
    const size = Math.min(Math.max(length, headerWindow), this.source.size - this.offset);
    this.window = await this.source.read(this.offset, size, this.signal);
    this.view = new DataView(this.window.buffer, this.window.byteOffset, this.window.length);
    this.windowStart = this.offset;
    this.hash.update(this.window);
  }

  private truncated(what: string): QuantscopeError {
    return this.fail(
      `The file of ${this.source.size} bytes ends inside ${what}: it is truncated or damaged.`,
    );
  }
}
