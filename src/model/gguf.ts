import type { TensorDescriptor } from '../protocol/model';
import { said } from '../protocol/said';
import type { ByteSource } from './byteSource';
import { bytesOf, elementsOf, foreignTypeReason, ggmlType, ggmlTypeName, type GgmlType } from './dtypes';
import { readValue, type GgufValue } from './ggufValue';
import { HeaderReader } from './headerReader';
import { readability, truncationWarning } from './truncated';
import { maxDimensions, maxGgufAlignment, maxGgufKeys, maxGgufName, maxTensors } from './limits';

export interface GgufFile {
  readonly version: number;
  /** In the file's order. */
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** In the file's order. */
  readonly tensors: readonly TensorDescriptor[];
  readonly alignment: number;
  /** Absolute offset at which tensor data starts. */
  readonly dataOffset: number;
  readonly headerHash: string;
  readonly warnings: readonly string[];
}

/** A tensor info is at least: name length 8, name 1, dimensions 4, one dimension 8, type 4, offset 8. */
const minTensorInfo = 33;
/** A key-value is at least: key length 8, key 1, type 4, value 1. */
const minKeyValue = 14;

/**
 * Reads the header of a GGUF file, version 2 or 3, little-endian. No tensor data is read; long arrays are walked, not held.
 * @throws QuantscopeError MODEL_FILE naming file, tensor and byte offset when the file breaks the format's rules.
 * @see https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
export async function readGguf(source: ByteSource, signal?: AbortSignal): Promise<GgufFile> {
  const reader = new HeaderReader(source, signal, true);
  const version = await readMagicAndVersion(reader, source);
  const tensorCount = await boundedCount(reader, 'number of tensors', maxTensors, minTensorInfo, source.size);
  const keyCount = await boundedCount(reader, 'number of key-values', maxGgufKeys, minKeyValue, source.size);
  const damaged: string[] = [];
  const metadata = await readMetadata(reader, keyCount, damaged);
  const infos = await readTensorInfos(reader, tensorCount);
  const alignment = alignmentOf(metadata, reader);
  const dataOffset = Math.ceil(reader.offset / alignment) * alignment;
  const offsets = infos.map((info) => info.dataOffset).sort((a, b) => a - b);
  const place = { start: dataOffset, alignment, offsets };
  const tensors = infos.map((info) => describe(info, place, source, reader));
  checkOverlaps(tensors, reader);
  const warnings = [...damaged, ...truncationWarning(tensors, source.size)];
  const headerHash = await reader.digest();
  return { version, metadata, tensors, alignment, dataOffset, headerHash, warnings };
}

async function readMagicAndVersion(reader: HeaderReader, source: ByteSource): Promise<number> {
  if (source.size === 0) throw reader.fail(said`The file is empty.`);
  const magic = Buffer.from(await reader.bytes(4, 'the magic number')).toString('latin1');
  if (magic !== 'GGUF')
    throw reader.fail(said`The file does not start with "GGUF" but with ${JSON.stringify(magic)}.`, 0);
  const version = await reader.u32('the version');
  if (version === 2 || version === 3) return version;
  if (version === 1)
    throw reader.fail(
      said`GGUF version 1 is not supported; convert the file to version 3 with llama.cpp.`,
      4,
    );
  const swapped = (version & 0xffff) === 0 && version !== 0;
  throw reader.fail(
    swapped
      ? said`The file is big-endian GGUF, which cannot be read.`
      : said`GGUF version ${version} is not supported.`,
    4,
  );
}

async function boundedCount(
  reader: HeaderReader,
  what: string,
  cap: number,
  itemBytes: number,
  size: number,
): Promise<number> {
  const start = reader.offset;
  const count = await reader.count(what, cap);
  if (count * itemBytes > size) {
    throw reader.fail(said`The ${what} is ${count}, which a file of ${size} bytes cannot hold.`, start);
  }
  return count;
}

/** Names and keys must be exact text: what cannot be decoded cannot be requested. */
async function readName(reader: HeaderReader, what: string): Promise<string> {
  const start = reader.offset;
  const length = await reader.count(`length of ${what}`, maxGgufName);
  const bytes = await reader.bytes(length, what);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw reader.fail(said`${what} is not UTF-8 text.`, start);
  }
}

async function readMetadata(
  reader: HeaderReader,
  count: number,
  warnings: string[],
): Promise<Map<string, GgufValue>> {
  const metadata = new Map<string, GgufValue>();
  let damaged = 0;
  for (let i = 0; i < count; i++) {
    const start = reader.offset;
    const key = await readName(reader, `key ${i + 1} of ${count}`);
    if (metadata.has(key)) throw reader.fail(said`The key "${key}" appears twice.`, start);
    const value = await readValue(reader, key);
    metadata.set(key, value);
    const texts = value.array ? value.array.first : [value.scalar];
    if (texts.some((text) => typeof text === 'string' && text.includes('\ufffd'))) damaged += 1;
  }
  if (damaged > 0) warnings.push(said`${damaged} metadata values hold text that is not valid UTF-8.`);
  return metadata;
}

