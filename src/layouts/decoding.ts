import type { CodeReader } from '../model/codeRows';
import { matrixOf } from '../model/rows';
import type { Grid, GroupShape, Levels } from '../protocol/grids';
import { decodeRows } from '../quant/grids/roundToNearest';
import type { QuantizedRows } from '../quant/quantized';
import type { QuantizedReader, Layout, ReadPart, RowDecoder, StoredDescriptor } from './layout';
import { e2m1, rounded } from './parts';

/** The decoder of a layout whose weights are codes with scales. */
export function decoderOf(
  open: (weight: StoredDescriptor, read: ReadPart) => QuantizedReader,
  /** Set where the library rounds scales to the dtype that it computes in before it multiplies. */
  scales?: 'rounded',
): Layout['decoder'] {
  return (weight, read): RowDecoder => {
    const reader = open(weight, read);
    const { rounding } = weight.stored;
    return {
      step: matrixOf(weight.shape).columns,
      rowStep: reader.rowStep,
      codes: codeView(reader, weight.shape),
      async read({ row, rows }, target, signal) {
        const quantized = await reader.read(row, rows, signal);
        if (scales && rounding) await rounded(quantized.scales, rounding, signal);
        target.set(await decodeRows(quantized, signal));
      },
    };
  };
}

/** Scales with the global one. */
function wholeScales({ scales, globalScale }: QuantizedRows): Float32Array {
  return globalScale === undefined ? scales : scales.map((scale) => scale / globalScale);
}

/** Codes as they are shown: the values that they stand for, and the parameters of groups that lie in one row each. */
export function codeView(
  reader: QuantizedReader,
  shape: readonly number[],
  table: (signal?: AbortSignal) => Promise<Float32Array> = () =>
    Promise.resolve(levelsOf(reader.grid.levels)),
): CodeReader {
  const { grid, rowStep } = reader;
  const all = matrixOf(shape).rows;
  return {
    async levels(signal) {
      const { levels } = grid;
      const found = distinctLevels(await table(signal));
      return levels.kind === 'integer' ? found.filter((level) => isLevel(levels, level)) : found;
    },
    async read({ row, rows }, target, signal) {
      const first = row - (row % rowStep);
      const count = Math.min(all, Math.ceil((row + rows) / rowStep) * rowStep) - first;
      const quantized = await reader.read(first, count, signal);
      const { codes, columns, zeros, groupOfColumn } = quantized;
      const levels = await table(signal);
      const skipped = row - first;
      for (let at = 0; at < target.length; at++) target[at] = levels[codes[skipped * columns + at]!]!;
      const spread = (values: Float32Array): Float32Array => rowGroups(quantized, values, skipped, rows);
      const perCode = 1 / (grid.perScale ?? 1);
      const scales = spread(wholeScales(quantized)).map((scale) => scale * perCode);
      const order = groupOfColumn ? { ofColumn: groupOfColumn } : {};
      return { count: scales.length / rows, scales, ...(zeros ? { zeros: spread(zeros) } : {}), ...order };
    },
  };
}

/** Finite values in ascending order, without repetitions. */
const distinctLevels = (values: Float32Array): Float32Array =>
  Float32Array.from(new Set([...values].filter(Number.isFinite).map((value) => value + 0))).sort();

function isLevel({ bits, signed, narrow }: Extract<Levels, { kind: 'integer' }>, level: number): boolean {
  const least = signed ? -(2 ** (bits - 1)) + (narrow ? 1 : 0) : 0;
  return level >= least && level < 2 ** (signed ? bits - 1 : bits);
}

/** A parameter of groups as one of runs of equal size in each of some rows. @returns `[rows, groups of a row]`. */
function rowGroups(
  { grid: { group }, columns, rows: all, groupOfColumn }: QuantizedRows,
  values: Float32Array,
  first: number,
  rows: number,
): Float32Array {
  if (groupOfColumn || group === 'row' || (typeof group === 'number' && columns % group === 0)) {
    const perRow = values.length / all;
    return values.subarray(first * perRow, (first + rows) * perRow);
  }
  const ofWeight = new Float32Array(all * columns);
  let size = columns;
  for (const { from, to, group: at } of runs(group, all, columns)) {
    ofWeight.fill(values[at]!, from, to);
    for (const end of [from, to]) size = greatestDivisor(size, end % columns);
  }
  return Float32Array.from({ length: (rows * columns) / size }, (_, i) => {
    return ofWeight[first * columns + i * size]!;
  });
}

