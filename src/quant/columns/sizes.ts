import { loadNative } from '../../native';
import type { GgmlQuantType } from '../../protocol/ggmlTypes';
import { factorType, readFactors, writeFactors } from '../blockFactors';
import { encodeBlocks } from '../codec';
import type { BlockPlan } from './blocks';
import { isLattice } from './latticeTypes';
import { isAsGood, lossesOf } from './quantizeColumns';

/**
 * Scales rows of blocks on lattices so that their outputs have the size that those of the weights have in the mean: w·H·v = w·H·w. Rows v that fit w by
 * least squares are smaller: v·H·w = v·H·v < w·H·w. With four bits that is a thousandth, which other types leave; with two bits it is hundredths of the outputs, most of it where
 * inputs are rare, and matrices in a row multiply that. A row stays as it is where its error would become larger than with the codes of the type's encoder.
 * @param values `[rows, columns]`. @param blocks of these rows, changed in place.
 */
export async function restoreSizes(
  type: GgmlQuantType,
  { factor, importance }: BlockPlan,
  values: Float32Array,
  blocks: Uint8Array,
  signal?: AbortSignal,
): Promise<void> {
  const form = factorType(type);
  if (!form || !isLattice(type)) return;
  const decode = async (from: Uint8Array): Promise<Float32Array> => {
    const decoded = new Float32Array(values.length);
    await loadNative().decode(type, from, decoded, signal);
    return decoded;
  };
  const { codes } = await encodeBlocks(type, values, factor.columns, { importance, signal });
  const encoded = await lossesOf(factor, values, await decode(codes), signal);
  const decoded = await decode(blocks);
  const zeros = new Float32Array(values.length);
  const whole = await lossesOf(factor, values, zeros, signal);
  const kept = await lossesOf(factor, decoded, zeros, signal);
  const lost = await lossesOf(factor, values, decoded, signal);
  const scales = whole.map((own, row) => {
    const product = (own + kept[row]! - lost[row]!) / 2;
    const scale = own / product;
    const loss = own - 2 * scale * product + scale * scale * kept[row]!;
    return scale > 1 && isAsGood(loss, encoded[row]!) ? scale : 1;
  });
  const factors = await readFactors(form, blocks);
  const perRow = factors.length / scales.length;
  await writeFactors(
    form,
    blocks,
    factors.map((own, i) => own * scales[Math.floor(i / perRow)]!),
  );
}
