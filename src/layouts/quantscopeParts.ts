import { QuantscopeError } from '../model/errors';
import { matrixOf } from '../model/rows';
import type { Scheme } from '../protocol/formats';
import type { Grid, Levels } from '../protocol/grids';
import { said } from '../protocol/said';
import { codeBits } from '../quant/grids/gridSize';
import { parameterCount, rowLayout, zeroBytes } from '../quant/layout';
import type { EncodedRows, QuantizedRows } from '../quant/quantized';
import type { Block, ReadPart, StoredDescriptor, StoredTensor } from './layout';
import { PartReader } from './parts';
import { bytesOf, scaleBytes } from './writing';

/** What *Quantize Layer* stores of a weight, in the order of the file, and what follows its name there. */
export const savedRoles = { codes: '', scales: '_scale', zeros: '_zero', global: '_global_scale' } as const;
export type SavedRole = keyof typeof savedRoles;

/** A tensor that holds a part of a weight. */
export interface SavedPart extends StoredTensor {
  readonly role: SavedRole;
}

/** The tensors that hold a weight of this shape. Codes of less than 8 bits are packed row by row. */
export function savedParts(
  { name, shape }: { readonly name: string; readonly shape: readonly number[] },
  scheme: Scheme,
): readonly SavedPart[] {
  const { rows, columns } = matrixOf(shape);
  const { codeBytes, groups } = rowLayout(scheme, columns);
  const part = (role: SavedRole, dtype: string, size: readonly number[]): SavedPart => ({
    ...{ role, name: name + savedRoles[role], dtype, shape: size },
  });
  if (scheme.kind === 'ggml') {
    const isPlain = scheme.type === 'F16' || scheme.type === 'BF16';
    return [isPlain ? part('codes', scheme.type, shape) : part('codes', 'U8', [rows, codeBytes])];
  }
  const { grid } = scheme;
  const size = groups === 0 ? [1] : [rows, groups];
  return [
    part('codes', codeDtype(grid.levels), codeBytes === columns ? shape : [rows, codeBytes]),
    part('scales', grid.scale === 'F8_E8M0' ? 'U8' : grid.scale, size),
    ...(grid.zero ? [part('zeros', zeroDtype(grid), size)] : []),
    ...(grid.global ? [part('global', 'F32', [1])] : []),
  ];
}

function codeDtype(levels: Levels): string {
  if (codeBits(levels) < 8) return 'U8';
  if (levels.kind === 'integer') return levels.signed ? 'I8' : 'U8';
  if (levels.kind !== 'float' || levels.bias !== undefined) return 'U8';
  if (levels.exponent === 4 && levels.special === 'nan') return 'F8_E4M3';
  return levels.exponent === 5 && levels.special === 'ieee' ? 'F8_E5M2' : 'U8';
}

function zeroDtype({ zero, levels }: Grid): string {
  if (zero !== 'integer') return 'F32';
  return levels.kind === 'integer' && levels.signed ? 'I8' : 'U8';
}

/**
 * The bytes of some rows in the order of `savedParts`; undefined for what all rows of the tensor share, but for the first ones.
 * @throws RangeError for a scale that its dtype does not hold.
 */
export async function savedBytes(
  encoded: EncodedRows,
  isFirst: boolean,
): Promise<readonly (Uint8Array | undefined)[]> {
  if (!('grid' in encoded)) return [encoded.codes];
  const { grid, codes, columns, scales, zeros, globalScale } = encoded;
  const isStored = isFirst || grid.group !== 'tensor';
  return [
    packCodes(codes, columns, codeBits(grid.levels)),
    isStored ? await scaleBytes(scales, grid.scale) : undefined,
    ...(zeros
      ? [isStored ? bytesOf(grid.zero === 'integer' ? Int8Array.from(zeros) : zeros) : undefined]
      : []),
    ...(globalScale === undefined ? [] : [isFirst ? bytesOf(Float32Array.of(globalScale)) : undefined]),
  ];
}

