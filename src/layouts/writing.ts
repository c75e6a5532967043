import { elementsOf } from '../model/dtypes';
import { QuantscopeError } from '../model/errors';
import { loadNative } from '../native';
import { matrixOf } from '../model/rows';
import type { Grid, ScaleDtype } from '../protocol/grids';
import { said } from '../protocol/said';
import { floatValues } from '../quant/grids/levels';
import type { QuantizedRows } from '../quant/quantized';
import type { RareMember, StoredTensor, WrittenModel, WrittenWeight } from './layout';

/** Receives the bytes of each part, in any pieces, each part in order. */
export type WritePart = (part: number, bytes: Uint8Array) => Promise<void>;

/** "model.layers.0.mlp.up_proj" of the weight "model.layers.0.mlp.up_proj.weight". */
export const moduleOf = ({ name }: Pick<WrittenWeight, 'name'>): string => name.replace(/\.weight$/, '');

/** A tensor of a weight's module: its name ends with `end`. */
export const partOf = (
  weight: WrittenWeight,
  end: string,
  dtype: string,
  shape: readonly number[],
): StoredTensor => ({ name: `${moduleOf(weight)}.${end}`, dtype, shape });

export const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);

/** Bits of the integer codes of a grid; undefined for other levels. */
export const integerBits = ({ levels }: Grid): number | undefined =>
  levels.kind === 'integer' ? levels.bits : undefined;

/** Whether codes are integers around 0 without zero points. */
export const isSymmetric = ({ levels, zero }: Grid): boolean =>
  levels.kind === 'integer' && levels.signed && zero === undefined;

/** Rare members of a grid: whether it has them, and what a layout without a place for them lacks. */
const rareMembers: Readonly<Record<RareMember, readonly [has: (grid: Grid) => boolean, lacking: string]>> = {
  bias: [({ levels }) => levels.kind === 'float' && hasOwnBias(levels), said`floats of another bias`],
  double: [({ double }) => double !== undefined, said`scales that are quantized themselves`],
  global: [({ global }) => global !== undefined, said`a scale of the tensor on top of those of groups`],
  outliers: [({ outliers }) => outliers === true, said`columns in half precision`],
  perScale: [({ perScale = 1 }) => perScale !== 1, said`scales of several codes`],
};

const hasOwnBias = ({ exponent, bias }: Extract<Grid['levels'], { kind: 'float' }>): boolean =>
  bias !== undefined && bias !== 2 ** (exponent - 1) - 1;

/** Why a weight cannot be stored in a layout that has a place for these members only; undefined where it can. */
export function refuseRareMembers(
  { grid }: WrittenWeight,
  held: readonly RareMember[] = [],
): string | undefined {
  const found = Object.entries(rareMembers).find(
    ([member, [has]]) => !held.includes(member as RareMember) && has(grid),
  );
  return found && said`the layout has no place for ${found[1][1]}`;
}

/** Why a weight cannot be stored as a matrix of such groups; undefined where it can. */
export function refuseGroups({ shape, grid }: WrittenWeight, allowed: 'row' | 'groups'): string | undefined {
  const { group } = grid;
  if (shape.length !== 2) return said`it has ${shape.length} dimensions, but only matrices are stored`;
  if (group === 'row') return undefined;
  if (allowed === 'row') return said`the layout has one scale for each row`;
  if (typeof group !== 'number') return 'the layout has groups of consecutive weights of a row';
  return shape[1]! % group === 0
    ? undefined
    : said`groups of ${group} do not divide rows of ${shape[1]!} weights`;
}

/** Weights of a row that share a scale, for grids that `refuseGroups` accepts. */
export const groupSize = ({ grid: { group }, shape }: WrittenWeight): number =>
  typeof group === 'number' ? group : matrixOf(shape).columns;

/** Integer codes without a sign, as layouts pack them: signed ones plus 2^(bits−1). */
export function fieldsOf({ grid: { levels }, codes }: QuantizedRows): Uint8Array {
  if (levels.kind !== 'integer') throw new TypeError('only integers are packed as fields');
  if (!levels.signed) return codes;
  const middle = 2 ** (levels.bits - 1);
  const mask = 2 ** levels.bits - 1;
  return codes.map((code) => (code + middle) & mask);
}

