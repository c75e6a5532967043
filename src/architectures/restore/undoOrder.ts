import { transpose } from '../convertedRows';
import type { Unit } from '../description';

/** A unit of rows that lies in a file's order, and where it goes in the order of the checkpoint. */
interface UnitBytes {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  /** Rows as they are read. */
  readonly rows: number;
  /** Bytes of a weight. */
  readonly weightBytes: number;
  /** For errors. */
  readonly name: string;
}

/** How each order of rows is undone; one that is not listed cannot be. */
const inverses: Partial<Record<Unit['order'], (unit: UnitBytes) => void>> = {
  interleave: separate,
  transpose: ({ from, to, rows, weightBytes, name }) =>
    transpose(from, to, {
      rows,
      columns: { first: 0, count: from.length / rows / weightBytes },
      weightBytes,
      name,
    }),
};

/** Whether rows in this order can be put back. */
export const canUndo = (order: string): boolean => Object.hasOwn(inverses, order);

/**
 * Rows of a GGUF file in the order of the checkpoint.
 * @param bytes whole units of rows of plain numbers.
 * @param unit how many rows are put back together, and from which order.
 * @param weights in `bytes`.
 * @param columns weights of a row.
 */
export function undoOrder(
  bytes: Uint8Array,
  { rows, order }: Unit,
  { weights, columns, name }: { readonly weights: number; readonly columns: number; readonly name: string },
): Uint8Array {
  const weightBytes = bytes.length / weights;
  const unitBytes = rows * columns * weightBytes;
  const arranged = new Uint8Array(bytes.length);
  for (let start = 0; start < bytes.length; start += unitBytes) {
    const [from, to] = [bytes, arranged].map((all) => all.subarray(start, start + unitBytes));
    inverses[order]!({ from: from!, to: to!, rows, weightBytes, name });
  }
  return arranged;
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
