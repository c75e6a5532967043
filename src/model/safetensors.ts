import { createHash } from 'node:crypto';
import type { MetadataEntry, TensorDescriptor } from '../protocol/model';
import { plural } from '../protocol/words';
import { said } from '../protocol/said';
import type { ByteSource } from './byteSource';
import type { CheckpointHeader } from './checkpointHeader';
import { bytesOf, elementsOf, safetensorsDtype, type Dtype } from './dtypes';
import { QuantscopeError } from './errors';
import { duplicateTopLevelKey, isRecord, JsonTextError, parseJson } from './json';
import { maxDimensions, maxSafetensorsHeader, maxTensors } from './limits';
import { jsonEntry } from './metadataEntries';
import { readability, truncationWarning } from './truncated';
import { HeaderDictionary, readHeaderColumns, tableOfFile } from './headerColumns';
import { stated } from './statedValue';
import { withTable } from './tabledModel';

/**
 * Reads the header of a safetensors file: 8 bytes of length, then JSON. No tensor data is read.
 * @param dictionary of the files that belong together.
 * @throws QuantscopeError MODEL_FILE naming file, tensor and byte offset when the file breaks the format's rules.
 * @see https://github.com/huggingface/safetensors (format)
 */
export async function readSafetensorsHeader(
  source: ByteSource,
  signal?: AbortSignal,
  dictionary = new HeaderDictionary(),
): Promise<CheckpointHeader> {
  const bytes = await readHeaderBytes(source, signal);
  const warnings: string[] = [];
  const known = readHeaderColumns(bytes, source, dictionary);
  const any = known ? undefined : readAny(bytes, source, warnings);
  const { metadata } = (known ?? any)!;
  if (known) warnUnused(known.columns.offsets.at(-1)!, source, warnings);
  const members = {
    fileMetadata: isRecord(metadata) ? metadata : {},
    metadata: metadataEntries(metadata, source, warnings),
    headerHash: createHash('sha256').update(bytes).digest('hex'),
    warnings,
  };
  return known
    ? withTable({ ...members, columns: known.columns }, () => tableOfFile(known.columns, source.path))
    : { ...members, tensors: any!.tensors };
}

/** `__metadata__` of a safetensors file; empty where it is absent or not an object. */
export async function readSafetensorsMetadata(
  source: ByteSource,
  signal?: AbortSignal,
): Promise<Record<string, unknown>> {
  const bytes = await readHeaderBytes(source, signal);
  const { [metadataKey]: metadata } = parseHeader(decodeUtf8(bytes, source), source);
  return isRecord(metadata) ? metadata : {};
}

const metadataKey = '__metadata__';

async function readHeaderBytes(source: ByteSource, signal?: AbortSignal): Promise<Uint8Array> {
  return source.read(8, await readHeaderLength(source, signal), signal);
}

/** The header by the general reader of JSON, which says what is wrong with it. Tensors are in the order of their data. */
function readAny(bytes: Uint8Array, source: ByteSource, warnings: string[]) {
  const header = parseHeader(decodeUtf8(bytes, source), source);
  const tensors: TensorDescriptor[] = [];
  for (const [name, value] of Object.entries(header))
    if (name !== metadataKey) tensors.push(describeEntry(name, value, source, 8 + bytes.length));
  if (tensors.length > maxTensors)
    throw fail(source, said`The header lists ${tensors.length} tensors; at most ${maxTensors} are read.`, 8);
  tensors.sort((a, b) => a.offset - b.offset || a.byteLength - b.byteLength);
  checkLayout(tensors, source, 8 + bytes.length, warnings);
  return { tensors, metadata: header[metadataKey] };
}

function fail(source: ByteSource, message: string, offset: number, tensor?: string): QuantscopeError {
  return new QuantscopeError('MODEL_FILE', message, {
    file: source.path,
    offset,
    ...(tensor === undefined ? {} : { tensor }),
  });
}

async function readHeaderLength(source: ByteSource, signal?: AbortSignal): Promise<number> {
  if (source.size < 8)
    throw fail(
      source,
      said`The file has ${source.size} bytes; a safetensors file starts with 8 bytes of header length.`,
      0,
    );
  const start = await source.read(0, Math.min(64, source.size), signal);
  if (Buffer.from(start).toString('latin1').startsWith('version https://git-lfs')) {
    throw fail(
      source,
      said`This is a Git LFS pointer, not the model: run "git lfs pull" to fetch the file.`,
      0,
    );
  }
  const length = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true);
  if (length > BigInt(maxSafetensorsHeader)) {
    throw fail(
      source,
      said`The stated header length of ${length} bytes exceeds ${maxSafetensorsHeader}: this is not a safetensors file, or it is damaged.`,
      0,
    );
  }
  if (length > BigInt(source.size - 8)) {
    throw fail(
      source,
      said`The header of ${length} bytes is cut off: the file has only ${source.size} bytes.`,
      0,
    );
  }
  return Number(length);
}

