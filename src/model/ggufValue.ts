import type { HeaderReader } from './headerReader';
import { maxArrayDepth, maxGgufString, maxHeldElements, maxShownElements } from './limits';
import { said } from '../protocol/said';

/** Value types of GGUF metadata (specification, gguf_metadata_value_type). */
export const ggufValueTypes = [
  'u8',
  'i8',
  'u16',
  'i16',
  'u32',
  'i32',
  'f32',
  'bool',
  'string',
  'array',
  'u64',
  'i64',
  'f64',
] as const;
export type GgufValueType = (typeof ggufValueTypes)[number];
type FixedType = Exclude<GgufValueType, 'string' | 'array'>;

export type GgufScalar = number | bigint | boolean | string;

/** An array in the file: its first elements, and all of one that is short enough to have one for each layer. */
export interface GgufArray {
  readonly elementType: GgufValueType;
  readonly length: number;
  readonly first: readonly GgufScalar[];
  readonly all?: readonly GgufScalar[];
}

export interface GgufValue {
  readonly type: GgufValueType;
  /** Absolute offset of the value (after its type) and its size: enough to copy it verbatim. */
  readonly offset: number;
  readonly byteLength: number;
  /** Scalars and strings. */
  readonly scalar?: GgufScalar;
  readonly array?: GgufArray;
}

export const ggufValueTypeId = (type: GgufValueType): number => ggufValueTypes.indexOf(type);

interface FixedLayout {
  readonly size: number;
  readonly read: (view: DataView) => GgufScalar;
}

const fixed: Readonly<Record<FixedType, FixedLayout>> = {
  u8: { size: 1, read: (view) => view.getUint8(0) },
  i8: { size: 1, read: (view) => view.getInt8(0) },
  u16: { size: 2, read: (view) => view.getUint16(0, true) },
  i16: { size: 2, read: (view) => view.getInt16(0, true) },
  u32: { size: 4, read: (view) => view.getUint32(0, true) },
  i32: { size: 4, read: (view) => view.getInt32(0, true) },
  f32: { size: 4, read: (view) => view.getFloat32(0, true) },
  bool: { size: 1, read: (view) => view.getUint8(0) !== 0 },
  u64: { size: 8, read: (view) => view.getBigUint64(0, true) },
  i64: { size: 8, read: (view) => view.getBigInt64(0, true) },
  f64: { size: 8, read: (view) => view.getFloat64(0, true) },
};

/**
 * Decodes UTF-8 text; damaged bytes become replacement characters, as a viewer should show them. A byte order mark is a character
 * like any other: some vocabularies have it as a token.
 */
const lenient = new TextDecoder('utf-8', { ignoreBOM: true });

export async function readValueType(reader: HeaderReader, what: string): Promise<GgufValueType> {
  const start = reader.offset;
  const id = await reader.u32(what);
  const type = ggufValueTypes[id];
  if (!type)
    throw reader.fail(
      said`The type of ${what} is ${id}; GGUF has types 0 to ${ggufValueTypes.length - 1}.`,
      start,
    );
  return type;
}

/** Reads one metadata value. Long arrays are walked, not kept: only their first elements are held. */
export async function readValue(reader: HeaderReader, key: string): Promise<GgufValue> {
  const what = `the value of "${key}"`;
  const type = await readValueType(reader, what);
  const offset = reader.offset;
  if (type === 'array') {
    const array = await readArray(reader, what, 1);
    return { type, offset, byteLength: reader.offset - offset, array };
  }
  const scalar = type === 'string' ? await readString(reader, what) : await readFixed(reader, type, what);
  return { type, offset, byteLength: reader.offset - offset, scalar };
}

async function readFixed(reader: HeaderReader, type: FixedType, what: string): Promise<GgufScalar> {
  const { size, read } = fixed[type];
  const bytes = await reader.bytes(size, what);
  return read(new DataView(bytes.buffer, bytes.byteOffset, size));
}

