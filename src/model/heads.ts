import type { ByteSource } from './byteSource';

/** Bytes that hold the header of most shards: one read instead of four, which counts for hundreds of files and on network disks. */
const headBytes = 128 * 1024;

/** Buffers for the first bytes of files that are read at the same time. Each serves many files: hundreds of new ones would cost more than reading. */
export class Heads {
  private readonly free: Uint8Array[] = [];

  /**
   * Does something with a file whose first bytes are in memory: reads its header. Bytes that were read are overwritten when the work has ended.
   * @param source stays open.
   */
  async use<T>(source: ByteSource, work: (head: ByteSource) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const buffer = this.free.pop() ?? new Uint8Array(headBytes);
    try {
      const head = buffer.subarray(0, Math.min(headBytes, source.size));
      await source.readInto(head, 0, signal);
      return await work(withHead(source, head));
    } finally {
      this.free.push(buffer);
    }
  }
}

const withHead = (source: ByteSource, head: Uint8Array): ByteSource => ({
  ...{ path: source.path, size: source.size, mtimeMs: source.mtimeMs },
  read: (offset, length, signal) =>
    offset >= 0 && length >= 0 && offset + length <= head.length
      ? Promise.resolve(head.subarray(offset, offset + length))
      : source.read(offset, length, signal),
  readInto: (target, offset, signal) => source.readInto(target, offset, signal),
  close: () => source.close(),
});
