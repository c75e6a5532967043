import { createHash } from 'node:crypto';
import type { TensorDescriptor } from '../protocol/model';
import type { ByteSource } from './byteSource';
import { inParallel } from './inParallel';

/** Samples of a model's weights, over all of its files: 256 kilobytes, a few milliseconds where each read costs 0.1 ms. */
const modelSamples = 64;
/** Samples per file at least, however many files the model has. */
const leastSamples = 2;
/** Bytes of a sample: a page, the least that a disk reads. */
const sampleBytes = 4096;
/** Its multiples are spread evenly, and do not coincide with regular places. */
const goldenRatio = 0.618;
/** Concurrent reads, for network disks. */
const readsAtOnce = 16;

/**
 * SHA-256 of samples of a file's weights at places that follow from its layout: half of them spread evenly over the bytes, the
 * other half over the tensors, so that neither a large tensor nor many small ones hide a change.
 * @param tensors of the file. @param files of the model, which share the samples.
 */
export async function contentHash(
  source: ByteSource,
  tensors: readonly TensorDescriptor[],
  files: number,
  signal?: AbortSignal,
): Promise<string> {
  const count = Math.max(leastSamples, Math.floor(modelSamples / files));
  const places = samplePlaces(tensors, source.size, count);
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

/** Places inside the data that is present, ascending. */
function samplePlaces(tensors: readonly TensorDescriptor[], size: number, count: number): Place[] {
  const held = tensors
    .filter(({ offset, byteLength }) => byteLength > 0 && offset < size)
    .sort((a, b) => a.offset - b.offset);
  const [first, last] = [held[0], held.at(-1)];
  if (!first || !last) return [];
  const half = Math.ceil(count / 2);
  const [start, end] = [first.offset, Math.min(size, last.offset + last.byteLength)];
  const overBytes = Array.from({ length: half }, (_, i) => start + ((end - start) * (i + 0.5)) / half);
  const overTensors = Array.from({ length: count - half }, (_, i) => {
    const { offset, byteLength } = held[Math.floor((held.length * (i + 0.5)) / (count - half))]!;
    return offset + byteLength * ((goldenRatio * (i + 1)) % 1); // not where the samples over the bytes are
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
