import { convertedSlabs, type Slab } from '../architectures/convertedRows';
import { sourcesOf, type ConvertedTensor } from '../architectures/convertedTensor';
import type { Model } from '../model/openModel';
import { loadNative, type TensorRange } from '../native';
import { nonFinite, unreadable } from './slabs';

/**
 * The bytes of a tensor as the exported file has its rows, in slabs of whole rows.
 * @throws QuantscopeError UNSUPPORTED for a source that cannot be decoded, with the reason.
 */
export function readableSlabs(
  model: Model,
  tensor: ConvertedTensor,
  signal?: AbortSignal,
): AsyncGenerator<Slab & { readonly data: Uint8Array }> {
  for (const source of sourcesOf(tensor)) if (!source.readable) throw unreadable(source);
  return convertedSlabs(model, tensor, { signal });
}

/** The weights of a tensor as float32, in the same slabs. */
export async function* decodedSlabs(
  model: Model,
  tensor: ConvertedTensor,
  signal?: AbortSignal,
): AsyncGenerator<Slab & { readonly values: Float32Array }> {
  for await (const { data, ...slab } of readableSlabs(model, tensor, signal)) {
    const values = new Float32Array(slab.weights);
    await loadNative().decode(slab.dtype, data, values, signal);
    yield { ...slab, values };
  }
}

/**
 * Extremes of the whole tensor.
 * @throws QuantscopeError MODEL_FILE naming the first weight that is not finite: such a tensor cannot be quantized.
 */
export async function convertedRange(
  model: Model,
  tensor: ConvertedTensor,
  signal?: AbortSignal,
): Promise<TensorRange> {
  let min = Infinity;
  let max = -Infinity;
  for await (const { firstWeight, reads, values } of decodedSlabs(model, tensor, signal)) {
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      if (value < min) min = value;
      if (value > max) max = value;
      if (value - value !== 0) throw nonFinite(reads[0]!.tensor, firstWeight + i, value);
    }
  }
  return { min, max };
}
