import { createWriteStream } from 'node:fs';
import { basename, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { openPromise, type Entry, type ZipFile } from 'yauzl';
import { reason } from '../../model/byteSource';
import { QuantscopeError, throwIfCancelled } from '../../model/errors';
import { maxGpuPackage } from '../../model/limits';
import type { EngineProgress } from '../../protocol/engine';
import { said } from '../../protocol/said';
import { byteMeter } from './byteMeter';

export interface UnpackOptions {
  readonly signal: AbortSignal;
  readonly progress: (progress: EngineProgress) => void;
}

/**
 * Extracts entries of a zip archive into a folder, by the last part of their names.
 * @throws QuantscopeError IO when one is absent, damaged or cannot be written; CANCELLED.
 */
export async function unpack(
  archive: string,
  names: readonly string[],
  folder: string,
  { signal, progress }: UnpackOptions,
): Promise<void> {
  const zip = await openPromise(archive, { autoClose: false });
  try {
    const entries = await find(zip, names);
    for (const entry of entries) {
      const name = basename(entry.fileName);
      const tell = byteMeter(said`Unpacking ${name}`, entry.uncompressedSize, progress);
      const source = await zip.openReadStreamPromise(entry);
      await pipeline(source, counting(tell), createWriteStream(join(folder, name)), { signal });
    }
  } catch (cause) {
    throwIfCancelled(signal);
    if (cause instanceof QuantscopeError) throw cause;
    throw new QuantscopeError('IO', said`The package cannot be unpacked: ${reason(cause)}`, {}, cause);
  } finally {
    zip.close();
  }
}

async function find(zip: ZipFile, names: readonly string[]): Promise<Entry[]> {
  const found = new Map<string, Entry>();
  for await (const entry of zip.eachEntry())
    if (names.includes(entry.fileName)) found.set(entry.fileName, entry);
  return names.map((name) => {
    const entry = found.get(name);
    if (!entry) throw new QuantscopeError('IO', said`The package has no ${name}.`);
    if (entry.uncompressedSize > maxGpuPackage)
      throw new QuantscopeError(
        'IO',
        said`${name} would take ${entry.uncompressedSize} bytes, more than the limit.`,
      );
    return entry;
  });
}

function counting(tell: (done: number) => void): Transform {
  let done = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, next) {
      tell((done += chunk.length));
      next(null, chunk);
    },
  });
}
