import { ggmlRowBytes } from './dtypes';
import type { TensorDescriptor } from '../protocol/model';

/** A tensor as a matrix: leading dimensions flattened into rows; a vector is one row, a scalar one weight. */
export function matrixOf(shape: readonly number[]): { rows: number; columns: number } {
  const columns = shape[shape.length - 1] ?? 1;
  const rows = shape.slice(0, -1).reduce((product, size) => product * size, 1);
  return { rows, columns };
}

/** Longer rows are processed in parts. Published models have none. */
export const maxRowWeights = 1 << 20;

/**
 * Weights of such a part; the last one is shorter. No block of a type, and no group of a format whose groups are parts of rows,
 * crosses a cut, as their sizes divide it.
 */
export const partWeights = 1 << 16;

/**
 * What reads of a tensor give: the data that its files hold; where a layout decodes it float32, or blocks of ggml or what these are multiplied
 * by.
 */
export function readAs({ dtype, byteLength, elements, stored }: TensorDescriptor): {
  readonly dtype: string;
  readonly bytes: number;
} {
  if (!stored) return { dtype, bytes: byteLength };
  if (stored.reads === 'blocks' && stored.blocks)
    return { dtype: stored.blocks, bytes: ggmlRowBytes(stored.blocks, elements) };
  return { dtype: 'F32', bytes: 4 * elements };
}

/** The same weight for reads of its codes and scales as blocks of ggml; undefined where no type has both. */
export function inBlocks(tensor: TensorDescriptor): TensorDescriptor | undefined {
  const { stored } = tensor;
  return stored?.blocks ? { ...tensor, stored: { ...stored, reads: 'blocks' } } : undefined;
}

/** The factor of a weight whose blocks have one, as a tensor of a single float32. */
export function factorOf(tensor: TensorDescriptor): TensorDescriptor | undefined {
  const { stored } = tensor;
  if (!stored?.hasFactor) return undefined;
  return { ...tensor, dtype: 'F32', shape: [1], elements: 1, stored: { ...stored, reads: 'factor' } };
}
