import type { ByteSource } from './byteSource';

/** Bytes that hold the header of most shards: one read instead of four, which counts for hundreds of files and on network disks. */
const headBytes = 128 * 1024;

/** The source, with its first bytes in memory: for reading its header. Close the source itself. */
export async function headOf(source: ByteSource, signal?: AbortSignal): Promise<ByteSource> {
  const head = await source.read(0, Math.min(headBytes, source.size), signal);
  return {
    ...{ path: source.path, size: source.size, mtimeMs: source.mtimeMs },
    read: (offset, length, readSignal) =>
      offset >= 0 && length >= 0 && offset + length <= head.length
        ? Promise.resolve(head.subarray(offset, offset + length))
        : source.read(offset, length, readSignal),
    readInto: (target, offset, readSignal) => source.readInto(target, offset, readSignal),
    close: () => source.close(),
  };
}
