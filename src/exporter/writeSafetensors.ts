import { QuantscopeError, throwIfCancelled } from '../model/errors';
import { writeAtomically, type AtomicFile } from '../files/atomicFile';
import type { Origin } from '../files/digests/manifest';
import type { DigestRecorder } from '../files/digests/recorder';
import { writeWithDigests } from '../files/digests/writeWithDigests';
import type { Inputs } from '../files/inputs';
import { ensureFreeSpace } from './diskSpace';
import { safetensorsHeader, tensorBytes, type SafetensorsTensor } from './safetensorsHeader';
import { said } from '../protocol/said';

/** A tensor whose `data` yields exactly its bytes, in any pieces. */
export interface SafetensorsPart extends SafetensorsTensor {
  data(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** Tensors that are written together: `fill` writes each one's bytes in their order, in any pieces. */
export interface SafetensorsGroup {
  readonly parts: readonly SafetensorsTensor[];
  fill(write: (part: number, bytes: Uint8Array) => Promise<void>): Promise<void>;
}

export interface SafetensorsOptions {
  readonly signal?: AbortSignal;
  /** Files that the output must not replace. */
  readonly inputs?: Inputs;
  /** What weights are made of: their digests are written beside them. */
  readonly origin?: Origin;
}

/**
 * Writes a safetensors file atomically. Tensors are written, and asked for, in the order given; the header is padded with spaces so
 * that data starts at a multiple of 8.
 * @returns bytes of the file.
 * @throws QuantscopeError REQUEST for a duplicate name or unknown dtype, or a target that is an input; IO; CANCELLED.
 * @see https://github.com/huggingface/safetensors (format)
 */
export async function writeSafetensors(
  out: string,
  tensors: readonly (SafetensorsPart | SafetensorsGroup)[],
  metadata: Readonly<Record<string, string>>,
  { signal, inputs, origin }: SafetensorsOptions = {},
): Promise<number> {
  const groups = tensors.map((item) => ('fill' in item ? item : groupOf(item)));
  const parts = groups.flatMap((group) => group.parts);
  const sizes = parts.map(tensorBytes);
  const header = safetensorsHeader(parts, metadata);
  const total = sizes.reduce((sum, size) => sum + size, header.length);
  await ensureFreeSpace(out, total);
  const fill = async (file: AtomicFile, digests?: DigestRecorder): Promise<number> => {
    await file.write(header);
    let next = 0;
    for (const group of groups) {
      const end = next + group.parts.length;
      await writeGroup({ file, group, sizes: sizes.slice(next, end), digests, signal });
      next = end;
    }
    return file.bytesWritten;
  };
  if (!origin) return writeAtomically(out, (file) => fill(file), inputs);
  const files = [{ path: out, bytes: total, hasWeights: true }];
  const [bytes] = await writeWithDigests({ files, origin, inputs, signal, fill });
  return bytes!;
}

function groupOf(part: SafetensorsPart): SafetensorsGroup {
  return {
    parts: [part],
    async fill(write) {
      for await (const bytes of part.data()) await write(0, bytes);
    },
  };
}

interface GroupToWrite {
  readonly file: AtomicFile;
  readonly group: SafetensorsGroup;
  /** Bytes of each part. */
  readonly sizes: readonly number[];
  readonly digests: DigestRecorder | undefined;
  readonly signal: AbortSignal | undefined;
}

async function writeGroup({ file, group, sizes, digests, signal }: GroupToWrite): Promise<void> {
  throwIfCancelled(signal);
  let start = file.bytesWritten;
  const places = group.parts.map((part, i) => {
    const size = sizes[i]!;
    const record = digests?.tensor({ ...statedOf(part), offset: start, bytes: size });
    const place = { part, start, size, written: 0, record };
    start += size;
    return place;
  });
  const check = ({ part, size, written }: (typeof places)[number], isComplete: boolean): void => {
    if (isComplete ? written === size : written <= size) return;
    const message = said`${written} bytes were written where dtype and shape require ${size}.`;
    throw new QuantscopeError('INTERNAL', message, { file: file.target, tensor: part.name });
  };
  await group.fill(async (index, bytes) => {
    throwIfCancelled(signal);
    const place = places[index]!;
    const at = place.start + place.written;
    place.record?.(place.written, bytes);
    place.written += bytes.length;
    check(place, false);
    await file.writeAt(at, bytes);
  });
  for (const place of places) check(place, true);
}

const statedOf = ({ name, dtype, shape }: SafetensorsTensor): SafetensorsTensor => ({ name, dtype, shape });
