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
  private last: Promise<void> = Promise.resolve();

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

  /** Lines are written one after the other, in the order of the calls. */
  append(value: unknown): Promise<void> {
    this.last = this.last.then(() => this.write(`\n${seal(value)}\n`)); // on a separate line even after a torn one
    return this.last;
  }

  /** Lines that are being written are waited for. */
  async close(): Promise<void> {
    await this.last;
    const { handle } = this;
    this.handle = undefined;
    try {
      await handle?.close();
    } catch (error) {
      this.notKept ??= reason(error);
    }
  }

  /** Never rejects. */
  private async write(text: string): Promise<void> {
    if (this.notKept !== undefined) return;
    try {
      this.handle ??= await open(this.file, 'a');
      await this.handle.write(text);
    } catch (error) {
      this.notKept = reason(error);
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