export function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

interface Run {
  readonly from: number;
  readonly to: number;
  readonly group: number;
}

/** The runs of consecutive weights that share a group. */
function* runs(group: GroupShape, rows: number, columns: number): Generator<Run> {
  if (group === 'tensor') yield { from: 0, to: rows * columns, group: 0 };
  else if (typeof group === 'object' && 'flat' in group)
    for (let from = 0, at = 0; from < rows * columns; from += group.flat, at++)
      yield { from, to: Math.min(rows * columns, from + group.flat), group: at };
  else {
    const [high, wide] =
      typeof group === 'object' ? [group.rows, group.columns] : [1, group === 'row' ? columns : group];
    const across = Math.ceil(columns / wide);
    for (let row = 0; row < rows; row++)
      for (let column = 0, at = 0; column < columns; column += wide, at++) {
        const start = row * columns;
        const to = start + Math.min(columns, column + wide);
        yield { from: start + column, to, group: Math.floor(row / high) * across + at };
      }
  }
}

/** Values of bitsandbytes' tables by code: NF4 (QLoRA), and FP4, whose bit 3 is the sign. */
export const tableValues: Readonly<Record<'nf4' | 'fp4', Float32Array>> = {
  nf4: Float32Array.of(
    ...[-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453],
    ...[-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0],
    ...[0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224],
    ...[0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1],
  ),
  fp4: Float32Array.of(
    ...[0, 0.005208333333333333, 0.6666666666666666, 1, 0.3333333333333333, 0.5, 0.16666666666666666, 0.25],
    ...[0, -0.005208333333333333, -0.6666666666666666, -1, -0.3333333333333333, -0.5],
    ...[-0.16666666666666666, -0.25],
  ),
};

/** Values of the codes 0 to 255 before they are scaled. */
function levelsOf(levels: Levels): Float32Array {
  switch (levels.kind) {
    case 'integer':
      return Float32Array.from({ length: 256 }, (_, code) => (levels.signed ? (code << 24) >> 24 : code));
    case 'table':
      return tableValues[levels.table];
    case 'float':
      return levels.exponent === 2 && levels.mantissa === 1 ? e2m1 : floatValues(levels);
  }
}

/** Values of the bit patterns of a float of at most 8 bits: a sign, exponent and mantissa bits. */
export function floatValues({
  exponent,
  mantissa,
  bias = 2 ** (exponent - 1) - 1,
  special,
}: Extract<Levels, { kind: 'float' }>): Float32Array {
  const magnitudes = 2 ** (exponent + mantissa);
  const largest = 2 ** exponent - 1;
  return Float32Array.from({ length: 2 * magnitudes }, (_, code) => {
    const [e, m] = [(code % magnitudes) >> mantissa, code % 2 ** mantissa];
    const sign = code < magnitudes ? 1 : -1;
    if (special === 'ieee' && e === largest) return m === 0 ? sign * Infinity : NaN;
    if (special === 'nan' && code % magnitudes === magnitudes - 1) return NaN;
    const fraction = e === 0 ? m : m + 2 ** mantissa;
    return sign * fraction * 2 ** (Math.max(1, e) - bias - mantissa);
  });
}

/** Codes of integers whose zero points are all in the middle, as those of signed integers without zero points. */
export function withoutZeros(reader: QuantizedReader): QuantizedReader {
  const { levels, rule, group, scale } = reader.grid;
  if (levels.kind !== 'integer') throw new TypeError('only integers have a middle');
  const middle = levels.signed ? 0 : 2 ** (levels.bits - 1);
  const grid: Grid = { levels: { kind: 'integer', bits: levels.bits, signed: true }, rule, group, scale };
  return {
    grid,
    rowStep: reader.rowStep,
    async read(row, rows, signal) {
      const { columns, codes, scales, groupOfColumn } = await reader.read(row, rows, signal);
      const order = groupOfColumn ? { groupOfColumn } : {};
      return { grid, rows, columns, codes: codes.map((code) => code - middle), scales, ...order };
    },
  };
}