function decodeUtf8(bytes: Uint8Array, source: ByteSource): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new QuantscopeError(
      'MODEL_FILE',
      said`The header is not UTF-8 text.`,
      { file: source.path, offset: 8 },
      cause,
    );
  }
}

function parseHeader(text: string, source: ByteSource): Record<string, unknown> {
  const offsetOf = (index: number): number => 8 + Buffer.byteLength(text.slice(0, index));
  let header: unknown;
  try {
    header = parseJson(text);
  } catch (cause) {
    if (!(cause instanceof JsonTextError)) throw cause;
    throw fail(source, said`The header is not JSON: ${cause.message}.`, offsetOf(cause.index));
  }
  if (!isRecord(header)) throw fail(source, said`The header is not a JSON object.`, 8);
  const duplicate = duplicateTopLevelKey(text);
  if (duplicate)
    throw fail(source, said`The header lists a tensor twice.`, offsetOf(duplicate.index), duplicate.key);
  return header;
}

/** Where a tensor is and what it is, as a header says. */
interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Bytes from the start of the data. */
  readonly begin: number;
  readonly end: number;
}

/** Checks what the general reader found. */
function describeEntry(
  name: string,
  value: unknown,
  source: ByteSource,
  dataStart: number,
): TensorDescriptor {
  const bad = (message: string): QuantscopeError => fail(source, message, 8, name);
  if (!isRecord(value)) throw bad(said`The header entry is not an object.`);
  const { dtype, shape, data_offsets: range } = value;
  if (typeof dtype !== 'string') throw bad(said`The header entry has no dtype.`);
  if (!isSizes(shape) || shape.length > maxDimensions)
    throw bad(said`The "shape" ${stated(shape)}; a list of at most ${maxDimensions} sizes is needed.`);
  if (!isSizes(range) || range.length !== 2)
    throw bad(said`"data_offsets" ${stated(range)}; two byte offsets are needed.`);
  const [begin = 0, end = 0] = range;
  return describeTensor(name, { dtype, shape, begin, end }, source, dataStart);
}

function describeTensor(
  name: string,
  { dtype, shape, begin, end }: Entry,
  source: ByteSource,
  dataStart: number,
): TensorDescriptor {
  const bad = (message: string): QuantscopeError => fail(source, message, dataStart + begin, name);
  if (end < begin) throw bad(said`The data ends at ${end}, before it begins at ${begin}.`);
  const elements = elementsOf(shape);
  if (elements === undefined)
    throw bad(said`The shape [${shape.join(', ')}] has more weights than can be counted exactly.`);
  const known = safetensorsDtype(dtype);
  const expected = known && bytesOf(known, elements);
  const byteLength = end - begin;
  if (expected !== undefined && expected !== byteLength) {
    throw bad(
      said`${dtype} [${shape.join(', ')}] needs ${expected} bytes, but the header gives it ${byteLength}.`,
    );
  }
  const offset = dataStart + begin;
  const tensor = { name, dtype, shape, elements, file: source.path, offset, byteLength, readable: true };
  if (known?.decodable && offset + byteLength <= source.size) return tensor;
  return { ...tensor, ...readability(offset, byteLength, source.size, undecodable(dtype, known)) };
}

function undecodable(dtype: string, known: Dtype | undefined): string | undefined {
  if (known?.decodable) return undefined;
  return known ? `${dtype} cannot be decoded yet.` : `${dtype} is not a known dtype.`;
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && (item as number) >= 0);
}

/** Tensors, by offset, must tile the data: no overlap and no gap. Bytes left over at the end only cause a warning. */
function checkLayout(
  tensors: readonly TensorDescriptor[],
  source: ByteSource,
  dataStart: number,
  warnings: string[],
): void {
  let end = dataStart;
  for (const tensor of tensors) {
    if (tensor.offset < end)
      throw fail(source, said`The data overlaps that of another tensor.`, tensor.offset, tensor.name);
    if (tensor.offset > end)
      throw fail(
        source,
        said`There is a gap of ${tensor.offset - end} bytes before the data.`,
        end,
        tensor.name,
      );
    end = tensor.offset + tensor.byteLength;
  }
  warnUnused(end, source, warnings);
  for (const warning of truncationWarning(tensors, source.size)) warnings.push(warning);
}

/** @param end of the data. */
function warnUnused(end: number, source: ByteSource, warnings: string[]): void {
  if (end < source.size)
    warnings.push(said`Unused after the last tensor: ${plural(source.size - end, 'byte')}.`);
}

function metadataEntries(value: unknown, source: ByteSource, warnings: string[]): MetadataEntry[] {
  if (value === undefined) return [];
  if (!isRecord(value)) {
    warnings.push(said`__metadata__ is not an object and is not shown.`);
    return [];
  }
  const name = source.path.replace(/^.*[\\/]/, '');
  return Object.entries(value).map(([key, item]) =>
    jsonEntry(key, item, name, typeof item === 'string' ? 'string' : 'json'),
  );
}