/** Zero points to subtract from `fieldsOf`, one for each group; the middle of the codes where the grid has none. */
export function zeroFields({ grid: { levels }, zeros, scales }: QuantizedRows): Uint8Array {
  if (levels.kind !== 'integer') throw new TypeError('only integers have zero points');
  const middle = levels.signed ? 2 ** (levels.bits - 1) : 0;
  return Uint8Array.from({ length: scales.length }, (_, group) => (zeros?.[group] ?? 0) + middle);
}

/** Where fields are packed: word w of line l is `words[l · perLine + w · perWord]`. */
export interface Packed {
  readonly words: Uint32Array;
  readonly perLine: number;
  readonly perWord: number;
}

/**
 * Packs lines of fields into dense streams of b bits each, the least significant first.
 * @param fields `[lines, length]`.
 * @param first line of the first one.
 */
export function packLines(
  fields: Uint8Array,
  length: number,
  bits: number,
  { words, perLine, perWord }: Packed,
  first = 0,
): void {
  for (let at = 0, line = first * perLine; at < fields.length; at += length, line += perLine)
    for (let i = 0, start = 0; i < length; i++, start += bits) {
      const [word, shift] = [line + (start >>> 5) * perWord, start & 31];
      const field = fields[at + i]!;
      words[word]! |= field << shift;
      if (shift + bits > 32) words[word + perWord]! |= field >>> (32 - shift);
    }
}

/** Adds the rows of a slab `[rows, length]`, transposed, to a matrix `[length, out]`. @param first output. */
export function transposeInto<T extends Uint8Array | Float32Array>(
  target: T,
  out: number,
  slab: T,
  rows: number,
  first: number,
): void {
  const length = slab.length / rows;
  for (let row = 0; row < rows; row++)
    for (let i = 0; i < length; i++) target[i * out + first + row] = slab[row * length + i]!;
}

/** Scales as bytes of a dtype that holds them exactly. @throws RangeError for one that it does not hold. */
export async function scaleBytes(values: Float32Array, dtype: ScaleDtype): Promise<Uint8Array> {
  if (dtype === 'F32') return bytesOf(values);
  if (dtype === 'F8_E8M0') return Uint8Array.from(values, exponentOf);
  if (dtype === 'F8_E4M3') return Uint8Array.from(values, smallFloatOf);
  const bytes = new Uint8Array(2 * values.length);
  await loadNative().recodeRows('F32', bytesOf(values), dtype, values.length, bytes);
  return bytes;
}

/** The code of a power of two as E8M0 (OCP Microscaling 1.0). */
function exponentOf(value: number): number {
  if (value === 0) return 0; // the least: all weights of the group are 0, whatever they are scaled by
  const code = Number.isNaN(value) ? 255 : Math.log2(value) + 127;
  if (!Number.isInteger(code)) throw new RangeError(`the scale ${value} is not a power of two`);
  return code;
}

const smallFloats = new Map(
  [...floatValues({ kind: 'float', exponent: 4, mantissa: 3, special: 'nan' })].map((value, code) => [
    value,
    code,
  ]),
).set(0, 0);

function smallFloatOf(value: number): number {
  const code = smallFloats.get(value);
  if (code === undefined) throw new RangeError(`the scale ${value} is not a float of 8 bits (E4M3)`);
  return code;
}

/** The name of a dtype in PyTorch. @throws QuantscopeError UNSUPPORTED for one that weights are not computed in. */
export function torchDtype(dtype: string): string {
  const name = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' }[dtype];
  if (name !== undefined) return name;
  throw new QuantscopeError('UNSUPPORTED', said`Weights of the dtype ${dtype} cannot be described.`);
}

