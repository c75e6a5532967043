import { QuantscopeError } from '../../model/errors';
import type { MatrixTask } from './method';
import { said } from '../../protocol/said';

/** A matrix whose inputs a method needs to know. */
type Matrix = Pick<MatrixTask, 'name' | 'shape' | 'evidence'>;

/** @throws QuantscopeError REQUEST without XᵀX of its inputs, `[columns, columns]`. */
export function requireHessian(matrix: Matrix, method: string): Float64Array {
  const { hessian } = matrix.evidence;
  const columns = matrix.shape[1];
  if (hessian?.length === columns * columns) return hessian;
  throw missing(matrix, method, hessian ? said`a Hessian of ${columns} × ${columns}` : said`a Hessian`);
}

/** @throws QuantscopeError REQUEST without rows of its inputs, `[samples, columns]`. */
export function requireInputs(matrix: Matrix, method: string): Float32Array {
  const { inputs } = matrix.evidence;
  if (inputs && inputs.length > 0 && inputs.length % matrix.shape[1] === 0) return inputs;
  throw missing(matrix, method, 'samples');
}

/** @throws QuantscopeError REQUEST without the mean x² of its inputs, `[columns]`. */
export function requireImportance(matrix: Matrix, method: string): Float32Array {
  const { importance } = matrix.evidence;
  if (importance?.length === matrix.shape[1]) return importance;
  throw missing(matrix, method, said`the importance`);
}

/** @throws QuantscopeError REQUEST without max|x| of its inputs, `[columns]`. */
export function requireLargest(matrix: Matrix, method: string): Float32Array {
  const { largest } = matrix.evidence;
  if (largest?.length === matrix.shape[1]) return largest;
  throw missing(matrix, method, said`the largest magnitudes`);
}

function missing({ name }: Matrix, method: string, what: string): QuantscopeError {
  const message = said`${method} needs ${what} of the inputs of ${name ?? 'the matrix'}: calibrate on a text first.`;
  return new QuantscopeError('REQUEST', message, name === undefined ? {} : { tensor: name });
}
