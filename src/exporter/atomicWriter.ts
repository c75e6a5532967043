import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm, rmdir, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { reason } from '../model/byteSource';
import { QuantscopeError } from '../model/errors';
import { notePartial, partialEnding, removeAbandoned } from './partials';

/**
 * A file that appears whole or not at all: bytes go to a temporary file in the same folder, `sync` makes
 * them durable, `commit` renames it onto the target. Until then an existing target is untouched. Call `sync` and `commit`, or `discard`.
 */
export class AtomicFile {
  private written = 0;
  private open = true;
  private placed = false;

  private constructor(
    /** Absolute path of the file to be. */
    readonly target: string,
    /** Absolute path of the temporary file. */
    readonly temporary: string,
    private readonly handle: FileHandle,
    /** Topmost folder that had to be made for it. */
    private readonly madeFolder: string | undefined,
    /** Takes back the note that the temporary file is there. */
    private readonly forget: () => Promise<void>,
  ) {}

  /**
   * Creates the temporary file (and the folder). Those that killed processes left behind are removed.
   * @throws QuantscopeError IO when the folder cannot be written, REQUEST when the target is a folder.
   */
  static async create(target: string): Promise<AtomicFile> {
    const absolute = resolve(target);
    if (await isFolder(absolute))
      throw new QuantscopeError('REQUEST', 'The target is a folder; name a file.', { file: absolute });
    const temporary = temporaryName(absolute);
    try {
      const made = await mkdir(dirname(absolute), { recursive: true });
      await removeAbandoned();
      const forget = await notePartial(temporary);
      const handle = await open(temporary, 'wx').catch(async (cause: unknown) => {
        await forget();
        throw cause;
      });
      return new AtomicFile(absolute, temporary, handle, made, forget);
    } catch (cause) {
      throw failure('created', absolute, cause);
    }
  }

  get bytesWritten(): number {
    return this.written;
  }

  /** Appends; returns when the bytes were handed to the operating system. Calls must not overlap. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      try {
        const { bytesWritten } = await this.handle.write(bytes, done, bytes.length - done, this.written);
        done += bytesWritten;
        this.written += bytesWritten;
      } catch (cause) {
        throw failure('written', this.target, cause);
      }
    }
  }

  /** Makes the content durable. */
  async sync(): Promise<void> {
    try {
      await this.handle.sync();
    } catch (cause) {
      throw failure('written', this.target, cause);
    }
  }

  /** Puts the content, made durable, in the target's place. */
  async commit(): Promise<void> {
    try {
      await this.close();
      await rename(this.temporary, this.target);
      this.placed = true;
      await this.forget();
      await syncFolder(dirname(this.target));
    } catch (cause) {
      throw failure('put in place', this.target, cause);
    }
  }

  /** Removes the temporary file, unless it took the target's place, and the folders that were made for it if nothing else is in them. */
  async discard(): Promise<void> {
    if (this.placed) return;
    await this.close();
    await rm(this.temporary, { force: true });
    await this.forget();
    if (this.madeFolder !== undefined) await removeEmptyFolders(dirname(this.target), this.madeFolder);
  }

  private async close(): Promise<void> {
    if (!this.open) return;
    this.open = false;
    await this.handle.close();
  }
}

/**
 * Runs `fill` on a new AtomicFile and commits it; when `fill` throws, the file is discarded and the error goes on.
 * @returns what `fill` returned.
 */
export async function writeAtomically<T>(target: string, fill: (file: AtomicFile) => Promise<T>): Promise<T> {
  const [result] = await writeAllAtomically([target], fill);
  return result as T;
}

/**
 * Fills several files one after the other; they take their targets' places only when all are complete.
 * @returns what `fill` returned for each.
 */
export async function writeAllAtomically<T>(
  targets: readonly string[],
  fill: (file: AtomicFile, index: number) => Promise<T>,
): Promise<T[]> {
  const files: AtomicFile[] = [];
  const results: T[] = [];
  try {
    for (const [index, target] of targets.entries()) {
      const file = await AtomicFile.create(target);
      files.push(file);
      results.push(await fill(file, index));
    }
    for (const file of files) await file.sync();
    for (const file of files) await file.commit();
  } catch (error) {
    for (const file of files) await file.discard();
    throw error;
  }
  return results;
}

/** `.model.gguf.RANDOM.partial`, beside the target, so that a rename puts it in place. */
function temporaryName(target: string): string {
  return join(dirname(target), `.${basename(target)}.${randomBytes(6).toString('hex')}${partialEnding}`);
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false; // absent, or unreadable: creating the file beside it will say why
  }
}

async function removeEmptyFolders(from: string, upTo: string): Promise<void> {
  try {
    for (let folder = from; folder.length >= upTo.length; folder = dirname(folder)) await rmdir(folder);
  } catch {
    // someone else put something there meanwhile: it is theirs now
  }
}

/** A rename is durable once its folder is. Windows and some network file systems cannot do that; the file is in place anyway. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    await handle.sync().finally(() => handle.close());
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (!['EPERM', 'EISDIR', 'EINVAL', 'ENOTSUP', 'EACCES'].includes(code)) throw error;
  }
}

function failure(what: string, file: string, cause: unknown): QuantscopeError {
  return new QuantscopeError('IO', `The file cannot be ${what}: ${reason(cause)}`, { file }, cause);
}
