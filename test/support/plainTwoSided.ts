/** Coordinate descent on tr(G·D·H·Dᵀ) as plain loops: what `descendBothSides` is held against, bit for bit. */
import { panel, plainRows, type PlainRow, type PlainType } from './plainDescent';

const { fround } = Math;

/** A round that gains less, relative to the error, is the last. */
const leastGain = 1e-3;

/** Rows whose feedback from rows that are not among them is added up first. */
const rowsAtOnce = 64;

/** Σ G[i, r] / G[i, i] · products of the other rows r: those that are not among the 64 of the row come first. */
function feedbackOf(
  rows: readonly PlainRow[],
  covariance: Float64Array,
  i: number,
): Float32Array<ArrayBuffer> {
  const start = i - (i % rowsAtOnce);
  const indices = rows.map((_, r) => r);
  const isNear = (r: number): boolean => r >= start && r < start + rowsAtOnce;
  const order = [...indices.filter((r) => !isNear(r)), ...indices.filter(isNear)];
  const sums = new Float32Array(rows[i]!.products.length);
  for (const r of order) {
    if (r === i) continue;
    const factor = fround(covariance[i * rows.length + r]! / covariance[i * (rows.length + 1)]!);
    rows[r]!.products.forEach((value, k) => (sums[k] = sums[k]! + fround(factor * value)));
  }
  return sums;
}

/**
 * What the blocks decode to after the descent on tr(G·D·H·Dᵀ), row after row in each panel of columns.
 * @param covariance G, `[rows, rows]`, damped.
 */
export function plainTwoSidedDescent(
  type: PlainType,
  hessian: readonly Float32Array[],
  covariance: Float64Array,
  weights: Float32Array,
  decoded: Float32Array,
  blocks: Uint8Array,
  rounds: number,
): Float32Array {
  const columns = hessian.length;
  const rows = plainRows(type, hessian, weights, decoded, blocks);
  const weightOf = (i: number): number => covariance[i * (rows.length + 1)]!;
  const eachPanel = (
    work: (row: PlainRow, feedback: Float32Array<ArrayBuffer>, first: number) => void,
  ): void => {
    for (let first = 0; first < columns; first += panel) {
      rows.forEach((row) => row.startPanel(first, Math.min(first + panel, columns)));
      rows.forEach((row, i) => work(row, feedbackOf(rows, covariance, i), first));
    }
  };
  const measured = (): number => {
    let sum = 0;
    eachPanel((row, feedback, first) => {
      const loss = feedback.reduce((total, value, k) => {
        return total + row.errors[first + k]! * (row.products[k]! + value);
      }, 0);
      sum += weightOf(rows.indexOf(row)) * loss;
    });
    return sum;
  };
  const before = measured();
  let error = before;
  for (let round = 0; round < rounds; round++) {
    rows.forEach((row) => (row.gained = 0));
    eachPanel((row, feedback) => row.improvePanel(feedback));
    const gained = rows.reduce((sum, row, i) => sum + weightOf(i) * row.gained, 0);
    if (gained <= leastGain * error) break;
    error -= gained;
  }
  if (!(measured() < before)) return decoded.slice();
  return Float32Array.from(rows.flatMap((row) => [...row.decoded()]));
}
