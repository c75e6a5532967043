import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { reason } from '../model/byteSource';
import { QuantscopeError } from '../model/errors';
import { removeEmptyFolders } from './atomicFolder';
import { commitTogether } from './commitTogether';
import { manifestPath } from './digests/manifest';
import type { Inputs } from './inputs';
import { ensureDistinct } from './inputs';
import { notePartials, partialName, removeAbandoned } from './partials';
import { syncFolder } from './syncFolder';
import { findTarget, followLinks, statIfPresent, type OutputTarget } from './target';
import { makeFolder } from './makeFolder';
import { said } from '../protocol/said';

/**
 * A file that is written atomically: bytes go to a temporary file in the same folder, `finish` makes them durable, `commit` renames
 * it onto the target. Until then an existing target is untouched; its permissions and links to it are kept. Call `finish` and
 * `commit`, or `discard`.
 */
export class AtomicFile {
  private written = 0;

  private constructor(
    private readonly output: OutputTarget,
    /** Absolute path of the temporary file. */
    readonly temporary: string,
    private readonly handle: FileHandle,
    /** Topmost folder that was created for it. */
    private readonly madeFolder: string | undefined,
    /** Removes the record of the temporary file. */
    private readonly forget: () => Promise<void>,
  ) {}

  /**
   * Creates the temporary file (and the folder). Leftovers of killed processes are removed.
   * @throws QuantscopeError IO when the folder cannot be written, REQUEST when the target is not a regular file, or write-protected.
   */
  static async create(target: string): Promise<AtomicFile> {
    const output = await findTarget(target);
    const temporary = partialName(output.destination);
    let forget: (() => Promise<void>) | undefined;
    try {
      const made = await makeFolder(dirname(temporary));
      await removeAbandoned();
      forget = await notePartials([temporary]);
      const handle = await open(temporary, 'wx', output.existing?.mode);
      const file = new AtomicFile(output, temporary, handle, made, forget);
      try {
        await file.takeOver();
      } catch (cause) {
        await file.discard();
        throw cause;
      }
      return file;
    } catch (cause) {
      await forget?.();
      throw failure('create', output.path, cause);
    }
  }

  /** Absolute path of the output as given. */
  get target(): string {
    return this.output.path;
  }

  /** Absolute path of the file that is replaced, links followed. */
  get destination(): string {
    return this.output.destination;
  }

  /** End of the last byte written. */
  get bytesWritten(): number {
    return this.written;
  }

  /** Appends; returns when the bytes were handed to the operating system. Calls must not overlap. */
  write(bytes: Uint8Array): Promise<void> {
    return this.writeAt(this.written, bytes);
  }

  /** Writes bytes at an offset, which may be beyond the end. Calls must not overlap. */
  async writeAt(offset: number, bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      try {
        const { bytesWritten } = await this.handle.write(bytes, done, bytes.length - done, offset + done);
        if (bytesWritten === 0) throw new Error('the operating system accepts no more bytes');
        done += bytesWritten;
        this.written = Math.max(this.written, offset + done);
      } catch (cause) {
        throw failure('write', this.target, cause);
      }
    }
  }

  /** Makes the content durable and complete: nothing can be written after it. */
  async finish(): Promise<void> {
    try {
      await this.handle.sync();
      await this.handle.close();
    } catch (cause) {
      throw failure('write', this.target, cause);
    }
  }

  /** Puts the finished content in the target's place. */
  async commit(): Promise<void> {
    try {
      await rename(this.temporary, this.destination);
      await this.forget();
      await syncFolder(dirname(this.destination));
    } catch (cause) {
      throw failure('place', this.target, cause);
    }
  }

  /** Puts finished files in place, all or none of them. Lists of digests of the files that they replace are removed with these. */
  static async commitAll(files: readonly AtomicFile[]): Promise<void> {
    const obsolete = await obsoleteLists(files.map(({ output }) => output));
    const [only, ...more] = files;
    if (only && more.length === 0 && obsolete.length === 0) return only.commit();
    await commitTogether(files, obsolete);
    for (const file of files) await file.forget();
  }

  /**
   * Removes the temporary file, if it has not taken the target's place, and the folders that were made for it if nothing is in
   * them. What cannot be removed now is left to a later start; never throws, so the first error is the one reported.
   */
  async discard(): Promise<void> {
    await this.handle.close().catch(() => undefined); // closed before, or its content is no longer needed
    try {
      await rm(this.temporary, { force: true });
    } catch {
      return; // the note stays
    }
    await this.forget();
    if (this.madeFolder !== undefined) await removeEmptyFolders(dirname(this.temporary), this.madeFolder);
  }

  /** Owner and permissions of the file that is replaced; a new file's mode is subject to the umask, a kept one is not. */
  private async takeOver(): Promise<void> {
    const { existing } = this.output;
    if (!existing || process.platform === 'win32') return;
    await this.handle.chown(existing.uid, existing.gid).catch(() => undefined); // only root may change the owner
    await this.handle.chmod(existing.mode);
  }
}

