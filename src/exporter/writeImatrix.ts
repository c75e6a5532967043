import { extname } from 'node:path';
import { Readable } from 'node:stream';
import { QuantscopeError } from '../model/errors';
import type { KeyValue } from '../model/keyValue';
import { maxGgufName } from '../model/limits';
import { writeAtomically, type AtomicFile } from '../files/atomicFile';
import type { Inputs } from '../files/inputs';
import { layOutGguf, writeGguf, type GgufTensor } from './gguf/writer';
import { said } from '../protocol/said';

/** Sums over the inputs of one tensor's matrix multiplications. */
export interface ImatrixSums {
  /** Σ x² of each column, expert by expert [experts, columns]. */
  readonly sums: Float64Array;
  /** Rows of inputs that each expert got [experts]; a matrix without experts counts as one. */
  readonly counts: Float64Array;
}

/** An importance matrix as it was collected. */
export interface CollectedImatrix {
  /** By name of the weight tensor. */
  readonly entries: ReadonlyMap<string, ImatrixSums>;
  /** The text that it comes from. */
  readonly dataset: string;
  /** Chunks of text that were run. */
  readonly chunks: number;
  /** Tokens of a chunk. */
  readonly chunkSize: number;
}

type Entry = readonly [name: string, sums: ImatrixSums];

/**
 * Writes an importance matrix as llama.cpp's `llama-imatrix` does: in GGUF to a `.gguf` file, in the older format to a `.dat` file.
 * Values are float32, entries in the byte order of their names.
 * @param inputs files that the output must not replace.
 * @returns bytes of the file.
 * @throws QuantscopeError REQUEST for another extension, no entries, or an entry that the format cannot hold (named); IO.
 * @see https://github.com/ggml-org/llama.cpp tools/imatrix/imatrix.cpp (save_imatrix, save_imatrix_legacy)
 */
export async function writeImatrix(out: string, imatrix: CollectedImatrix, inputs?: Inputs): Promise<number> {
  const write = imatrixWriter(out);
  if (imatrix.entries.size === 0)
    throw new QuantscopeError('REQUEST', said`The importance matrix has no entries.`, { file: out });
  const entries = [...imatrix.entries].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  checkNumbers(imatrix, out);
  for (const entry of entries) checkEntry(entry, imatrix.chunkSize, out);
  return writeAtomically(out, (file) => write(file, entries, imatrix), inputs);
}

type ImatrixWriter = (
  file: AtomicFile,
  entries: readonly Entry[],
  imatrix: CollectedImatrix,
) => Promise<number>;

/** The writer of a file's format, by its extension. @throws QuantscopeError REQUEST for another one. */
export function imatrixWriter(out: string): ImatrixWriter {
  const write = writers.get(extname(out).toLowerCase());
  if (write) return write;
  const message = said`An importance matrix must be written to a .gguf or .dat file.`;
  throw new QuantscopeError('REQUEST', message, { file: out });
}

const writers: ReadonlyMap<string, ImatrixWriter> = new Map([
  ['.gguf', writeGgufImatrix],
  ['.dat', writeLegacyImatrix],
]);

/** Both formats are read with signed 32-bit numbers. */
const maxInt32 = 2 ** 31 - 1;

function checkNumbers({ chunks, chunkSize }: CollectedImatrix, file: string): void {
  const fits = (value: number, least: number): boolean =>
    Number.isInteger(value) && value >= least && value <= maxInt32;
  if (fits(chunks, 0) && fits(chunkSize, 1)) return;
  const message = said`${chunks} chunks of ${chunkSize} tokens cannot be stored in an importance matrix.`;
  throw new QuantscopeError('REQUEST', message, { file });
}

function checkEntry([name, { sums, counts }]: Entry, chunkSize: number, file: string): void {
  const refuse = (message: string): never => {
    throw new QuantscopeError('REQUEST', message, { file, tensor: name });
  };
  if (sums.length === 0 || counts.length === 0 || sums.length % counts.length !== 0)
    refuse(said`${sums.length} sums do not form whole rows for ${counts.length} experts.`);
  const sum = sums.findIndex((value) => !(value >= 0 && Number.isFinite(Math.fround(value))));
  if (sum >= 0) refuse(said`Sum ${sum} is ${sums[sum]!}, which is not a finite float32 of at least 0.`);
  const most = chunkSize * maxInt32;
  const count = counts.findIndex((value) => !(Number.isInteger(value) && value >= 0 && value <= most));
  if (count >= 0) refuse(said`Count ${count} is ${counts[count]!}, which is not a number of rows.`);
}

