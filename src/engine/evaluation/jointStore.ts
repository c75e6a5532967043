import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { makeFolder } from '../../files/makeFolder';
import { readSealed, writeSealed } from '../../files/sealedFile';

/** How a model with changed weights compares with the original at each scored token of a text. */
export interface JointTokens {
  /** KL divergence from the original, nats. */
  readonly divergences: Float64Array;
  /** 1 where the most probable token is that of the original, else 0. */
  readonly sameTop: Float64Array;
}

/** Joint measurements on disk, one sealed file each: a run that was stopped measures the rest only. */
export class JointStore {
  private readonly folder: string;

  /** @param folder that of evaluations. */
  constructor(folder: string) {
    this.folder = join(folder, 'joint');
  }

  /**
   * What was measured before; undefined when nothing was, or its file is damaged or was edited.
   * @param key of everything that the result depends on, versions included.
   */
  async find(key: string, tokens: number): Promise<JointTokens | undefined> {
    const values = new Float64Array(2 * tokens);
    if (!(await readSealed(this.fileOf(key), values))) return undefined;
    return { divergences: values.subarray(0, tokens), sameTop: values.subarray(tokens) };
  }

  /** @throws Error of the file system. */
  async add(key: string, { divergences, sameTop }: JointTokens): Promise<void> {
    await makeFolder(this.folder);
    await writeSealed(this.fileOf(key), async (append) => {
      await append(divergences);
      await append(sameTop);
    });
  }

  private fileOf(key: string): string {
    return join(this.folder, `${createHash('sha256').update(key).digest('hex').slice(0, 32)}.tokens`);
  }
}
