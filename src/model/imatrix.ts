import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { TensorDescriptor } from '../protocol/model';
import { said } from '../protocol/said';
import type { ByteSource } from './byteSource';
import { openSource } from './place';
import { QuantscopeError } from './errors';
import { readGguf, type GgufFile } from './gguf';
import { readArrayElements } from './ggufValue';
import { HeaderReader } from './headerReader';
import type { KeyValue } from './keyValue';
import { maxGgufName, maxImatrixDataset, maxImatrixEntries } from './limits';

/** An importance matrix: how much each input channel of each linear layer is used, as llama.cpp's `llama-imatrix` writes it. */
export interface Imatrix {
  /** The file it was read from. */
  readonly path: string;
  /**
   * By tensor name: mean of the squared inputs of each column, expert after expert (experts × columns). 1 where
   * an expert never got an input.
   */
  readonly entries: ReadonlyMap<string, Float32Array>;
  readonly datasets: readonly string[];
  /** Chunks of text that it was computed from; 0 when the file does not say. */
  readonly chunks: number;
}

/**
 * Reads an importance matrix, in GGUF or in the older format.
 * @throws QuantscopeError MODEL_FILE naming file and offset when it is damaged, IO when it cannot be read.
 */
export async function readImatrix(path: string, signal?: AbortSignal): Promise<Imatrix> {
  const source = await openSource(path);
  try {
    const magic = source.size < 4 ? '' : Buffer.from(await source.read(0, 4, signal)).toString('latin1');
    const imatrix =
      magic === 'GGUF' ? await readGgufImatrix(source, signal) : await readLegacy(source, signal);
    for (const [name, values] of imatrix.entries) checkValues(values, name, path);
    return imatrix;
  } finally {
    await source.close();
  }
}

function checkValues(values: Float32Array, name: string, path: string): void {
  const at = values.findIndex((value) => !(value >= 0 && Number.isFinite(value)));
  if (at < 0) return;
  const message = said`The importance ${at} is ${values[at]!}; it must be a number of at least 0.`;
  throw new QuantscopeError('MODEL_FILE', message, { file: path, tensor: name });
}

const sums = '.in_sum2';
const counts = '.counts';

/** Tensors `NAME.in_sum2` [experts, columns] and `NAME.counts` [experts, 1], both F32. */
async function readGgufImatrix(source: ByteSource, signal: AbortSignal | undefined): Promise<Imatrix> {
  const gguf = await readGguf(source, signal);
  if (gguf.metadata.get('general.type')?.scalar !== 'imatrix')
    throw new QuantscopeError('MODEL_FILE', said`The GGUF file is not an importance matrix (general.type).`, {
      file: source.path,
      offset: 0,
    });
  const byName = new Map(gguf.tensors.map((tensor) => [tensor.name, tensor]));
  const entries = new Map<string, Float32Array>();
  for (const tensor of gguf.tensors) {
    if (!tensor.name.endsWith(sums)) continue;
    const name = tensor.name.slice(0, -sums.length);
    const count = byName.get(name + counts);
    if (!count) throw damaged(source, said`The importance matrix lacks the counts of this tensor.`, tensor);
    entries.set(name, await meanOf(source, tensor, count, signal));
  }
  if (entries.size === 0)
    throw new QuantscopeError('MODEL_FILE', said`The importance matrix has no entries.`, {
      file: source.path,
    });
  return {
    path: source.path,
    entries,
    datasets: await datasetsOf(gguf, source, signal),
    chunks: Number(gguf.metadata.get('imatrix.chunk_count')?.scalar ?? 0),
  };
}

async function meanOf(
  source: ByteSource,
  sum: TensorDescriptor,
  count: TensorDescriptor,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const totals = await floatsOf(source, sum, signal);
  const calls = await floatsOf(source, count, signal);
  const columns = totals.length / calls.length;
  if (!Number.isInteger(columns) || sum.shape[sum.shape.length - 1] !== columns) {
    const message = said`There are ${calls.length} counts for sums of shape [${sum.shape.join(', ')}].`;
    throw damaged(source, message, count);
  }
  return totals.map((total, i) => {
    const made = calls[Math.floor(i / columns)] ?? 0;
    return made > 0 ? total / made : 1;
  });
}

async function floatsOf(
  source: ByteSource,
  tensor: TensorDescriptor,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  if (tensor.dtype !== 'F32')
    throw damaged(source, said`The dtype is ${tensor.dtype}; an importance matrix holds F32.`, tensor);
  const bytes = await source.read(tensor.offset, tensor.byteLength, signal);
  return new Float32Array(bytes.buffer, bytes.byteOffset, tensor.elements);
}

const damaged = (source: ByteSource, message: string, { name, offset }: TensorDescriptor): QuantscopeError =>
  new QuantscopeError('MODEL_FILE', message, { file: source.path, tensor: name, offset });

