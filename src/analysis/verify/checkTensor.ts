import { ChunkDigests, digestBytes } from '../../files/digests/chunkDigests';
import type { ByteSource } from '../../model/byteSource';
import { dtypeNamed } from '../../model/dtypes';
import { throwIfCancelled } from '../../model/errors';
import { readElements } from '../../model/strides';
import { loadNative } from '../../native';
import type { Fault } from '../../protocol/verify';
import { said } from '../../protocol/said';
import type { Faults } from './faults';
import { firstNotFinite, firstSaturatedBlock } from './scales';

/** A tensor to check, as the header or the list of digests states it. */
export interface CheckedTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly bytes: number;
  readonly strides?: readonly number[];
  /** Digests of its chunks; absent where none were written. */
  readonly chunks?: Uint8Array | undefined;
}

export interface TensorCheck {
  readonly source: ByteSource;
  readonly chunkBytes: number;
  readonly faults: Faults;
  readonly signal?: AbortSignal | undefined;
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/** Bytes of one read, at most. */
const slabBytes = 4 * 1024 * 1024;

/** Reads a tensor once: compares the digests of its chunks, and looks for values and scales that are not finite, or saturated. */
export async function checkTensor(tensor: CheckedTensor, check: TensorCheck): Promise<void> {
  const { source, chunkBytes, faults, signal, onBytes } = check;
  const unit = blockBytesOf(tensor.dtype);
  const step = Math.max(1, Math.floor(slabBytes / unit)) * unit;
  const end = tensor.strides
    ? tensor.bytes
    : Math.min(tensor.bytes, Math.max(0, source.size - tensor.offset));
  const digests = new ChunkDigests(chunkBytes);
  const buffer = new Uint8Array(Math.min(step, end));
  let isFinite = true;
  for (let at = 0; at < end; at += step) {
    throwIfCancelled(signal);
    const slab = buffer.subarray(0, Math.min(step, end - at));
    await readElements(source, tensor, at, slab, signal);
    if (tensor.chunks) digests.add(slab);
    const fault: Fault | undefined = isFinite ? await valueFault(tensor, at, slab, check) : undefined;
    if (fault) faults.add(fault);
    isFinite &&= fault === undefined;
    onBytes?.(slab.length);
  }
  for (const fault of chunkFaults(tensor, digests.finish(), check)) faults.add(fault);
}

/** Bytes of a block; of a number where the dtype has no blocks; 1 where it is not known or numbers share a byte. */
function blockBytesOf(dtype: string): number {
  const bits = dtypeNamed(dtype)?.bitsPerBlock ?? 8;
  return bits % 8 === 0 ? bits / 8 : 1;
}

const faultMessages = {
  scale: { saturated: said`A scale is saturated (±65504).`, notFinite: said`A scale is not finite.` },
  value: { saturated: said`A value is saturated (±65504).`, notFinite: said`A value is not finite.` },
} as const;

/** The first value or scale of a slab that is not finite, or a saturated scale. */
async function valueFault(
  { name, dtype, offset }: CheckedTensor,
  at: number,
  slab: Uint8Array,
  { source, signal }: TensorCheck,
): Promise<Fault | undefined> {
  const known = dtypeNamed(dtype);
  const size = blockBytesOf(dtype);
  if (!known || slab.length % size !== 0) return undefined;
  const isChecked = known.decodable && known.float;
  const bad = isChecked ? await loadNative().checkBlocks(dtype, slab, signal) : undefined;
  const notFinite = bad ? Math.floor(bad.index / known.block) : firstNotFinite(dtype, slab);
  const index = notFinite ?? firstSaturatedBlock(dtype, slab, size);
  if (index === undefined) return undefined;
  const block = at / size + index;
  return {
    ...{ kind: 'values', file: source.path, tensor: name, offset: offset + block * size, bytes: size },
    blocks: { first: block, last: block },
    message:
      faultMessages[known.block > 1 ? 'scale' : 'value'][notFinite === undefined ? 'saturated' : 'notFinite'],
  };
}

/** The ranges of chunks whose digests differ from those that were written. */
function chunkFaults(tensor: CheckedTensor, found: Uint8Array, { source, chunkBytes }: TensorCheck): Fault[] {
  const { chunks: expected, bytes } = tensor;
  if (!expected) return [];
  const ranges: { first: number; end: number }[] = [];
  for (let chunk = 0; chunk * chunkBytes < bytes; chunk++) {
    const [from, to] = [chunk * digestBytes, (chunk + 1) * digestBytes];
    if (Buffer.compare(expected.subarray(from, to), found.subarray(from, to)) === 0) continue;
    const last = ranges.at(-1);
    if (last?.end === chunk) last.end += 1;
    else ranges.push({ first: chunk, end: chunk + 1 });
  }
  return ranges.map(({ first, end }) => {
    const start = first * chunkBytes;
    const length = Math.min(end * chunkBytes, bytes) - start;
    const isMissing = tensor.offset + start + length > source.size;
    return {
      ...{ kind: 'bytes', file: source.path, tensor: tensor.name, offset: tensor.offset + start },
      ...{ bytes: length, blocks: blocksOf(tensor, start, length) },
      message: isMissing
        ? said`Bytes are missing: the file ends before them.`
        : said`Bytes differ from those written.`,
    };
  });
}

function blocksOf({ dtype }: CheckedTensor, start: number, length: number): NonNullable<Fault['blocks']> {
  const size = blockBytesOf(dtype);
  return { first: Math.floor(start / size), last: Math.ceil((start + length) / size) - 1 };
}
