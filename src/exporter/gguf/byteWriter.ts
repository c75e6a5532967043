/** Little-endian bytes in a buffer that grows: headers, which are small compared with the data. */
export class ByteWriter {
  private buffer = new Uint8Array(64 * 1024);
  private length = 0;

  /** A view of the next `size` bytes, to be set by the caller. */
  view(size: number): DataView {
    if (this.length + size > this.buffer.length) this.grow(this.length + size);
    const view = new DataView(this.buffer.buffer, this.length, size);
    this.length += size;
    return view;
  }

  bytes(source: Uint8Array): void {
    const view = this.view(source.length);
    new Uint8Array(view.buffer, view.byteOffset, source.length).set(source);
  }

  u32(value: number): void {
    this.view(4).setUint32(0, value, true);
  }

  u64(value: number): void {
    this.view(8).setBigUint64(0, BigInt(value), true);
  }

  /** Length in bytes, then UTF-8. */
  text(value: string): void {
    const bytes = Buffer.from(value, 'utf8');
    this.u64(bytes.length);
    this.bytes(bytes);
  }

  /** Zeros up to a multiple of `alignment`. */
  align(alignment: number): void {
    this.bytes(new Uint8Array(padding(this.length, alignment)));
  }

  finish(): Uint8Array {
    return this.buffer.slice(0, this.length);
  }

  private grow(needed: number): void {
    const larger = new Uint8Array(Math.max(needed, 2 * this.buffer.length));
    larger.set(this.buffer);
    this.buffer = larger;
  }
}

/** Bytes from `length` to the next multiple of `alignment`. */
export function padding(length: number, alignment: number): number {
  return (alignment - (length % alignment)) % alignment;
}