async function datasetsOf(
  { metadata }: GgufFile,
  source: ByteSource,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const value = metadata.get('imatrix.datasets');
  if (value?.array?.elementType !== 'string') return [];
  return (await readArrayElements(new HeaderReader(source, signal), value)).map(String);
}

/** Counts of the older format are signed 32-bit numbers. */
const maxInt32 = 2 ** 31 - 1;

/**
 * The older format, without a magic number: number of entries; for each the name's length, the name, calls, number of values,
 * sums; then, in newer files, the number of chunks, the dataset's length and its name.
 */
async function readLegacy(source: ByteSource, signal: AbortSignal | undefined): Promise<Imatrix> {
  const reader = new HeaderReader(source, signal);
  const entries = new Map<string, Float32Array>();
  const bounded = async (what: string, most: number): Promise<number> => {
    const start = reader.offset;
    const value = await reader.u32(what);
    if (value <= most) return value;
    throw reader.fail(
      said`The ${what} is ${value}; this is not an importance matrix, or it is damaged.`,
      start,
    );
  };
  const text = async (what: string, most: number): Promise<string> =>
    Buffer.from(await reader.bytes(await bounded(`length of ${what}`, most), what)).toString('utf8');
  const total = await bounded('number of entries', maxImatrixEntries);
  if (total === 0) throw reader.fail(said`The importance matrix has no entries.`, 0);
  for (let i = 0; i < total; i++) {
    const name = await text(`the name of entry ${i}`, maxGgufName);
    const calls = Math.fround(await bounded(`number of calls of ${name}`, maxInt32));
    const values = await bounded(`number of values of ${name}`, Math.floor(source.size / 4));
    if (values === 0) throw reader.fail(said`The entry has no values.`, reader.offset - 4, name);
    const bytes = await reader.bytes(4 * values, `values of ${name}`);
    const floats = new Float32Array(bytes.slice().buffer);
    entries.set(name, calls > 0 ? floats.map((value) => value / calls) : floats);
  }
  if (reader.offset >= source.size) return { path: source.path, entries, datasets: [], chunks: 0 };
  const chunks = await bounded('number of chunks', maxInt32);
  return { path: source.path, entries, datasets: [await text('the dataset', maxImatrixDataset)], chunks };
}

/**
 * Only the entries whose names contain one of the `include`d texts, or none of the `exclude`d ones.
 * @throws QuantscopeError REQUEST when both are given.
 */
export function selectImatrix(
  imatrix: Imatrix,
  { include = [], exclude = [] }: { include?: readonly string[]; exclude?: readonly string[] },
): Imatrix {
  if (include.length > 0 && exclude.length > 0)
    throw new QuantscopeError(
      'REQUEST',
      said`Importance can be either included or excluded by name, not both.`,
    );
  const has = (name: string, parts: readonly string[]): boolean => parts.some((part) => name.includes(part));
  const kept = [...imatrix.entries].filter(([name]) =>
    include.length > 0 ? has(name, include) : !has(name, exclude),
  );
  return { ...imatrix, entries: new Map(kept) };
}

/**
 * The importance weights of a tensor (experts × columns), or undefined when the matrix has none.
 * @throws QuantscopeError REQUEST when their number does not fit; those of a token embedding are left out instead, as
 * llama.cpp does.
 */
export function importanceOf(
  { entries, path }: Imatrix,
  name: string,
  columns: number,
  experts: number,
): Float32Array | undefined {
  const values = entries.get(name);
  if (!values || values.length === columns * experts) return values;
  if (/^(per_layer_)?token_embd\.weight$/.test(name)) return undefined;
  const message = said`The importance matrix has ${values.length} values, but the tensor needs ${columns * experts}: was it made for this model?`;
  throw new QuantscopeError('REQUEST', message, { file: path, tensor: name });
}

/** SHA-256 of the names and values, whatever file format they are stored in. */
export function imatrixHash({ entries }: Imatrix): string {
  const hash = createHash('sha256');
  for (const [name, values] of [...entries].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(JSON.stringify([name, values.length]));
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return hash.digest('hex');
}

/** What llama-quantize notes about the matrix in the file it writes; the file is named without its folder. */
export function imatrixKeyValues({ path, datasets, entries, chunks }: Imatrix): KeyValue[] {
  const text = (key: string, value: string): KeyValue => ({ key, type: 'string', value });
  const count = (key: string, value: number): KeyValue => ({ key, type: 'u32', value });
  return [
    text('quantize.imatrix.file', basename(path)),
    ...(datasets[0] === undefined ? [] : [text('quantize.imatrix.dataset', datasets[0])]),
    count('quantize.imatrix.entries_count', entries.size),
    ...(chunks > 0 ? [count('quantize.imatrix.chunks_count', chunks)] : []),
  ];
}
