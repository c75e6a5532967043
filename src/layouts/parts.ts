import { QuantscopeError } from '../model/errors';
import { loadNative } from '../native';
import type { ScaleDtype } from '../protocol/grids';
import type { StoredPart, TensorDescriptor } from '../protocol/model';
import { said } from '../protocol/said';
import { spreadBytes, spreadColumns } from './spread';
import type { Found, ReadPart, StoredDescriptor } from './layout';

/** The parts of one module ("model.layers.0.mlp.up_proj"), by the end of their names ("qweight"). */
export type ModuleParts = ReadonlyMap<string, TensorDescriptor>;

/** Tensors by module, for names that end with a point and one of `ends`; a longer end wins. */
export function modulesOf(
  tensors: readonly TensorDescriptor[],
  ends: readonly string[],
): Map<string, Map<string, TensorDescriptor>> {
  const longestFirst = [...ends]
    .sort((a, b) => b.length - a.length)
    .map((end) => ({ end, suffix: `.${end}` }));
  const modules = new Map<string, Map<string, TensorDescriptor>>();
  for (const tensor of tensors) {
    const end = longestFirst.find(({ suffix }) => tensor.name.endsWith(suffix))?.end;
    if (end === undefined) continue;
    const module = tensor.name.slice(0, -end.length - 1);
    const parts = modules.get(module) ?? new Map<string, TensorDescriptor>();
    parts.set(end, tensor);
    modules.set(module, parts);
  }
  return modules;
}

/** The weights of the modules that `describe` recognises, each made of all parts of its module. */
export function findWeights(
  tensors: readonly TensorDescriptor[],
  ends: readonly string[],
  describe: (module: string, parts: ModuleParts) => TensorDescriptor | undefined,
): Found {
  const weights = [...modulesOf(tensors, ends)].flatMap(([module, parts]) => {
    const weight = describe(module, parts);
    return weight ? [{ weight, parts: [...parts.values()] }] : [];
  });
  return { weights, warnings: [] };
}

/**
 * Weights of a row that share a scale, the last of them fewer where they do not divide the row.
 * @param stated what config.json says: it counts where it gives so many groups.
 */
export function groupOf(columns: number, groups: number, stated: unknown): number {
  const size = typeof stated === 'number' && Number.isSafeInteger(stated) && stated > 0 ? stated : columns;
  return Math.ceil(columns / size) === groups ? size : Math.ceil(columns / groups);
}

/** Reads of the parts of one weight. */
export class PartReader {
  private readonly parts: ReadonlyMap<string, StoredPart>;

  constructor(
    { stored }: StoredDescriptor,
    private readonly read: ReadPart,
  ) {
    this.parts = new Map(stored.parts.map((part) => [part.role, part]));
  }

  has(role: string): boolean {
    return this.parts.has(role);
  }

  part(role: string): StoredPart {
    const part = this.parts.get(role);
    if (!part) throw new TypeError(`the weight has no part ${role}`);
    return part;
  }

