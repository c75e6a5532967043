import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import type { TensorDescriptor } from '../../protocol/model';
import { said } from '../../protocol/said';
import type { TensorTransform } from '../../quant/transforms';
import { encodeFloats, readRows } from './readRows';

/** The bias of a linear layer, by the name of its weight; undefined for a tensor that is not one. */
export const biasOf = (weight: string): string | undefined =>
  weight.endsWith('.weight') ? weight.replace(/weight$/, 'bias') : undefined;

export interface KeptOptions {
  /** F32, F16 or BF16. */
  readonly dtype: string;
  readonly transform?: TensorTransform | undefined;
  /** Added to a bias: one value for each output of its layer. */
  readonly correction?: Float32Array | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A tensor that is not quantized, with what changes it, as bytes of another dtype.
 * @throws QuantscopeError MODEL_FILE where a weight is not finite in that dtype, IO, CANCELLED.
 */
export async function* keptRows(
  model: Model,
  tensor: TensorDescriptor,
  { dtype, transform, correction, signal }: KeptOptions,
): AsyncGenerator<{ readonly bytes: Uint8Array; readonly weights: number }> {
  for await (const { firstRow, rows, values } of readRows(model, tensor, { transform, signal })) {
    correction?.forEach((value, i) => (values[i]! += value));
    const bytes = await encodeFloats(values, dtype, signal);
    if (!bytes) {
      const message = said`A weight of rows ${firstRow} to ${firstRow + rows - 1} is not finite in ${dtype}.`;
      const { file, name, offset } = tensor;
      throw new QuantscopeError('MODEL_FILE', message, { file, tensor: name, offset });
    }
    yield { bytes, weights: values.length };
  }
}
