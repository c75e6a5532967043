import { open, readFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { reason } from '../model/byteSource';
import { seal, unseal } from '../model/sealedJson';
import { makeFolder } from './makeFolder';

/**
 * Finished parts of a run on disk, one sealed JSON line each, appended as they are finished: a killed run loses at most the one that it was
 * writing. A line that is torn, damaged or edited is skipped. Where the folder cannot be read or written nothing is kept, and `problem`
 * says why.
 */
export class SealedLines {
  private handle: FileHandle | undefined;
  private pending = '';
  private writing: Promise<void> | undefined;

  private constructor(
    private readonly file: string,
    private notKept?: string,
  ) {}

  /** @param take gets what earlier runs have appended, in their order. */
  static async open(folder: string, name: string, take: (value: unknown) => void): Promise<SealedLines> {
    const file = join(folder, `${name}.jsonl`);
    try {
      await makeFolder(folder);
      for (const line of (await readText(file)).split('\n')) {
        const value = unseal(line);
        if (value !== undefined) take(value);
      }
      return new SealedLines(file);
    } catch (error) {
      return new SealedLines(file, reason(error));
    }
  }

  /** Why lines are not kept; undefined when they are. */
  get problem(): string | undefined {
    return this.notKept;
  }

  /** Lines are written in the order of the calls, those of calls that come meanwhile together. Never rejects: `problem` says why. */
  append(value: unknown): Promise<void> {
    this.pending += `\n${seal(value)}\n`; // on a separate line even after a torn one
    this.writing ??= this.writePending();
    return this.writing;
  }

  /** Lines that are being written are waited for. */
  async close(): Promise<void> {
    await this.writing;
    const { handle } = this;
    this.handle = undefined;
    try {
      await handle?.close();
    } catch (error) {
      this.notKept ??= reason(error);
    }
  }

  private async writePending(): Promise<void> {
    try {
      for (; this.pending !== '';) {
        const text = this.pending;
        this.pending = '';
        if (this.notKept !== undefined) continue;
        this.handle ??= await open(this.file, 'a');
        await this.handle.appendFile(text); // all of it, or an error: a write may take only a part
      }
    } catch (error) {
      this.notKept = reason(error);
    } finally {
      this.writing = undefined;
    }
  }
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
