import { loadNative } from '../native';
import type { FactorType } from '../quant/blockFactors';

/**
 * Gradients with respect to the logarithms of the factors: Σ over the block of the gradient of each weight times the part that is
 * proportional to the factor.
 * @param gradient of the weights that the blocks decode to.
 * @returns `[blocks, factors]`.
 */
export async function factorGradients(
  form: FactorType,
  blocks: Uint8Array,
  gradient: Float32Array,
): Promise<Float32Array> {
  const { type, block, places: at } = form;
  const native = loadNative();
  const weights = new Float32Array(gradient.length);
  await native.decode(type, blocks, weights);
  const all = await native.blockProducts(gradient, weights, block);
  if (at.length === 1) return all;
  const scaled = new Float32Array(gradient.length);
  await native.decode(type, withoutMinimum(form, blocks), scaled);
  const ofScale = await native.blockProducts(gradient, scaled, block);
  return Float32Array.from({ length: 2 * all.length }, (_, i) => {
    const own = ofScale[i >> 1]!;
    return i % 2 === 0 ? own : all[i >> 1]! - own;
  });
}

function withoutMinimum({ bytes, places: at }: FactorType, blocks: Uint8Array): Uint8Array {
  const changed = blocks.slice();
  for (let start = at[1]!; start < changed.length; start += bytes) changed.fill(0, start, start + 2);
  return changed;
}