/** Codes of `bits` each, the first in the lowest bits; each row begins on a byte. @param codes a byte each, `[rows, columns]`. */
export function packCodes(codes: Uint8Array, columns: number, bits: number): Uint8Array {
  if (bits === 8) return codes;
  const mask = 2 ** bits - 1;
  const packed = new Uint8Array((codes.length / columns) * Math.ceil((columns * bits) / 8));
  for (let at = 0, first = 0; first < codes.length; first += columns) {
    let [held, filled] = [0, 0];
    for (let i = first; i < first + columns; i++) {
      held |= (codes[i]! & mask) << filled;
      filled += bits;
      if (filled < 8) continue;
      packed[at++] = held;
      held >>>= 8;
      filled -= 8;
    }
    if (filled > 0) packed[at++] = held;
  }
  return packed;
}

/** Inverse of `packCodes`; signed codes as two's complement. */
export function unpackCodes(
  packed: Uint8Array,
  columns: number,
  bits: number,
  isSigned: boolean,
): Uint8Array {
  if (bits === 8) return packed;
  const mask = 2 ** bits - 1;
  const rows = packed.length / Math.ceil((columns * bits) / 8);
  const codes = new Uint8Array(rows * columns);
  for (let at = 0, first = 0; first < codes.length; first += columns) {
    let [held, filled] = [0, 0];
    for (let i = first; i < first + columns; i++) {
      if (filled < bits) {
        held |= packed[at++]! << filled;
        filled += 8;
      }
      const code = held & mask;
      codes[i] = isSigned ? (code << (32 - bits)) >> (32 - bits) : code;
      held >>>= bits;
      filled -= bits;
    }
  }
  return codes;
}

/**
 * Reads rows, or a part of one row that begins and ends with groups, of a weight in a grid.
 * @throws QuantscopeError MODEL_FILE for parts of another size than the grid has.
 */
export function savedRows(
  weight: StoredDescriptor,
  grid: Grid,
  read: ReadPart,
): (block: Block, signal?: AbortSignal) => Promise<QuantizedRows> {
  const parts = new PartReader(weight, read);
  const { rows, columns } = matrixOf(weight.shape);
  const layoutOf = (width: number) => rowLayout({ kind: 'grid', grid }, width);
  const { codeBytes, groups } = layoutOf(columns);
  const count = parameterCount(grid, rows, columns);
  const scaleSize = parts.part('scales').byteLength / Math.max(1, elementsIn(parts.part('scales').shape));
  checkSizes(weight, {
    ...{ codes: rows * codeBytes, scales: count * scaleSize },
    ...{ zeros: count * zeroBytes(grid), global: grid.global ? 4 : 0 },
  });
  const bits = codeBits(grid.levels);
  const isSigned = grid.levels.kind === 'integer' && grid.levels.signed;
  return async ({ row, column, rows: some, width }, signal) => {
    const own = layoutOf(width);
    const before = column === 0 ? { codeBytes: 0, groups: 0 } : layoutOf(column);
    const start = row * codeBytes + before.codeBytes;
    const packed = await parts.bytes('codes', start, some * own.codeBytes, signal);
    const span =
      groups === 0 ? ([0, 1] as const) : ([row * groups + before.groups, some * own.groups] as const);
    return {
      ...{ grid, rows: some, columns: width, codes: unpackCodes(packed, width, bits, isSigned) },
      scales: await parts.scales('scales', ...span, signal),
      ...(grid.zero ? { zeros: await parts.floats('zeros', ...span, signal) } : {}),
      ...(grid.global ? { globalScale: (await parts.floats('global', 0, 1, signal))[0]! } : {}),
    };
  };
}

const elementsIn = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** @throws QuantscopeError MODEL_FILE for a part that has another size. */
export function checkSizes(
  { name, file, offset, dtype, shape, stored }: StoredDescriptor,
  expected: Partial<Readonly<Record<SavedRole, number>>>,
): void {
  for (const [role, bytes] of Object.entries(expected)) {
    const found = stored.parts.find((part) => part.role === role)?.byteLength ?? 0;
    if (found === bytes) continue;
    const message = said`${dtype} [${shape.join(', ')}] needs ${bytes} bytes of ${role}, but the file has ${found}.`;
    throw new QuantscopeError('MODEL_FILE', message, { file, tensor: name, offset });
  }
}
