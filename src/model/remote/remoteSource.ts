import { setMaxListeners } from 'node:events';
import type { ByteSource } from '../byteSource';
import { QuantscopeError, throwIfCancelled } from '../errors';
import { untilCancelled } from '../untilCancelled';
import type { Pages } from './pages';
import { stampOf } from './rangeAnswer';
import type { RemoteFile } from './remoteFile';
import { said } from '../../protocol/said';

/** Reads from this size on go past what is kept (bytes): they are weights. */
const largeRead = 1024 * 1024;

/** A remote file that is read by ranges. */
export class RemoteSource implements ByteSource {
  readonly path: string;
  readonly size: number;
  readonly mtimeMs: number;

  constructor(
    private readonly file: RemoteFile,
    private readonly pages: Pages,
  ) {
    this.path = file.path;
    this.size = file.facts.size;
    this.mtimeMs = stampOf(file.facts);
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    if (length < 0) throw this.outside(offset, length);
    const target = new Uint8Array(length);
    await this.readInto(target, offset, signal);
    return target;
  }

  async readInto(target: Uint8Array, offset: number, signal?: AbortSignal): Promise<void> {
    throwIfCancelled(signal);
    // Any number of reads wait for servers at a time, and listen to one signal.
    if (signal) setMaxListeners(0, signal);
    const { length } = target;
    if (offset < 0 || offset + length > this.size) throw this.outside(offset, length);
    if (length >= largeRead) await this.file.readInto(target, offset, signal);
    else await untilCancelled(this.pages.readInto(target, offset), signal);
  }

  private outside(offset: number, length: number): QuantscopeError {
    const message = said`Bytes ${offset} to ${offset + length} are outside the file of ${this.size} bytes.`;
    return new QuantscopeError('MODEL_FILE', message, { file: this.path, offset });
  }

  /** Connections are kept for other files of the server. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}