async function readString(reader: HeaderReader, what: string): Promise<string> {
  const length = await reader.count(`length of ${what}`, maxGgufString);
  return lenient.decode(await reader.bytes(length, what));
}

async function readArray(reader: HeaderReader, what: string, depth: number): Promise<GgufArray> {
  if (depth > maxArrayDepth) throw reader.fail(said`${what} nests arrays more than ${maxArrayDepth} deep.`);
  const elementType = await readValueType(reader, `the elements of ${what}`);
  const length = await reader.count(`array length of ${what}`, Number.MAX_SAFE_INTEGER);
  const held: GgufScalar[] = [];
  if (elementType === 'array') {
    for (let i = 0; i < length; i++) await readArray(reader, what, depth + 1);
  } else if (elementType === 'string') {
    await walkStrings(reader, what, length, held);
  } else {
    const kept = length <= maxHeldElements ? length : maxShownElements;
    const { size } = fixed[elementType];
    for (let i = 0; i < kept; i++) held.push(await readFixed(reader, elementType, what));
    reader.skip((length - kept) * size, `${what}, an array of ${length} elements`);
  }
  const first = held.slice(0, maxShownElements);
  return { elementType, length, first, ...(held.length === length ? { all: held } : {}) };
}

async function walkStrings(
  reader: HeaderReader,
  what: string,
  length: number,
  first: GgufScalar[],
): Promise<void> {
  const held = Math.min(length, maxShownElements);
  for (let i = 0; i < held; i++) first.push(await readString(reader, what));
  await reader.skipStrings(held, length, maxGgufString, what);
}

/** The whole value as a reader sees it: of an array, the elements that are held. */
export function showValue(value: GgufValue): string {
  if (!value.array) return showScalar(value.type, value.scalar ?? '');
  const { first, length, elementType } = value.array;
  const shown = first.map((item) => showElement(elementType, item)).join(', ');
  return `[${shown}${length > first.length ? ', …' : ''}]`;
}

/** An element of an array as a reader sees it: strings are quoted. */
export function showElement(type: GgufValueType, item: GgufScalar): string {
  return type === 'string' ? JSON.stringify(item) : showScalar(type, item);
}

const showScalar = (type: GgufValueType, item: GgufScalar): string =>
  type === 'f32' && typeof item === 'number' ? shortestFloat(item) : String(item);

/** The shortest decimal that is read back as the same float32: 0.00001, not 0.000009999999747378752. */
function shortestFloat(value: number): string {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return String(short);
  }
  return String(Number(value.toPrecision(9))); // nine digits tell any two apart; NaN and infinities as they are
}

/**
 * All elements of a stored array of strings or numbers, for callers that need them (an exporter, a test).
 * @param reader positioned anywhere; it is moved to the array.
 */
export function readArrayElements(reader: HeaderReader, value: GgufValue): Promise<readonly GgufScalar[]> {
  return readArrayPart(reader, value, 0, value.array?.length ?? 0);
}

/** Elements of such an array from `first`; fewer than `count` at its end. Earlier ones are skipped, not held. */
export async function readArrayPart(
  reader: HeaderReader,
  value: GgufValue,
  first: number,
  count: number,
): Promise<readonly GgufScalar[]> {
  if (!value.array) throw new TypeError('not an array');
  const { elementType, length } = value.array;
  if (elementType === 'array') throw new TypeError('arrays of arrays are not read');
  reader.offset = value.offset + 12; // element type and length
  const elements: GgufScalar[] = [];
  const end = Math.min(length, first + count);
  const skipped = Math.min(first, length);
  if (elementType === 'string') await reader.skipStrings(0, skipped, maxGgufString, 'an array');
  else reader.skip(skipped * fixed[elementType].size, 'an array');
  for (let i = first; i < end; i++) {
    if (elementType !== 'string') elements.push(await readFixed(reader, elementType, 'an array'));
    else elements.push(await readString(reader, 'an array'));
  }
  return elements;
}
