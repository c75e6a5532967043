import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { reason } from '../../model/byteSource';
import { QuantscopeError, throwIfCancelled } from '../../model/errors';
import type { EngineProgress } from '../../protocol/engine';
import { said } from '../../protocol/said';
import { byteMeter } from './byteMeter';
import { fetchBody, type FetchOptions } from './https';
import type { PackageFacts } from './nuget';

export interface DownloadOptions extends FetchOptions {
  readonly progress: (progress: EngineProgress) => void;
}

/**
 * Downloads a package into a new file and checks its size and digest.
 * @throws QuantscopeError IO when it cannot be downloaded or saved, or is not what its source states; CANCELLED.
 */
export async function downloadPackage(
  facts: PackageFacts,
  file: string,
  options: DownloadOptions,
): Promise<void> {
  const { body, bytes } = await fetchBody(facts.url, options);
  const handle = await open(file, 'wx');
  const hash = createHash('sha512');
  const tell = byteMeter(said`Downloading from ${new URL(facts.url).host}`, facts.bytes, options.progress);
  let done = 0;
  try {
    if (bytes !== undefined && bytes !== facts.bytes) throw wrongSize(facts, bytes);
    for await (const chunk of body as AsyncIterable<Buffer>) {
      throwIfCancelled(options.signal);
      done += chunk.length;
      if (done > facts.bytes) throw wrongSize(facts, done);
      hash.update(chunk);
      await append(handle, file, chunk);
      tell(done);
    }
  } catch (cause) {
    throwIfCancelled(options.signal);
    if (cause instanceof QuantscopeError) throw cause;
    const message = said`The download ended after ${done} of ${facts.bytes} bytes: ${reason(cause)}.`;
    throw new QuantscopeError('IO', message, {}, cause);
  } finally {
    body.destroy();
    await handle.close();
  }
  if (done !== facts.bytes) throw wrongSize(facts, done);
  checkDigest(facts, hash.digest('base64'));
}

function checkDigest({ url, sha512 }: PackageFacts, digest: string): void {
  if (digest === sha512) return;
  const message = said`${url} was damaged in transit or is not the package: its SHA-512 is ${digest} instead of ${sha512}.`;
  throw new QuantscopeError('IO', message);
}

function wrongSize({ url, bytes }: PackageFacts, got: number): QuantscopeError {
  return new QuantscopeError(
    'IO',
    said`${url} has ${got} bytes instead of the ${bytes} that its source states.`,
  );
}

async function append(handle: FileHandle, file: string, chunk: Buffer): Promise<void> {
  try {
    await handle.writeFile(chunk);
  } catch (cause) {
    throw new QuantscopeError('IO', said`The download cannot be saved: ${reason(cause)}`, { file }, cause);
  }
}
