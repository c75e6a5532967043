import { setImmediate } from 'node:timers/promises';
import { throwIfCancelled } from '../../model/errors';
import { loadNative } from '../../native';
import type { OptionDescription } from '../../protocol/recipe';
import { said } from '../../protocol/said';
import { deadColumns, diagonalOf, factorOf } from '../columns/factor';
import { parameterLayout } from '../columns/groups';
import { clearColumns } from '../columns/rows';
import { levelCodes } from '../grids/levels';
import { decodeRows, roundToNearest } from '../grids/roundToNearest';
import type { QuantizedRows } from '../quantized';
import type { MatrixTask, Method } from './method';
import { optionsOf } from './options';
import { requireHessian } from './required';

/** rows · columns³ that are worked on, as the inverse of every row is updated for every weight, and about how long that takes. */
const mostWork = 2 ** 35;
const mostSeconds = 60;

const options: readonly OptionDescription[] = [
  {
    name: 'damping',
    description: said`Added to the diagonal of the Hessian, as a share of its mean.`,
    ...{ type: 'number', default: 0.01, minimum: 0, maximum: 1 },
  },
  {
    name: 'order',
    description: said`Weights of a row by their cost (as published), by the mean square of their inputs, or for each row what gives the smaller error.`,
    ...{ type: 'choice', default: 'best', choices: ['best', 'cost', 'importance'] },
  },
];

/**
 * OBQ (Frantar, Singh, Alistarh 2022, Optimal Brain Compression, arXiv:2208.11580): the weights of each row one after the other, the cheapest
 * first by (ŵ − w)² / [H⁻¹]pp, outliers before all, and the remaining ones corrected for each. The reference of GPTQ, for small layers.
 */
export const obq: Method = {
  id: 'obq',
  label: 'OBQ',
  description: said`Quantizes the weights of each row in the order of their cost and corrects the remaining ones. For small layers: slow.`,
  evidence: 'hessian',
  options,
  version: 1,
  coreSeconds: ([rows, columns]) => ((rows * columns ** 3) / mostWork) * mostSeconds,
  refuse({ grid, shape: [rows, columns] }) {
    if (grid.outliers) return said`OBQ cannot keep outlier columns in half precision.`;
    if (rows * columns ** 3 <= mostWork) return undefined;
    const most = Math.floor(mostWork / columns ** 3);
    return said`OBQ is for small layers: of ${columns} columns it takes at most ${most} rows, not ${rows}. GPTQ gives nearly the same.`;
  },
  async open(task, signal) {
    const hessian = requireHessian(task, 'OBQ');
    const value = optionsOf({ options }, task.options);
    const wanted = Number(value['damping']);
    const factorOptions = { damping: wanted, order: 'importance', block: 128 } as const;
    const { damping } = await factorOf(hessian, factorOptions, task.name, signal);
    const chosen = value['order'];
    const choices: Choice[] = [];
    if (chosen !== 'importance') choices.push(cheapest);
    if (chosen !== 'cost') choices.push(mostImportant(diagonalOf(hessian)));
    const inverse = inverseOf(hessian, damping);
    return {
      quantize: (values, signal) => quantizeRows(task, { hessian, inverse, choices }, values, signal),
    };
  },
};

interface Plan {
  readonly hessian: Float64Array;
  /** (H + damping · I)⁻¹. */
  readonly inverse: Float64Array;
  readonly choices: readonly Choice[];
}

/** Which weight of a row is quantized next. */
type Choice = (row: Row) => number;

/** A row that is being quantized. */
interface Row {
  readonly left: ReadonlySet<number>;
  /** Weights, corrected for those that were quantized. */
  readonly weights: Float64Array;
  /** That of the Hessian of the weights that are left. */
  readonly inverse: Float64Array;
  /** The values that a weight can take, in ascending order. */
  readonly points: (column: number) => readonly Point[];
}

async function quantizeRows(
  { grid, range, meanScale }: MatrixTask,
  { hessian, inverse, choices }: Plan,
  values: Float32Array,
  signal?: AbortSignal,
): Promise<QuantizedRows> {
  const columns = Math.sqrt(hessian.length);
  const rows = values.length / columns;
  clearColumns(values, columns, deadColumns(hessian));
  const rounded = await roundToNearest(grid, values, [rows, columns], { range, meanScale }, signal);
  const decoded = await decodeRows(rounded, signal);
  const points = await gridPoints(rounded, signal);
  const codes = rounded.codes.slice();
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    const weights = values.subarray(start, start + columns);
    const error = (to: ArrayLike<number>): number =>
      quadratic(
        hessian,
        weights.map((weight, i) => to[i]! - weight),
      );
    let best = error(decoded.subarray(start, start + columns));
    if (!Number.isFinite(best)) continue; // Scales have left the range of their dtype: the row has no values to choose from.
    for (const choice of choices) {
      await setImmediate();
      throwIfCancelled(signal);
      const found = quantizeRow(weights, inverse, choice, (column) => points(row, column));
      const own = error(found.map(({ value }) => value));
      if (!(own < best)) continue;
      best = own;
      found.forEach(({ code }, i) => (codes[start + i] = code));
    }
  }
  return { ...rounded, codes };
}

/** A value that a weight can take. */
interface Point {
  readonly value: number;
  readonly code: number;
}

