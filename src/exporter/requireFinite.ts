import { QuantscopeError } from '../model/errors';
import type { ErrorSums } from '../native';
import type { TensorDescriptor } from '../protocol/model';

/**
 * Scales beyond the range of their dtype decode to infinities and NaN, which no file may hold.
 * @param sums over weights so far, and what they decode to.
 * @param format that they are quantized to.
 * @throws QuantscopeError REQUEST naming the tensor.
 */
export function requireFinite(
  { decoded }: ErrorSums,
  { file, name, offset }: TensorDescriptor,
  format: string,
): void {
  if (Number.isFinite(decoded)) return;
  const message = `Weights are too large for ${format}: decoded weights would not be finite.`;
  throw new QuantscopeError('REQUEST', message, { file, tensor: name, offset });
}
