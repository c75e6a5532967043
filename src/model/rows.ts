import type { TensorDescriptor } from '../protocol/model';
import { throwIfCancelled } from './errors';
import type { Model } from './openModel';

/** Bytes of weights, as float32, that are worked on at a time. */
export const slabBytes = 32 * 1024 * 1024;

/** A tensor as a matrix: leading dimensions flattened into rows; a vector is one row, a scalar one weight. */
export function matrixOf(shape: readonly number[]): { rows: number; columns: number } {
  const columns = shape[shape.length - 1] ?? 1;
  const rows = shape.slice(0, -1).reduce((product, size) => product * size, 1);
  return { rows, columns };
}

export interface RawSlab {
  readonly firstRow: number;
  readonly rows: number;
  readonly bytes: Uint8Array;
}

/**
 * The tensor's bytes in slabs of whole rows whose float32 values take at most `slabBytes` (one row at least).
 * Yields nothing for an empty tensor.
 */
export async function* readRows(
  model: Model,
  tensor: TensorDescriptor,
  signal?: AbortSignal,
): AsyncGenerator<RawSlab> {
  const { rows, columns } = matrixOf(tensor.shape);
  if (tensor.elements === 0) return;
  const rowBytes = tensor.byteLength / rows;
  const perSlab = Math.max(1, Math.floor(slabBytes / (4 * columns)));
  for (let firstRow = 0; firstRow < rows; firstRow += perSlab) {
    throwIfCancelled(signal);
    const count = Math.min(perSlab, rows - firstRow);
    const bytes = await model.read(tensor, firstRow * rowBytes, count * rowBytes, signal);
    yield { firstRow, rows: count, bytes };
  }
}
