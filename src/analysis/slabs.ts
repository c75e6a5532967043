import { QuantscopeError } from '../model/errors';
import type { Model } from '../model/openModel';
import { matrixOf, readRows, type RawSlab } from '../model/rows';
import { loadNative, type TensorRange } from '../native';
import type { TensorDescriptor } from '../protocol/model';

export interface DecodedSlab {
  readonly firstRow: number;
  readonly rows: number;
  /** `rows × columns`, row-major. */
  readonly values: Float32Array;
}

/**
 * The tensor's bytes in slabs of whole rows.
 * @throws QuantscopeError UNSUPPORTED for a tensor that cannot be decoded, with the reason.
 */
export function readableRows(
  model: Model,
  tensor: TensorDescriptor,
  signal?: AbortSignal,
): AsyncGenerator<RawSlab> {
  if (tensor.readable) return readRows(model, tensor, signal);
  throw unreadable(tensor);
}

export function unreadable({ unreadableReason, file, name }: TensorDescriptor): QuantscopeError {
  const message = unreadableReason ?? 'The tensor cannot be read.';
  return new QuantscopeError('UNSUPPORTED', message, { file, tensor: name });
}

/** The tensor's weights as float32, in the same slabs. */
export async function* decodeSlabs(
  model: Model,
  tensor: TensorDescriptor,
  signal?: AbortSignal,
): AsyncGenerator<DecodedSlab> {
  const native = loadNative();
  const { columns } = matrixOf(tensor.shape);
  for await (const { firstRow, rows, bytes } of readableRows(model, tensor, signal)) {
    const values = new Float32Array(rows * columns);
    await native.decode(tensor.dtype, bytes, values, signal);
    yield { firstRow, rows, values };
  }
}

/**
 * Extremes of the whole tensor.
 * @throws QuantscopeError MODEL_FILE naming the first weight that is not finite: such a tensor cannot be quantized.
 */
export async function tensorRange(
  model: Model,
  tensor: TensorDescriptor,
  signal?: AbortSignal,
): Promise<TensorRange> {
  let min = Infinity;
  let max = -Infinity;
  const { columns } = matrixOf(tensor.shape);
  for await (const { firstRow, values } of decodeSlabs(model, tensor, signal)) {
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      if (value < min) min = value;
      if (value > max) max = value;
      if (value - value !== 0) throw nonFinite(tensor, firstRow * columns + i, value);
    }
  }
  return { min, max };
}

export function nonFinite(tensor: TensorDescriptor, index: number, value: number): QuantscopeError {
  const message = `Weight ${index} is ${Number.isNaN(value) ? 'NaN' : 'infinite'}; it cannot be quantized.`;
  return new QuantscopeError('MODEL_FILE', message, {
    file: tensor.file,
    tensor: tensor.name,
    offset: tensor.offset,
  });
}
