import { constants, type Stats } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { QuantscopeError, throwIfCancelled } from './errors';
import { said } from '../protocol/said';

/** Random access to bytes: a file, or a test's array. */
export interface ByteSource {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly mtimeMs: number;
  /** Exactly `length` bytes from `offset`, or an error: never fewer, never padded. */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array>;
  /** Fills `target` from `offset`, as `read` does, without allocating. */
  readInto(target: Uint8Array, offset: number, signal?: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** Opens a file of a model once; the model closes it. */
export type OpenSource = (file: string) => Promise<ByteSource>;

/** Reads of Linux stop at 2 GiB − 4 KiB. */
const maxRead = 1 << 30;

/**
 * Opens a file for reading. Nothing but a regular file is ever opened: a pipe or a device could block forever.
 * @throws QuantscopeError IO when it cannot be opened or is not a regular file.
 */
export async function openFileSource(path: string): Promise<ByteSource> {
  let handle: FileHandle | undefined;
  try {
    refuseSpecial(await stat(path));
    // If a pipe has taken the file's place since, O_NONBLOCK keeps this from waiting for its writer (Windows lacks it).
    handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const stats = await handle.stat();
    refuseSpecial(stats);
    return new FileSource(path, stats.size, stats.mtimeMs, handle);
  } catch (cause) {
    await handle?.close();
    throw cannotOpen('file', path, cause);
  }
}

const absent = {
  file: said`The file does not exist.`,
  path: said`The file or folder does not exist.`,
} as const;

/** Why a file or a folder cannot be opened. */
export function cannotOpen(what: 'file' | 'path', path: string, cause: unknown): QuantscopeError {
  const isAbsent = (cause as NodeJS.ErrnoException).code === 'ENOENT';
  const message = isAbsent ? absent[what] : said`The ${what} cannot be opened: ${reason(cause)}`;
  return new QuantscopeError('IO', message, { file: path }, cause);
}

/** What the file is instead of a regular one; undefined for a regular file. */
export function specialKind(stats: Stats): string | undefined {
  if (stats.isFile()) return undefined;
  if (stats.isDirectory()) return 'a folder';
  if (stats.isFIFO()) return 'a named pipe';
  if (stats.isSocket()) return 'a socket';
  return 'a device';
}

function refuseSpecial(stats: Stats): void {
  const kind = specialKind(stats);
  if (kind !== undefined) throw new Error(`it is ${kind}, not a regular file`);
}

class FileSource implements ByteSource {
  constructor(
    readonly path: string,
    readonly size: number,
    readonly mtimeMs: number,
    private readonly handle: FileHandle,
  ) {}

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    if (length < 0) throw this.outside(offset, length);
    const target = new Uint8Array(length);
    await this.readInto(target, offset, signal);
    return target;
  }

  async readInto(target: Uint8Array, offset: number, signal?: AbortSignal): Promise<void> {
    throwIfCancelled(signal);
    const { length } = target;
    if (offset < 0 || offset + length > this.size) throw this.outside(offset, length);
    for (let done = 0; done < length;) {
      throwIfCancelled(signal);
      const wanted = Math.min(maxRead, length - done);
      const { bytesRead } = await this.readOnce(target, done, wanted, offset + done);
      if (bytesRead === 0) {
        const message = said`The file ended before its stated size: was it changed while it was read?`;
        throw new QuantscopeError('IO', message, { file: this.path, offset: offset + done });
      }
      done += bytesRead;
    }
  }

  private outside(offset: number, length: number): QuantscopeError {
    const message = said`Bytes ${offset} to ${offset + length} are outside the file of ${this.size} bytes.`;
    return new QuantscopeError('MODEL_FILE', message, { file: this.path, offset });
  }

  private async readOnce(target: Uint8Array, at: number, length: number, position: number) {
    try {
      return await this.handle.read(target, at, length, position);
    } catch (cause) {
      const message = said`The file cannot be read: ${reason(cause)}`;
      throw new QuantscopeError('IO', message, { file: this.path, offset: position }, cause);
    }
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

/** What went wrong, in the words of the operating system. */
export function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
