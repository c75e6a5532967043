import { QuantscopeError } from '../../model/errors';
import { floatStorage, type FloatDtype } from './floats';
import { matMulBnb4Storage } from './matMulBnb4';
import { matMulNBitsStorage, type AccuracyLevel } from './matMulNBits';
import { qdqStorage } from './qdq';
import type { MatrixChoice, MatrixStorage } from './storage';

export interface StorageOptions {
  /** Dtype of the weights that are not quantized; F32 when absent. */
  readonly floats?: FloatDtype | undefined;
  /** Arithmetic of MatMulNBits. */
  readonly accuracyLevel?: AccuracyLevel | undefined;
}

/**
 * How a matrix is stored: as chosen, or as floats.
 * @param place of the matrix, for errors.
 * @throws QuantscopeError UNSUPPORTED for a grid that the operator does not express.
 */
export function storageOf(
  choice: MatrixChoice | undefined,
  size: readonly [number, number],
  { floats = 'F32', accuracyLevel }: StorageOptions,
  place: { readonly file: string; readonly tensor: string },
): MatrixStorage {
  if (!choice) return floatStorage(floats, size);
  try {
    if (choice.storage === 'qdq') return qdqStorage(choice, size);
    if (choice.storage === 'matmulbnb4') return matMulBnb4Storage(choice, size);
    return matMulNBitsStorage(choice, size, accuracyLevel);
  } catch (cause) {
    if (!(cause instanceof QuantscopeError)) throw cause;
    throw new QuantscopeError(cause.code, cause.message, place, cause);
  }
}
