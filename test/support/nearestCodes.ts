import type { MatrixChoice, CodeStorage } from '../../src/exporter/onnx/storage';
import type { Grid } from '../../src/protocol/grids';
import type { QuantizedRows } from '../../src/quant/quantized';

const nf4 = [
  ...[-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635],
  ...[-0.18477343022823334, -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725],
  ...[0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941],
  ...[0.7229568362236023, 1],
];
const positiveFp4 = [
  0, 0.0052083334885537624, 0.6666666865348816, 1, 0.3333333432674408, 0.5, 0.1666666716337204, 0.25,
];
const fp4 = [...positiveFp4, ...positiveFp4.map((value) => -value)];

/** The values of a table of 16, by code. */
export const tables = { nf4, fp4 };

interface GroupCodes {
  readonly scale: number;
  readonly zero: number;
  readonly codes: readonly number[];
}

const halfAway = (value: number): number => Math.sign(value) * Math.floor(Math.abs(value) + 0.5);
const halfEven = (value: number): number => {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
};
const { fround } = Math;

/** Rounding to nearest as ONNX Runtime's quantizers do it: a loop over weights, as a reference for tests. */
function groupCodes(weights: readonly number[], grid: Grid): GroupCodes {
  const { levels, rule, zero } = grid;
  const [least, greatest] = [
    weights.reduce((a, b) => Math.min(a, b)),
    weights.reduce((a, b) => Math.max(a, b)),
  ];
  const [low, high] = [Math.min(0, least), Math.max(0, greatest)];
  const largest = Math.max(-low, high);
  if (levels.kind === 'table') {
    const table = tables[levels.table];
    const nearest = (value: number): number =>
      table.reduce(
        (best, level, code) => (Math.abs(level - value) < Math.abs(table[best]! - value) ? code : best),
        0,
      );
    const inverse = largest === 0 ? 0 : fround(1 / largest);
    return { scale: largest, zero: 0, codes: weights.map((weight) => nearest(fround(weight * inverse))) };
  }
  if (levels.kind === 'float') throw new Error('floats are not rounded here');
  const most = 2 ** levels.bits - 1;
  const first = levels.signed ? -(2 ** (levels.bits - 1)) : 0;
  const round = grid.rounding?.half === 'away' ? halfAway : halfEven;
  const clamp = (code: number): number => Math.min(first + most, Math.max(first, code));
  if (zero !== undefined) {
    const scale = fround(fround(high - low) / most);
    const inverse = scale === 0 ? 0 : fround(1 / scale);
    const point = scale === 0 ? first : clamp(round(fround(first - fround(low / scale))));
    const code = (weight: number): number => clamp(round(fround(fround(weight * inverse) + point)));
    return { scale, zero: point, codes: weights.map(code) };
  }
  const extreme = Math.abs(greatest) > Math.abs(least) ? greatest : least;
  const divisor = rule.kind === 'extreme' || rule.kind === 'absmax' ? rule.divisor : 1;
  const scale = fround((rule.kind === 'extreme' ? extreme : largest) / divisor);
  const inverse = scale === 0 ? 0 : fround(1 / scale);
  // Codes are rounded as the unsigned ones that are stored.
  const code = (weight: number): number => clamp(round(fround(fround(weight * inverse) - first)) + first);
  return { scale, zero: 0, codes: weights.map(code) };
}

/** Weights of each group, as indices into rows of so many columns. */
function groupsOf(group: Grid['group'], rows: number, columns: number): number[][] {
  const indices = Array.from({ length: rows * columns }, (_, i) => i);
  const cut = (list: readonly number[], size: number): number[][] =>
    Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size));
  if (group === 'tensor') return [indices];
  if (group === 'row') return cut(indices, columns);
  if (typeof group === 'number') return cut(indices, columns).flatMap((row) => cut(row, group));
  if ('flat' in group) return cut(indices, group.flat);
  throw new Error('rectangles are not rounded here');
}

/** Rows rounded to nearest. */
export function nearestRows(values: Float32Array, columns: number, grid: Grid): QuantizedRows {
  const rows = values.length / columns;
  const groups = groupsOf(grid.group, rows, columns);
  const codes = new Uint8Array(values.length);
  const found = groups.map((indices) =>
    groupCodes(
      indices.map((i) => values[i]!),
      grid,
    ),
  );
  groups.forEach((indices, g) => indices.forEach((i, j) => (codes[i] = found[g]!.codes[j]! & 255)));
  return {
    ...{ grid, rows, columns, codes },
    scales: Float32Array.from(found, ({ scale }) => scale),
    ...(grid.zero === undefined ? {} : { zeros: Float32Array.from(found, ({ zero }) => zero) }),
  };
}

/** The weights that rows of codes stand for. */
export function decodedRows({ grid, rows, columns, codes, scales, zeros }: QuantizedRows): Float32Array {
  const { levels } = grid;
  const values = new Float32Array(codes.length);
  groupsOf(grid.group, rows, columns).forEach((indices, g) => {
    for (const i of indices) {
      const code = codes[i]!;
      const level =
        levels.kind === 'table'
          ? tables[levels.table][code]!
          : levels.kind === 'integer' && levels.signed && code > 127
            ? code - 256
            : code;
      values[i] = fround((level - (zeros?.[g] ?? 0)) * scales[g]!);
    }
  });
  return values;
}

/** A choice of rounding to nearest. */
export function nearestChoice(grid: Grid, storage: CodeStorage): MatrixChoice {
  return {
    grid,
    storage,
    open: ({ shape }) =>
      Promise.resolve({ quantize: (values) => Promise.resolve(nearestRows(values, shape[1], grid)) }),
  };
}