function quantizeRow(
  from: Float32Array,
  start: Float64Array,
  choose: Choice,
  points: Row['points'],
): Point[] {
  const [weights, inverse] = [Float64Array.from(from), start.slice()];
  const found = new Array<Point>(weights.length);
  const left = new Set(weights.keys());
  while (left.size > 0) {
    const column = choose({ left, weights, inverse, points });
    const point = nearest(points(column), weights[column]!);
    found[column] = point;
    left.delete(column);
    removeColumn(column, weights, inverse, point.value);
  }
  return found;
}

/** The weight whose inputs have the largest mean square, the first of equals. */
function mostImportant(diagonal: Float64Array): Choice {
  return ({ left }) => {
    let best = { column: -1, square: -Infinity };
    for (const column of left) {
      const square = diagonal[column]!;
      if (square > best.square) best = { column, square };
    }
    return best.column;
  };
}

/** The outlier that is furthest from its grid, else the weight whose error costs least. */
function cheapest({ left, weights, inverse, points }: Row): number {
  let best = { column: -1, cost: Infinity };
  for (const column of left) {
    const [own, weight] = [points(column), weights[column]!];
    const error = Math.abs(nearest(own, weight).value - weight);
    const cost = isOutlier(own, weight) ? -error : error ** 2 / inverse[column * (weights.length + 1)]!;
    if (cost < best.cost) best = { column, cost };
  }
  return best.column;
}

/** Whether a weight lies beyond the ends of its grid by more than half a step. */
function isOutlier(points: readonly Point[], weight: number): boolean {
  const valueAt = (index: number): number => points[index]!.value;
  const last = points.length - 1;
  const low = valueAt(0) - (valueAt(1) - valueAt(0)) / 2;
  const high = valueAt(last) + (valueAt(last) - valueAt(last - 1)) / 2;
  return weight < low || weight > high;
}

function nearest(points: readonly Point[], weight: number): Point {
  let [low, high] = [0, points.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (weight > (points[middle]!.value + points[middle + 1]!.value) / 2) low = middle + 1;
    else high = middle;
  }
  return points[low]!;
}

/** Corrects the weights that are left for the error of one, and takes it out of the inverse Hessian (Gaussian elimination). */
function removeColumn(column: number, weights: Float64Array, inverse: Float64Array, value: number): void {
  const columns = weights.length;
  const own = inverse.slice(column * columns, (column + 1) * columns);
  const pivot = own[column]!;
  const error = (weights[column]! - value) / pivot;
  for (let i = 0; i < columns; i++) {
    const factor = own[i]!;
    if (factor === 0) continue;
    weights[i]! -= error * factor;
    const row = inverse.subarray(i * columns, (i + 1) * columns);
    for (let j = 0; j < columns; j++) row[j]! -= (factor * own[j]!) / pivot;
  }
  for (let i = 0; i < columns; i++) {
    inverse[i * columns + column] = 0;
    inverse[column * columns + i] = 0;
  }
}

/** The values that the weights of each group can take, in ascending order, with their codes. */
async function gridPoints(
  rounded: QuantizedRows,
  signal?: AbortSignal,
): Promise<(row: number, column: number) => readonly Point[]> {
  const { grid, scales, zeros, globalScale, rows, columns } = rounded;
  const codes = [...levelCodes(grid.levels)];
  const all = Uint8Array.from({ length: scales.length * codes.length }, (_, i) => codes[i % codes.length]!);
  const matrix = {
    ...{ rows: scales.length, columns: codes.length, groupRows: 1, groupColumns: codes.length },
  };
  const values = new Float32Array(all.length);
  await loadNative().gridWeights(grid, all, matrix, { scales, zeros, globalScale }, values, signal);
  const points = Array.from(scales, (_, group) => {
    const own = codes.map((code, i) => ({ code, value: values[group * codes.length + i]! }));
    return own.filter(({ value }) => Number.isFinite(value)).sort((a, b) => a.value - b.value);
  });
  const { groupRows, across, flat, groups } = parameterLayout(grid, rows, columns);
  return (row, column) =>
    points[
      flat > 0
        ? Math.floor((row * columns + column) / flat)
        : Math.floor(row / groupRows) * across + groups![column]!
    ]!;
}

/** The inverse of H + damping · I by Gauss–Jordan elimination; diagonal elements of 0 count as 1. */
function inverseOf(hessian: Float64Array, damping: number): Float64Array {
  const columns = Math.sqrt(hessian.length);
  const inverse = hessian.slice();
  for (let i = 0; i < columns; i++) inverse[i * (columns + 1)] = (hessian[i * (columns + 1)] || 1) + damping;
  for (let k = 0; k < columns; k++) {
    const own = inverse.subarray(k * columns, (k + 1) * columns);
    const pivot = own[k]!;
    own[k] = 1;
    for (let j = 0; j < columns; j++) own[j]! /= pivot;
    for (let i = 0; i < columns; i++) {
      const row = inverse.subarray(i * columns, (i + 1) * columns);
      const factor = row[k]!;
      if (i === k || factor === 0) continue;
      row[k] = 0;
      for (let j = 0; j < columns; j++) row[j]! -= factor * own[j]!;
    }
  }
  return inverse;
}

/** xᵀ H x. */
function quadratic(hessian: Float64Array, x: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) {
    for (let j = 0; j < x.length; j++) sum += x[i]! * hessian[i * x.length + j]! * x[j]!;
  }
  return sum;
}
