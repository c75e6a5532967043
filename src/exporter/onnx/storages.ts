import { QuantscopeError } from '../../model/errors';
import { floatStorage, type FloatDtype } from './floats';
import { matMulBnb4Storage } from './matMulBnb4';
import { matMulNBitsStorage, type AccuracyLevel } from './matMulNBits';
import { qdqStorage } from './qdq';
import { transposedQdqStorage } from './qdqTransposed';
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
    return codeStorage(choice, size, accuracyLevel);
  } catch (cause) {
    if (!(cause instanceof QuantscopeError)) throw cause;
    throw new QuantscopeError(cause.code, cause.message, place, cause);
  }
}

function codeStorage(
  choice: MatrixChoice,
  size: readonly [number, number],
  accuracyLevel: AccuracyLevel | undefined,
): MatrixStorage {
  switch (choice.storage) {
    case 'qdq':
      return isIntegerProduct(choice) ? transposedQdqStorage(choice, size) : qdqStorage(choice, size);
    case 'qdq-fusable':
      return transposedQdqStorage(choice, size);
    case 'matmulnbits':
      return matMulNBitsStorage(choice, size, accuracyLevel);
    case 'matmulbnb4':
      return matMulBnb4Storage(choice, size);
  }
}

/**
 * Whether a runtime can multiply codes of inputs with codes of weights. ONNX Runtime also replaces products whose weights have scales of
 * groups, by an operator that uses only some of the scales: those must not look like this.
 */
function isIntegerProduct({ grid: { levels, group }, input }: MatrixChoice): boolean {
  const isWhole = group === 'row' || group === 'tensor';
  return (
    input !== undefined && input.type !== 'F8_E4M3' && levels.kind === 'integer' && levels.bits > 4 && isWhole
  );
}
