import { createHash } from 'node:crypto';
import type { TensorDescriptor } from '../protocol/model';
import type { ByteSource } from './byteSource';
import type { CheckpointHeader } from './checkpointHeader';
import type { FileColumns } from './headerColumns';
import { inParallel } from './inParallel';

/** Samples of a model's weights, over all of its files: 256 kilobytes, a few milliseconds where each read costs 0.1 ms. */
const modelSamples = 64;
/** Samples per file at least, however many files the model has: a shard may be replaced alone. */
const leastSamples = 1;
/** Bytes of a sample: a page, the least that a disk reads. */
const sampleBytes = 4096;
/** Its multiples are spread evenly, and do not coincide with regular places. */
const goldenRatio = 0.618;
/** Concurrent reads, for network disks. */
const readsAtOnce = 16;

/** Where the tensors of a file are. */
export type PlacedTensors = Pick<CheckpointHeader, 'columns'> & {
  readonly tensors: readonly Pick<TensorDescriptor, 'offset' | 'byteLength'>[];
};

/**
 * SHA-256 of samples of a file's weights at places that follow from its layout: half of them spread evenly over the bytes, the
 * other half over the tensors, so that neither a large tensor nor many small ones hide a change. A single one is in the middle of the bytes.
 * @param header of the file. @param files of the model, which share the samples.
 */
export async function contentHash(
  source: ByteSource,
  header: PlacedTensors,
  files: number,
  signal?: AbortSignal,
): Promise<string> {
  const count = Math.max(leastSamples, Math.floor(modelSamples / files));
  const places = samplePlaces(heldBy(header, source.size), source.size, count);
  const hash = createHash('sha256');
  const samples = await inParallel(places, readsAtOnce, ({ offset, length }) =>
    source.read(offset, length, signal),
  );
  for (const bytes of samples) hash.update(bytes);
  return hash.digest('hex');
}

interface Place {
  readonly offset: number;
  readonly length: number;
}

/** Where the data of tensors is, ascending: of the tensor at an index the first byte, and the one after its last. */
interface Held {
  readonly begins: ArrayLike<number>;
  readonly ends: ArrayLike<number>;
}

/** The data of tensors that have some and of which some is present. */
function heldBy(header: PlacedTensors, size: number): Held {
  if (header.columns) return heldInRow(header.columns);
  const held = header.tensors
    .filter(({ offset, byteLength }) => byteLength > 0 && offset < size)
    .sort((a, b) => a.offset - b.offset);
  return {
    begins: held.map(({ offset }) => offset),
    ends: held.map(({ offset, byteLength }) => offset + byteLength),
  };
}

/** Data that lies in a row: that of an empty tensor begins where it ends. */
function heldInRow({ count, offsets }: FileColumns): Held {
  const [begins, ends] = [new Float64Array(count), new Float64Array(count)];
  let held = 0;
  for (let i = 0; i < count; i++) {
    const [begin, end] = [offsets[i]!, offsets[i + 1]!];
    if (begin === end) continue;
    begins[held] = begin;
    ends[held++] = end;
  }
  return { begins: begins.subarray(0, held), ends: ends.subarray(0, held) };
}

/** Places inside the data that is present, ascending. */
function samplePlaces({ begins, ends }: Held, size: number, count: number): Place[] {
  const { length } = begins;
  if (length === 0) return [];
  const half = Math.ceil(count / 2);
  const [start, end] = [begins[0]!, Math.min(size, ends[length - 1]!)];
  const overBytes = Array.from({ length: half }, (_, i) => start + ((end - start) * (i + 0.5)) / half);
  const overTensors = Array.from({ length: count - half }, (_, i) => {
    const at = Math.floor((length * (i + 0.5)) / (count - half));
    const byteLength = ends[at]! - begins[at]!;
    return begins[at]! + byteLength * ((goldenRatio * (i + 1)) % 1); // not where the samples over the bytes are
  });
  const pages = [...overBytes, ...overTensors].map(
    (middle) => Math.floor(middle / sampleBytes) * sampleBytes,
  );
  return [...new Set(pages)]
    .sort((a, b) => a - b)
    .map((page) => Math.max(page, start))
    .map((offset) => ({ offset, length: Math.min(sampleBytes, end - offset) }))
    .filter(({ length }) => length > 0);
}
