import type { CodeReader } from '../model/codeRows';
import { matrixOf } from '../model/rows';
import type { Grid, GroupShape } from '../protocol/grids';
import { greatestCommonDivisor } from '../quant/grids/groups';
import { codeValues, levelCodes } from '../quant/grids/levels';
import { decodeRows } from '../quant/grids/roundToNearest';
import type { QuantizedRows } from '../quant/quantized';
import type { QuantizedReader, Layout, ReadPart, RowDecoder, StoredDescriptor } from './layout';
import { rounded } from './parts';

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
function wholeScales({ grid, scales, globalScale }: QuantizedRows): Float32Array {
  if (globalScale === undefined) return scales;
  return scales.map((scale) => (grid.global === 'factor' ? scale * globalScale : scale / globalScale));
}

/** Codes as they are shown: the values that they stand for, and the parameters of groups that lie in one row each. */
export function codeView(
  reader: QuantizedReader,
  shape: readonly number[],
  table: (signal?: AbortSignal) => Promise<Float32Array> = () =>
    Promise.resolve(codeValues(reader.grid.levels)),
): CodeReader {
  const { grid, rowStep } = reader;
  const all = matrixOf(shape).rows;
  return {
    async levels(signal) {
      const values = await table(signal);
      return distinctLevels(Float32Array.from(levelCodes(grid.levels), (code) => values[code]!));
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
    for (const end of [from, to]) size = greatestCommonDivisor(size, end % columns);
  }
  return Float32Array.from({ length: (rows * columns) / size }, (_, i) => {
    return ofWeight[first * columns + i * size]!;
  });
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
