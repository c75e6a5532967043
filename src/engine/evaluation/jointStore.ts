import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { markUsed, trimFiles } from '../../files/leastRecentlyUsed';
import { makeFolder } from '../../files/makeFolder';
import { readSealed, writeSealed } from '../../files/sealedFile';

/** How a model with changed weights compares with the original at each scored token of a text. */
export interface JointTokens {
  /** KL divergence from the original, nats. */
  readonly divergences: Float64Array;
  /** 1 where the most probable token is that of the original, else 0. */
  readonly sameTop: Float64Array;
}

const ending = '.tokens';

/** Disk space for joint measurements of all models; least recently used ones are removed first (bytes). */
const maxBytes = 1024 ** 3;

/** Joint measurements on disk, one sealed file each: a run that was stopped measures the rest only. */
export class JointStore {
  private readonly folder: string;

  /** @param folder that of evaluations. */
  constructor(
    folder: string,
    private readonly limit = maxBytes,
  ) {
    this.folder = join(folder, 'joint');
  }

  /**
   * What was measured before; undefined when nothing was, or its file is damaged or was edited.
   * @param key of everything that the result depends on, versions included.
   */
  async find(key: string, tokens: number): Promise<JointTokens | undefined> {
    const values = await this.findValues(key, 2 * tokens);
    return values && { divergences: values.subarray(0, tokens), sameTop: values.subarray(tokens) };
  }

  /** @throws Error of the file system. */
  add(key: string, { divergences, sameTop }: JointTokens): Promise<void> {
    return this.addValues(key, [divergences, sameTop]);
  }

  /** Other figures of a variant, as `find`. */
  async findValues(key: string, count: number): Promise<Float64Array | undefined> {
    const values = new Float64Array(count);
    const file = this.fileOf(key);
    if (!(await readSealed(file, values))) return undefined;
    await markUsed(file);
    return values;
  }

  /** @throws Error of the file system. */
  async addValues(key: string, parts: readonly Float64Array[]): Promise<void> {
    await makeFolder(this.folder);
    const file = this.fileOf(key);
    await writeSealed(file, async (append) => {
      for (const part of parts) await append(part);
    });
    await trimFiles(this.folder, ending, { limit: this.limit, kept: file });
  }

  private fileOf(key: string): string {
    return join(this.folder, `${createHash('sha256').update(key).digest('hex').slice(0, 32)}${ending}`);
  }
}
