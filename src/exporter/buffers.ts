/** Reused memory: `take` hands out what `give` returned. */
export class Buffers {
  private readonly free: ArrayBuffer[] = [];

  /** A buffer of this length with arbitrary content. */
  take(length: number): Uint8Array {
    const at = this.free.findIndex((buffer) => buffer.byteLength >= length);
    const [buffer = new ArrayBuffer(length)] = at < 0 ? [] : this.free.splice(at, 1);
    return new Uint8Array(buffer, 0, length);
  }

  /** Returns bytes that are no longer read. */
  give(bytes: Uint8Array): void {
    if (bytes.buffer instanceof ArrayBuffer) this.free.push(bytes.buffer);
  }
}
