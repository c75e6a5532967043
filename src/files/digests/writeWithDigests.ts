import { writeAllAtomically, type AtomicFile } from '../atomicFile';
import type { Inputs } from '../inputs';
import { chunkSize } from './chunkDigests';
import { manifestPath, printManifest, type Origin } from './manifest';
import { DigestRecorder } from './recorder';

/** A file to write. */
export interface DigestedFile {
  readonly path: string;
  /** Bytes of the whole file, at most. */
  readonly bytes: number;
  /** False for files that hold no weights: they get no list of digests. */
  readonly hasWeights: boolean;
}

export interface DigestedWrite<T> {
  readonly files: readonly DigestedFile[];
  /** What the files are made of. */
  readonly origin: Origin;
  readonly inputs?: Inputs | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Writes one file, and announces its tensors. */
  readonly fill: (file: AtomicFile, digests: DigestRecorder, index: number) => Promise<T>;
}

/**
 * Writes files of weights as `writeAllAtomically` does, and beside each the list of its digests (`manifestPath`), which takes its place
 * together with them.
 * @returns what `fill` returned for each file.
 */
export async function writeWithDigests<T>({
  files,
  origin,
  inputs,
  signal,
  fill,
}: DigestedWrite<T>): Promise<T[]> {
  const results: T[] = [];
  const steps = files.flatMap((item, index) => {
    const digests = new DigestRecorder(chunkSize(item.bytes));
    const written: { file?: AtomicFile } = {};
    const write = async (file: AtomicFile): Promise<void> => {
      written.file = file;
      results.push(await fill(file, digests, index));
    };
    const list = async (file: AtomicFile): Promise<void> => {
      const manifest = await digests.finish(written.file!.temporary, origin, signal);
      await file.write(Buffer.from(printManifest(manifest)));
    };
    const own = { path: item.path, run: write };
    return item.hasWeights ? [own, { path: manifestPath(item.path), run: list }] : [own];
  });
  const paths = steps.map(({ path }) => path);
  await writeAllAtomically(paths, (file, step) => steps[step]!.run(file), inputs);
  return results;
}
