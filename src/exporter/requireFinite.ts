import { QuantscopeError } from '../model/errors';
import { loadNative, type ErrorSums } from '../native';
import type { TensorDescriptor } from '../protocol/model';
import { said } from '../protocol/said';

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
  const message = said`Weights are too large for ${format}: decoded weights would not be finite.`;
  throw new QuantscopeError('REQUEST', message, { file, tensor: name, offset });
}

/** The smallest magnitudes that round to infinity. */
const beyond = { F16: (2 - 2 ** -11) * 2 ** 15, BF16: (2 - 2 ** -8) * 2 ** 127 } as const;

/**
 * Weights may be finite as codes and scales, and not in the dtype that the reader of a file decodes them to.
 * @param decoded finite weights.
 * @throws QuantscopeError REQUEST naming the tensor.
 */
export async function requireRange(
  decoded: Float32Array,
  dtype: keyof typeof beyond,
  { file, name, offset }: TensorDescriptor,
  signal?: AbortSignal,
): Promise<void> {
  const bytes = new Uint8Array(decoded.buffer, decoded.byteOffset, decoded.byteLength);
  const { min, max } = await loadNative().measureRange('F32', bytes, signal);
  if (Math.max(-min, max) < beyond[dtype]) return;
  const message = said`Weights are too large for a layout that decodes to ${dtype}: decoded weights would not be finite.`;
  throw new QuantscopeError('REQUEST', message, { file, tensor: name, offset });
}
