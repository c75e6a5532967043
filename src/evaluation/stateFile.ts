import { open, type FileHandle } from 'node:fs/promises';
import { isSealed } from '../files/sealedFile';
import { QuantscopeError } from '../model/errors';
import { said } from '../protocol/said';

/**
 * States of a base model at the scored tokens, float32 `[tokens, hidden]`, on disk: its log-probabilities follow from them by one
 * product with its output matrix, exactly, and in a fraction of the space (hidden size instead of vocabulary).
 */
export class StateFile {
  private constructor(
    private readonly file: string,
    private readonly handle: FileHandle,
    private readonly hiddenSize: number,
    private readonly onClose: () => Promise<void>,
  ) {}

  /**
   * Opens a finished file; undefined when there is none of that size, or it is damaged or was edited.
   * @param onClose removes a file that is not kept.
   */
  static async find(
    file: string,
    tokens: number,
    hiddenSize: number,
    onClose = (): Promise<void> => Promise.resolve(),
  ): Promise<StateFile | undefined> {
    let handle: FileHandle;
    try {
      handle = await open(file, 'r');
    } catch {
      return undefined; // not made yet
    }
    const isWhole = await isSealed(handle, tokens * hiddenSize * 4).catch(() => false); // a failing disk
    if (isWhole) return new StateFile(file, handle, hiddenSize, onClose);
    await handle.close();
    return undefined;
  }

  /** Fills `target` with the states of tokens from `firstToken` on. @throws QuantscopeError IO when the file ends early. */
  async read(firstToken: number, target: Float32Array): Promise<void> {
    const bytes = new Uint8Array(target.buffer, target.byteOffset, target.byteLength);
    const start = firstToken * this.hiddenSize * 4;
    for (let done = 0; done < bytes.length;) {
      const { bytesRead } = await this.handle.read(bytes, done, bytes.length - done, start + done);
      if (bytesRead === 0)
        throw new QuantscopeError('IO', said`The stored states of the base model end early.`, {
          file: this.file,
          offset: start + done,
        });
      done += bytesRead;
    }
  }

  async close(): Promise<void> {
    await this.handle.close();
    await this.onClose();
  }
}