/** What most values are; the first of them where there are several. `undefined` for none. */
export function mostFrequent<T>(values: readonly T[], key: (value: T) => string): T | undefined {
  const counts = new Map<string, { readonly value: T; count: number }>();
  for (const value of values) {
    const found = counts.get(key(value));
    if (found) found.count += 1;
    else counts.set(key(value), { value, count: 1 });
  }
  return [...counts.values()].reduce<{ readonly value: T; count: number } | undefined>(
    (best, item) => (best && best.count >= item.count ? best : item),
    undefined,
  )?.value;
}

/**
 * What all weights have in common, for libraries whose configuration says it once.
 * @throws QuantscopeError REQUEST naming two weights that differ.
 */
export function common<T>(
  { weights }: WrittenModel,
  what: string,
  property: (weight: WrittenWeight) => T,
): T | undefined {
  const [first] = weights;
  if (!first) return undefined;
  const value = property(first);
  const other = weights.find((weight) => property(weight) !== value);
  if (!other) return value;
  const message = said`The layout has one ${what} for the whole model, but "${first.name}" has ${String(value)} and "${other.name}" ${String(property(other))}.`;
  throw new QuantscopeError('REQUEST', message);
}

/** Weights as a configuration describes their groups: where rows of different lengths are one group each, these are rows. */
export function withRows(model: WrittenModel): WrittenModel {
  const { weights } = model;
  const areRows = weights.every((weight) => groupSize(weight) === matrixOf(weight.shape).columns);
  if (!areRows || new Set(weights.map(groupSize)).size < 2) return model;
  return {
    ...model,
    weights: weights.map((weight) => ({ ...weight, grid: { ...weight.grid, group: 'row' } })),
  };
}

/** `group_size` of a configuration: −1 for rows. */
export const statedGroup = ({ grid: { group } }: WrittenWeight): number =>
  typeof group === 'number' ? group : -1;

/** The output matrix, which libraries leave as it is unless they are told to convert it. */
export const outputModule = 'lm_head';

/** Whether the output matrix is among those that are quantized. */
export const hasOutput = ({ weights }: WrittenModel): boolean =>
  weights.some((weight) => moduleOf(weight) === outputModule);

/**
 * Modules that a library must be told not to convert. Without a list (null) it leaves the output as it is, so that there is one, if only an empty
 * one, where the output is quantized.
 */
export const keptModules = (model: WrittenModel): readonly string[] | null =>
  !hasOutput(model) && model.kept.every((module) => module === outputModule) ? null : model.kept;

/** Weights of a tensor. */
export const weightsIn = ({ shape }: Pick<WrittenWeight, 'shape'>): number => elementsOf(shape) ?? 0;

/** Projections that runtimes join: q, k and v of an attention, gate and up of an MLP. */
const joined = [/^(.*\.)[qkv]_proj\.weight$/, /^(.*\.)(?:gate|up)_proj\.weight$/];

/** Weights of a model that runtimes join into one matrix each, by their names; those that are joined with no other are left out. */
export function joinedWeights(names: readonly string[]): readonly (readonly string[])[] {
  const groups = new Map<string, string[]>();
  for (const name of names)
    joined.forEach((pattern, i) => {
      const module = pattern.exec(name)?.[1];
      if (module === undefined) return;
      const key = `${i} ${module}`;
      groups.set(key, [...(groups.get(key) ?? []), name]);
    });
  return [...groups.values()].filter((group) => group.length > 1);
}

/** How many words of 32 bits hold the codes of a matrix whose codes and zero points are packed in one dense stream. */
export interface PackedSizes {
  readonly out: number;
  readonly columns: number;
  readonly bits: number;
  readonly groups: number;
  /** Words of the codes of one output, and of the zero points of one group. */
  readonly words: number;
  readonly zeroWords: number;
}

export function packedSizes(weight: WrittenWeight): PackedSizes {
  const [out = 0, columns = 0] = weight.shape;
  const bits = integerBits(weight.grid)!;
  const groups = columns / groupSize(weight);
  const [words, zeroWords] = [Math.ceil((columns * bits) / 32), Math.ceil((out * bits) / 32)];
  return { out, columns, bits, groups, words, zeroWords };
}
