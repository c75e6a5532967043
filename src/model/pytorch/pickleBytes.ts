import { QuantscopeError } from '../errors';
import { maxPickleLine, maxPickleNumber } from '../limits';
import type { Dangers } from './dangers';
import { said } from '../../protocol/said';

/** The bytes ended inside a pickle: more of the file may have to be read. */
export class PickleEnds extends Error {}

/** Little-endian fields of a pickle, one after the other. Strings and byte strings are never longer than the bytes that are there. */
export class PickleBytes {
  private at = 0;
  private readonly view: DataView;

  /** @param base offset of the first byte in the file. @param dangers what was found so far: errors name it, as Python fails only after running it. */
  constructor(
    private readonly bytes: Uint8Array,
    private readonly file: string,
    private readonly base: number,
    private readonly dangers: Dangers,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Bytes read so far. */
  get consumed(): number {
    return this.at;
  }

  /** Offset of the next byte in the file. */
  get offset(): number {
    return this.base + this.at;
  }

  fail(message: string, offset = this.offset): QuantscopeError {
    return new QuantscopeError('MODEL_FILE', this.dangers.addedTo(message), { file: this.file, offset });
  }

  u8(): number {
    return this.view.getUint8(this.advance(1));
  }
  u16(): number {
    return this.view.getUint16(this.advance(2), true);
  }
  u32(): number {
    return this.view.getUint32(this.advance(4), true);
  }
  i32(): number {
    return this.view.getInt32(this.advance(4), true);
  }
  /** The one field that pickles store with the highest byte first. */
  f64(): number {
    return this.view.getFloat64(this.advance(8), false);
  }

  /** A length of 8 bytes. */
  length8(): number {
    const value = this.view.getBigUint64(this.advance(8), true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      throw this.fail(said`The pickle states a length of ${value} bytes.`, this.offset - 8);
    return Number(value);
  }

  take(length: number): Uint8Array {
    const start = this.advance(length);
    return this.bytes.subarray(start, start + length);
  }

  text(length: number): string {
    return utf8.decode(this.take(length));
  }

  /** A two's complement integer of `length` bytes, the lowest first. */
  integer(length: number): number | bigint {
    if (length > maxPickleNumber)
      throw this.fail(
        said`The pickle holds a number of ${length} bytes; at most ${maxPickleNumber} are read.`,
      );
    const bytes = this.take(length);
    if (length === 0) return 0;
    const digits = Buffer.from(bytes).reverse().toString('hex');
    return exact(BigInt.asIntN(8 * length, BigInt(`0x${digits}`)));
  }

  /** A line without its end. */
  line(limit = maxPickleLine): string {
    const end = this.bytes.indexOf(0x0a, this.at);
    const length = (end < 0 ? this.bytes.length : end) - this.at;
    if (length > limit) throw this.fail(said`The pickle holds a line of more than ${limit} bytes.`);
    if (end < 0) throw new PickleEnds();
    const text = this.text(length);
    this.at += 1;
    return text;
  }

  private advance(length: number): number {
    const start = this.at;
    if (start + length > this.bytes.length) throw new PickleEnds();
    this.at += length;
    return start;
  }
}

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** An integer as a number where that is exact. */
export function exact(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
