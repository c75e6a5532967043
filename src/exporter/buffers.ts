/** Memory that is used again and again: what `give` returns, `take` hands out. */
export class Buffers {
  private readonly free: ArrayBuffer[] = [];

  /** So many bytes, of whatever content. */
  take(length: number): Uint8Array {
    const at = this.free.findIndex((buffer) => buffer.byteLength >= length);
    const [buffer = new ArrayBuffer(length)] = at < 0 ? [] : this.free.splice(at, 1);
    return new Uint8Array(buffer, 0, length);
  }

  /** The bytes will not be looked at any more. */
  give(bytes: Uint8Array): void {
    if (bytes.buffer instanceof ArrayBuffer) this.free.push(bytes.buffer);
  }
}
