import { basename, join } from 'node:path';
import { checkTensor } from '../../analysis/verify/checkTensor';
import { Faults } from '../../analysis/verify/faults';
import { writeAllAtomically, type AtomicFile } from '../../files/atomicFile';
import { changedOutside } from '../../files/digests/changedOutside';
import { digestOf } from '../../files/digests/chunkDigests';
import { manifestPath, printManifest, type DigestManifest } from '../../files/digests/manifest';
import { DigestRecorder, piecesOf } from '../../files/digests/recorder';
import type { Inputs } from '../../files/inputs';
import type { ByteSource } from '../../model/byteSource';
import { QuantscopeError } from '../../model/errors';
import { said } from '../../protocol/said';

/** Makes tensors again: writes the bytes of each, in order. */
export type Remake = (
  names: ReadonlySet<string>,
  write: (tensor: string, bytes: Uint8Array) => Promise<void>,
) => Promise<void>;

/** A file that is open, and what it held when it was written. */
export interface DamagedFile {
  readonly source: ByteSource;
  readonly manifest: DigestManifest;
}

/**
 * Names of the tensors whose bytes are not those that were written.
 * @throws QuantscopeError UNSUPPORTED where header or padding differ: only tensors can be made again.
 */
export async function damagedTensors(
  { source, manifest }: DamagedFile,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const { tensors, chunkBytes, bytes } = manifest;
  const changed = source.size === bytes ? await changedOutside(source, manifest, signal) : [];
  if (source.size > bytes || changed.length > 0)
    throw new QuantscopeError(
      'UNSUPPORTED',
      said`The header, or padding between tensors, is damaged; only tensors can be made again. Export the file again.`,
      { file: source.path, ...(changed[0] ? { offset: changed[0].offset } : {}) },
    );
  const damaged = new Set<string>();
  for (const tensor of tensors) {
    const faults = new Faults();
    await checkTensor(tensor, { source, chunkBytes, faults, signal });
    if (faults.list.some(({ kind }) => kind === 'bytes')) damaged.add(tensor.name);
  }
  return damaged;
}

export interface RepairOptions {
  /** Tensors that are made again. */
  readonly damaged: ReadonlySet<string>;
  readonly remake: Remake;
  readonly inputs: Inputs;
  readonly signal: AbortSignal;
}

/** Path of a repaired file. */
export const repairedPath = (file: string, folder: string): string => join(folder, basename(file));

/**
 * Writes a file with its damaged tensors made again into a folder, with its list of digests, atomically: the result has the digests that were
 * recorded, or nothing is written.
 * @throws QuantscopeError MODEL_FILE naming the first tensor whose bytes are others; IO; CANCELLED; what `remake` throws.
 */
export async function repairFile(
  file: DamagedFile,
  folder: string,
  { damaged, remake, inputs, signal }: RepairOptions,
): Promise<void> {
  const { source, manifest } = file;
  const target = repairedPath(source.path, folder);
  const digests = new DigestRecorder(manifest.chunkBytes);
  let written: AtomicFile | undefined;
  const weights = async (output: AtomicFile): Promise<void> => {
    written = output;
    const write = await copyIntact(file, output, digests, damaged, signal);
    await remake(damaged, write);
  };
  const list = async (output: AtomicFile): Promise<void> => {
    const found = await digests.finish(written!.temporary, manifest.origin, signal);
    refuseOthers(manifest, found, source.path);
    await output.write(Buffer.from(printManifest(manifest)));
  };
  await writeAllAtomically(
    [target, manifestPath(target)],
    (output, index) => (index === 0 ? weights(output) : list(output)),
    inputs,
  );
}

/** Copies all bytes that are not of damaged tensors. @returns what appends bytes to a damaged one. */
async function copyIntact(
  { source, manifest }: DamagedFile,
  output: AtomicFile,
  digests: DigestRecorder,
  damaged: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<Parameters<Remake>[1]> {
  const appends = new Map<string, (bytes: Uint8Array) => Promise<void>>();
  let end = 0;
  for (const tensor of manifest.tensors) {
    await copyRange(source, output, end, tensor.offset, signal);
    const record = digests.tensor(tensor);
    let done = 0;
    const append = async (bytes: Uint8Array): Promise<void> => {
      record(done, bytes);
      await output.writeAt(tensor.offset + done, bytes);
      done += bytes.length;
    };
    end = tensor.offset + tensor.bytes;
    if (damaged.has(tensor.name)) appends.set(tensor.name, append);
    else for await (const piece of piecesOf(source, tensor.offset, end, signal)) await append(piece);
  }
  await copyRange(source, output, end, manifest.bytes, signal);
  return async (name, bytes) => appends.get(name)?.(bytes);
}

/** Bytes that a file which was cut no longer has are padding: zeros. */
async function copyRange(
  source: ByteSource,
  output: AtomicFile,
  start: number,
  end: number,
  signal: AbortSignal,
): Promise<void> {
  const there = Math.max(start, Math.min(end, source.size));
  let at = start;
  for await (const piece of piecesOf(source, start, there, signal)) {
    await output.writeAt(at, piece);
    at += piece.length;
  }
  if (there < end) await output.writeAt(there, new Uint8Array(end - there));
}

function refuseOthers(expected: DigestManifest, found: DigestManifest, file: string): void {
  const byName = new Map(found.tensors.map(({ name, chunks }) => [name, digestOf(chunks)]));
  const other = expected.tensors.find(({ name, chunks }) => byName.get(name) !== digestOf(chunks));
  if (!other && Buffer.compare(found.outside, expected.outside) === 0) return;
  const message = said`What was made again is not what was written: another version of Quantscope, other settings, or the file was changed meanwhile. Nothing was written.`;
  throw new QuantscopeError('MODEL_FILE', message, { file, ...(other ? { tensor: other.name } : {}) });
}