  bytes(
    role: string,
    offset: number,
    length: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array<ArrayBuffer>> {
    return this.read(this.part(role), offset, length, signal);
  }

  /** `count` numbers of a part from `first` on, decoded by its dtype. */
  async floats(role: string, first: number, count: number, signal?: AbortSignal): Promise<Float32Array> {
    const { dtype, byteLength, shape } = this.part(role);
    const size = byteLength / shape.reduce((product, length) => product * length, 1);
    const values = new Float32Array(count);
    await loadNative().decode(
      dtype,
      await this.bytes(role, first * size, count * size, signal),
      values,
      signal,
    );
    return values;
  }

  /** The same of scales, for which U8 means E8M0. */
  async scales(role: string, first: number, count: number, signal?: AbortSignal): Promise<Float32Array> {
    if (this.scaleDtype(role) !== 'F8_E8M0') return this.floats(role, first, count, signal);
    return powersOfTwo(await this.bytes(role, first, count, signal));
  }

  /** Dtype of a part that holds scales. */
  scaleDtype(role: string): ScaleDtype {
    const { dtype } = this.part(role);
    return dtype === 'U8' ? 'F8_E8M0' : (dtype as ScaleDtype);
  }

  /** Columns `first` to `first + count` of a matrix of `columns` elements of `size` bytes: its rows, one after the other. */
  async columns(
    role: string,
    [rows, columns]: readonly [number, number],
    size: number,
    { first, count }: { readonly first: number; readonly count: number },
    signal?: AbortSignal,
  ): Promise<Uint8Array<ArrayBuffer>> {
    if (count === columns) return this.bytes(role, 0, rows * columns * size, signal);
    const bytes = new Uint8Array(rows * count * size);
    for (let row = 0; row < rows; row++) {
      const offset = (row * columns + first) * size;
      bytes.set(await this.bytes(role, offset, count * size, signal), row * count * size);
    }
    return bytes;
  }
}

/**
 * The codes of some rows that are packed along the row, b bits each, the least significant first, as a byte each.
 * @param words word w of row r is `words[r · perRow + w · perWord]`.
 * @returns `[rows, columns]`.
 */
export function unpackRows(
  words: Uint32Array,
  { perRow, perWord }: { readonly perRow: number; readonly perWord: number },
  bits: number,
  [rows, columns]: readonly [number, number],
): Uint8Array {
  const codes = new Uint8Array(rows * columns);
  const inWord = 32 / bits;
  if ([2, 4, 8].includes(bits) && columns % inWord === 0) {
    const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
    if (perWord === 1 && perRow === columns / inWord) {
      spreadBytes(bytes, codes, bits);
      return codes;
    }
    if (perRow === 1 && perWord === rows) {
      spreadColumns(bytes, codes, bits, rows);
      return codes;
    }
  }
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      codes[row * columns + column] = field(words, (word) => row * perRow + word * perWord, bits, column);
  return codes;
}

/** Field `index` of a dense stream of `bits` per field, least significant first. `words` starts at the stream's start. */
export function field(words: Uint32Array, at: (word: number) => number, bits: number, index: number): number {
  const start = index * bits;
  const [word, shift] = [start >>> 5, start & 31];
  const low = words[at(word)]! >>> shift;
  const high = shift + bits > 32 ? words[at(word + 1)]! << (32 - shift) : 0;
  return (low | high) & (2 ** bits - 1);
}

/** Columns `first` to `first + count` of the scales `[groups, out]` of a part, as `[count, groups]`. */
export async function scaleColumns(
  parts: PartReader,
  role: string,
  { first, count }: { readonly first: number; readonly count: number },
  signal?: AbortSignal,
): Promise<Float32Array> {
  const { dtype, shape, byteLength } = parts.part(role);
  const [groups = 0, out = 0] = shape;
  const bytes = await parts.columns(
    role,
    [groups, out],
    byteLength / (groups * out),
    { first, count },
    signal,
  );
  const stored = new Float32Array(groups * count);
  await loadNative().decode(dtype, bytes, stored, signal);
  return Float32Array.from({ length: stored.length }, (_, at) => {
    const [row, group] = [Math.floor(at / groups), at % groups];
    return stored[group * count + row]!;
  });
}

/** One warning about some tensors: about the first of them, which stands for all. @param sentence with the name and how many more there are. */
export function warningOf(names: readonly string[], sentence: (which: string) => string): string[] {
  const [first] = names;
  if (first === undefined) return [];
  return [sentence(names.length === 1 ? `"${first}"` : `"${first}" (and ${names.length - 1} more)`)];
}

/** Does something once, when it is first asked for; a failure is not kept. */
export function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () =>
    (result ??= work().catch((error: unknown) => {
      result = undefined;
      throw error;
    }));
}

/**
 * The group of each column as a part states it, which is read once; undefined where there is no such part, and where it says −1: columns are then
 * in order (compressed-tensors).
 * @returns what throws QuantscopeError MODEL_FILE for a group that is not there.
 */
export const columnGroups = (
  parts: PartReader,
  role: string,
  groups: number,
): (() => Promise<Int32Array | undefined>) =>
  once(() => (parts.has(role) ? readColumnGroups(parts, role, groups) : Promise.resolve(undefined)));

async function readColumnGroups(
  parts: PartReader,
  role: string,
  groups: number,
): Promise<Int32Array | undefined> {
  const { byteLength, file, name, offset } = parts.part(role);
  const found = new Int32Array((await parts.bytes(role, 0, byteLength)).buffer);
  if (found.includes(-1)) return undefined;
  const bad = found.findIndex((group) => group < 0 || group >= groups);
  if (bad < 0) return found;
  const message = said`Column ${bad} is in group ${found[bad]!}, but there are ${groups} groups.`;
  throw new QuantscopeError('MODEL_FILE', message, { file, tensor: name, offset: offset + 4 * bad });
}

/** The codes of bytes that hold two each, the low nibble first. */
export function lowNibbleFirst(bytes: Uint8Array): Uint8Array {
  const codes = new Uint8Array(2 * bytes.length);
  spreadBytes(bytes, codes, 4);
  return codes;
}

/** Powers of two that are stored as E8M0: 2^(code − 127); NaN for 255 (OCP Microscaling 1.0). */
const powersOfTwo = (codes: Uint8Array): Float32Array =>
  Float32Array.from(codes, (code) => (code === 255 ? NaN : 2 ** (code - 127)));

/** Rounds values to a half-precision dtype, in place; those that are not finite stay as they are. */
export async function rounded(values: Float32Array, to: 'F16' | 'BF16', signal?: AbortSignal): Promise<void> {
  const halves = new Uint8Array(2 * values.length);
  const recode = () => loadNative().recodeRows('F32', bytesOf(values), to, values.length, halves, { signal });
  const notFinite = new Map<number, number>();
  if (await recode()) {
    // Recoding stops at the first of them, with nothing of its block written.
    values.forEach((value, i) => Number.isFinite(value) || notFinite.set(i, value));
    for (const i of notFinite.keys()) values[i] = 0;
    await recode();
  }
  await loadNative().decode(to, halves, values, signal);
  for (const [i, value] of notFinite) values[i] = value;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);
