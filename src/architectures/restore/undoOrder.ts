import { transpose } from '../convertedRows';
import type { ColumnOrder, Unit, WeightMap } from '../description';

/** A unit of rows that lies in a file's order, and where it goes in the order of the checkpoint. */
interface UnitBytes {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  /** Rows as they are read. */
  readonly rows: number;
  /** Bytes of a weight. */
  readonly weightBytes: number;
  readonly unit: Unit;
  /** For errors. */
  readonly name: string;
}

interface Inverse {
  /** What a unit of the order may have. */
  readonly members: readonly string[];
  undo(unit: UnitBytes): void;
}

/** How each order of rows is undone; one that is not listed cannot be. */
const inverses: Partial<Record<Unit['order'], Inverse>> = {
  interleave: { members: ['rows'], undo: separate },
  transpose: {
    members: ['rows', 'columns', 'takesOutputs'],
    undo: ({ from, to, rows, weightBytes, name }) =>
      transpose(from, to, {
        rows,
        columns: { first: 0, count: from.length / rows / weightBytes },
        weightBytes,
        name,
      }),
  },
  regroup: {
    members: ['rows', 'groups', 'members', 'size'],
    undo: ({ from, to, weightBytes, unit }) => group(from, to, weightBytes, unit as ColumnOrder),
  },
};

/** The name of what cannot be undone of an order; undefined where all of it can. */
export function strangeOrder(unit: Unit): string | undefined {
  const inverse = Object.hasOwn(inverses, unit.order) ? inverses[unit.order] : undefined;
  if (!inverse) return unit.order;
  return Object.keys(unit).find((name) => name !== 'order' && !inverse.members.includes(name));
}

/** Inverses of functions of single weights, in float64. */
const inverseMaps: Partial<Record<WeightMap, (weight: number) => number>> = {
  '-exp': (weight) => Math.log(-weight),
};

/** The inverse of a function of single weights; undefined where there is none. */
export const inverseOf = (map: string): ((weight: number) => number) | undefined =>
  Object.hasOwn(inverseMaps, map) ? inverseMaps[map as WeightMap] : undefined;

interface OrderPlace {
  readonly weights: number;
  readonly columns: number;
  readonly name: string;
  readonly strands?: number | undefined;
}

/**
 * Rows of a GGUF file in the order of the checkpoint.
 * @param bytes whole units of rows of plain numbers.
 * @param unit how many rows are put back together, and from which order.
 * @param weights in `bytes`.
 * @param columns weights of a row.
 * @param strands the rows of a unit are those of so many matrices, which take turns in the checkpoint.
 */
export function undoOrder(
  bytes: Uint8Array,
  unit: Unit,
  { weights, columns, name, strands = 1 }: OrderPlace,
): Uint8Array {
  const { rows, order } = unit;
  const weightBytes = bytes.length / weights;
  const unitBytes = rows * columns * weightBytes;
  const arranged = new Uint8Array(bytes.length);
  for (let start = 0; start < bytes.length; start += unitBytes) {
    const [from, to] = [bytes, arranged].map((all) => all.subarray(start, start + unitBytes));
    const inTurn = strands === 1 ? from! : takeTurns(from!, rows, strands);
    inverses[order]!.undo({ from: inTurn, to: to!, rows, weightBytes, unit, name });
  }
  return arranged;
}

/** Row j·n/k + i of n rows becomes row k·i + j, for k strands. */
function takeTurns(from: Uint8Array, rows: number, strands: number): Uint8Array {
  const rowBytes = from.length / rows;
  const to = new Uint8Array(from.length);
  for (let row = 0; row < rows; row++) {
    const source = (row % strands) * (rows / strands) + Math.floor(row / strands);
    to.set(from.subarray(source * rowBytes, (source + 1) * rowBytes), row * rowBytes);
  }
  return to;
}

/** Row 2·i + j becomes row j·d/2 + i of d rows, for j in {0, 1}. */
function separate({ from, to, rows }: UnitBytes): void {
  const rowBytes = from.length / rows;
  const half = rows / 2;
  for (let i = 0; i < half; i++) {
    for (const j of [0, 1]) {
      const row = 2 * i + j;
      to.set(from.subarray(row * rowBytes, (row + 1) * rowBytes), (j * half + i) * rowBytes);
    }
  }
}

/** Columns [members, groups, size] of a row become [groups, members, size]. */
function group(
  from: Uint8Array,
  to: Uint8Array,
  weightBytes: number,
  { groups, members, size }: ColumnOrder,
): void {
  const bytes = size * weightBytes;
  for (let member = 0; member < members; member++)
    for (let index = 0; index < groups; index++) {
      const at = (member * groups + index) * bytes;
      to.set(from.subarray(at, at + bytes), (index * members + member) * bytes);
    }
}