interface TensorInfo {
  readonly name: string;
  readonly shape: readonly number[];
  readonly typeId: number;
  /** Relative to the start of the data. */
  readonly dataOffset: number;
  /** Where the info is in the header. */
  readonly at: number;
}

async function readTensorInfos(reader: HeaderReader, count: number): Promise<TensorInfo[]> {
  const infos: TensorInfo[] = [];
  const names = new Set<string>();
  for (let i = 0; i < count; i++) {
    const at = reader.offset;
    const name = await readName(reader, `the name of tensor ${i + 1} of ${count}`);
    if (names.has(name)) throw reader.fail(said`The tensor is listed twice.`, at, name);
    names.add(name);
    const dimensions = await reader.u32('the number of dimensions');
    if (dimensions > maxDimensions)
      throw reader.fail(
        said`The tensor has ${dimensions} dimensions; at most ${maxDimensions} are allowed.`,
        at,
        name,
      );
    const shape: number[] = [];
    for (let d = 0; d < dimensions; d++)
      shape.unshift(await reader.count('size of a dimension', Number.MAX_SAFE_INTEGER));
    const typeId = await reader.u32('the tensor type');
    const dataOffset = await reader.count('offset of the tensor data', Number.MAX_SAFE_INTEGER);
    infos.push({ name, shape, typeId, dataOffset, at });
  }
  return infos;
}

function alignmentOf(metadata: ReadonlyMap<string, GgufValue>, reader: HeaderReader): number {
  const value = metadata.get('general.alignment');
  if (!value) return 32;
  const alignment = Number(value.scalar);
  const valid =
    Number.isInteger(alignment) &&
    alignment > 0 &&
    (alignment & (alignment - 1)) === 0 &&
    alignment <= maxGgufAlignment;
  if (!valid)
    throw reader.fail(
      said`general.alignment is ${String(value.scalar)}; it must be a power of two.`,
      value.offset,
    );
  return alignment;
}

/** Where data lies in a file. */
interface DataPlace {
  /** Where data begins, absolute. */
  readonly start: number;
  readonly alignment: number;
  /** Offsets of all tensors from `start`, ascending. */
  readonly offsets: readonly number[];
}

function describe(
  info: TensorInfo,
  place: DataPlace,
  source: ByteSource,
  reader: HeaderReader,
): TensorDescriptor {
  const { name, shape, typeId } = info;
  const elements = elementsOf(shape);
  const bad = (message: string): Error => reader.fail(message, info.at, name);
  if (elements === undefined)
    throw bad(said`The shape [${shape.join(', ')}] has more weights than can be counted exactly.`);
  if (info.dataOffset % place.alignment !== 0)
    throw bad(
      said`The data offset ${info.dataOffset} is not a multiple of the alignment ${place.alignment}.`,
    );
  const offset = place.start + info.dataOffset;
  const type = ggmlType(typeId);
  const byteLength = type ? sizeByType(type, shape, elements, bad) : sizeByOffsets(info, place, source.size);
  if (!Number.isSafeInteger(offset + byteLength))
    throw bad(said`The data offset ${info.dataOffset} is more than a file can have.`);
  const dtype = ggmlTypeName(typeId);
  const unknown = type ? undecodable(type) : foreignTypeReason(typeId);
  return {
    ...{ name, dtype, shape, elements, file: source.path, offset, byteLength },
    ...readability(offset, byteLength, source.size, unknown),
  };
}

const undecodable = ({ name, decodable }: GgmlType): string | undefined =>
  decodable ? undefined : `${name} cannot be decoded yet.`;

function sizeByType(
  type: GgmlType,
  shape: readonly number[],
  elements: number,
  bad: (message: string) => Error,
): number {
  const columns = shape[shape.length - 1] ?? 1;
  const bytes = columns % type.block === 0 ? bytesOf(type, elements) : undefined;
  if (bytes !== undefined) return bytes;
  throw bad(
    said`The row length (${columns}) is not a multiple of the block size of ${type.name} (${type.block}).`,
  );
}

/** Up to the next tensor or the end of the file: padding is included, as nothing says where it begins. */
function sizeByOffsets({ dataOffset }: TensorInfo, { start, offsets }: DataPlace, fileSize: number): number {
  const next = offsets[indexAfter(offsets, dataOffset)] ?? fileSize - start;
  return Math.max(0, next - dataOffset);
}

/** Index of the first of ascending numbers that is greater than `value`. */
function indexAfter(numbers: readonly number[], value: number): number {
  let [low, high] = [0, numbers.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle]! > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

function checkOverlaps(tensors: readonly TensorDescriptor[], reader: HeaderReader): void {
  const sorted = [...tensors].sort((a, b) => a.offset - b.offset);
  let end = 0;
  for (const tensor of sorted) {
    if (tensor.offset < end)
      throw reader.fail(said`The data overlaps that of another tensor.`, tensor.offset, tensor.name);
    end = tensor.offset + tensor.byteLength;
  }
}