/**
 * Runs `fill` on a new AtomicFile and commits it; when anything fails, the file is discarded and the first error is thrown.
 * @param inputs files that the output must not replace, and whose change while `fill` runs is an error, as is that of an output which they
 *   checked. Outputs that users name have them; files of the cache have none.
 * @returns what `fill` returned.
 */
export async function writeAtomically<T>(
  target: string,
  fill: (file: AtomicFile) => Promise<T>,
  inputs?: Inputs,
): Promise<T> {
  const [result] = await writeAllAtomically([target], fill, inputs);
  return result as T;
}

/**
 * Fills several files one after the other; they take their targets' places only when all are complete, and together: after an error
 * all old files are there, after a kill a later start finishes, and no mixture of old and new files is ever seen.
 * @returns what `fill` returned for each.
 */
export async function writeAllAtomically<T>(
  targets: readonly string[],
  fill: (file: AtomicFile, index: number) => Promise<T>,
  inputs?: Inputs,
): Promise<T[]> {
  const files: AtomicFile[] = [];
  const results: T[] = [];
  const outputs: OutputTarget[] = [];
  for (const target of targets) outputs.push(await findTarget(target));
  ensureDistinct(outputs);
  for (const output of outputs) await inputs?.refuse(output);
  try {
    for (const [index, target] of targets.entries()) {
      const file = await AtomicFile.create(target);
      files.push(file);
      results.push(await fill(file, index));
    }
    for (const file of files) await file.finish();
    await inputs?.ensureUnchanged();
    // The outputs may have changed while they were written.
    for (const target of targets) {
      const output = await findTarget(target);
      await inputs?.refuse(output);
      await inputs?.ensureNotWritten(output);
    }
    await AtomicFile.commitAll(files);
  } catch (error) {
    // The first one may have made the folder, which has to be empty before it is removed.
    for (const file of files.toReversed()) await file.discard();
    throw error;
  }
  return results;
}

/** Lists of digests beside outputs, or beside the files that links at their places lead to, that are not written again. */
async function obsoleteLists(outputs: readonly OutputTarget[]): Promise<string[]> {
  const written = new Set(outputs.map(({ destination }) => destination));
  const lists = new Set(
    outputs.flatMap(({ path, destination }) => [manifestPath(path), manifestPath(destination)]),
  );
  const obsolete: string[] = [];
  for (const list of lists) {
    const destination = await followLinks(list);
    const found = await statIfPresent(list).catch(() => undefined); // a name that is too long
    if (!written.has(destination) && found?.isFile()) obsolete.push(list);
  }
  return obsolete;
}

const failures = {
  create: (why: string) => said`The file cannot be created: ${why}`,
  write: (why: string) => said`The file cannot be written: ${why}`,
  place: (why: string) => said`The file cannot be put in place: ${why}`,
} as const;

function failure(what: keyof typeof failures, file: string, cause: unknown): QuantscopeError {
  return new QuantscopeError('IO', failures[what](reason(cause)), { file }, cause);
}