interface ImatrixTensor extends GgufTensor {
  readonly values: Float32Array;
}

/** Tensors NAME.in_sum2 [experts, columns] and NAME.counts [experts, 1]. */
async function writeGgufImatrix(
  file: AtomicFile,
  entries: readonly Entry[],
  imatrix: CollectedImatrix,
): Promise<number> {
  const tensors = entries.flatMap(([name, { sums, counts }]) => [
    tensorOf(`${name}.in_sum2`, counts.length, sums, file),
    tensorOf(`${name}.counts`, counts.length, counts, file),
  ]);
  const layout = layOutGguf(keyValues(imatrix), tensors);
  return writeGguf(file, layout, ({ values }) => Readable.from([bytesOf(values)]));
}

/** Bytes of a tensor's name that ggml reads, less the 0 at its end (GGML_MAX_NAME). */
const maxTensorName = 63;

function tensorOf(name: string, experts: number, values: Float64Array, file: AtomicFile): ImatrixTensor {
  if (Buffer.byteLength(name) > maxTensorName) {
    const message = said`llama.cpp reads names of at most ${maxTensorName} bytes; write a .dat file instead.`;
    throw new QuantscopeError('REQUEST', message, { file: file.target, tensor: name });
  }
  const floats = Float32Array.from(values);
  const shape = [experts, values.length / experts];
  return { name, shape, to: 'F32', bytes: floats.byteLength, values: floats };
}

function keyValues({ dataset, chunks, chunkSize }: CollectedImatrix): KeyValue[] {
  const values = dataset === '' ? [] : [dataset];
  return [
    { key: 'general.type', type: 'string', value: 'imatrix' },
    { key: 'imatrix.datasets', type: 'array', elementType: 'string', values },
    { key: 'imatrix.chunk_count', type: 'u32', value: chunks },
    { key: 'imatrix.chunk_size', type: 'u32', value: chunkSize },
  ];
}

/**
 * The older format (src/model/imatrix.ts reads it) has no counts: an entry has a number of calls, which is the number of chunks that the
 * rows of its busiest expert fill, rounded up, and mean squares times that. Experts without rows get 1 as their mean; an entry of which no
 * expert has any is left out.
 */
async function writeLegacyImatrix(
  file: AtomicFile,
  entries: readonly Entry[],
  { dataset, chunks, chunkSize }: CollectedImatrix,
): Promise<number> {
  const used = entries.filter(([, { counts }]) => counts.some((count) => count > 0));
  if (used.length === 0)
    throw new QuantscopeError('REQUEST', said`No entry of the importance matrix has any inputs.`, {
      file: file.target,
    });
  await file.write(i32(used.length));
  for (const [name, { sums, counts }] of used) {
    const text = Buffer.from(name);
    if (text.length > maxGgufName)
      throw new QuantscopeError(
        'REQUEST',
        said`A name has ${text.length} bytes; readers take at most ${maxGgufName}.`,
        {
          file: file.target,
        },
      );
    const calls = Math.ceil(counts.reduce((most, count) => Math.max(most, count), 0) / chunkSize);
    await file.write(Buffer.concat([i32(text.length), text, i32(calls), i32(sums.length)]));
    await file.write(bytesOf(timesCalls(sums, counts, calls)));
  }
  const text = Buffer.from(dataset);
  await file.write(Buffer.concat([i32(chunks), i32(text.length), text]));
  return file.bytesWritten;
}

/** Mean squares times calls, each operation in float32 as in llama-imatrix. */
function timesCalls(sums: Float64Array, counts: Float64Array, calls: number): Float32Array {
  const columns = sums.length / counts.length;
  return Float32Array.from(sums, (sum, i) => {
    const count = Math.fround(counts[Math.floor(i / columns)]!);
    const mean = count > 0 ? Math.fround(Math.fround(sum) / count) : 1;
    return mean * Math.fround(calls);
  });
}

const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

function i32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}
