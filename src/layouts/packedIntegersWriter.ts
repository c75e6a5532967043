import type { QuantizedRows } from '../quant/quantized';
import { compressedConfig, compressedRuntimes, isCompressedInteger } from './compressedTensors';
import type { LayoutWriter, StoredTensor, WrittenWeight } from './layout';
import {
  bytesOf,
  fieldsOf,
  packLines,
  partOf,
  refuseGroups,
  scaleBytes,
  transposeInto,
  withRows,
  zeroFields,
  type WritePart,
  packedSizes,
} from './writing';
import { said } from '../protocol/said';

/** Writes what `packedIntegers.ts` reads. Rows are stored as they come; zero points, which are packed along out, are held in memory. */
export const packedIntegersWriter = (): LayoutWriter => ({
  id: 'compressed-tensors-pack',
  label: 'compressed-tensors packed integers',
  runtimes: compressedRuntimes,
  decodes: { to: 'model' },
  refuse,
  parts,
  encode,
  config: (model) => compressedConfig(withRows(model), 'pack-quantized'),
});

function refuse(weight: WrittenWeight): string | undefined {
  const { grid } = weight;
  if (!isCompressedInteger(grid))
    return said`the layout has integers of 2 to 8 bits, signed or with zero points`;
  if (!['F32', 'F16', 'BF16'].includes(grid.scale))
    return said`the layout has scales of the dtypes F32, F16 and BF16`;
  return refuseGroups(weight, 'groups');
}

function parts(weight: WrittenWeight): readonly StoredTensor[] {
  const { out, columns, groups, words, zeroWords } = packedSizes(weight);
  const { zero, scale } = weight.grid;
  return [
    partOf(weight, 'weight_packed', 'I32', [out, words]),
    partOf(weight, 'weight_scale', scale, [out, groups]),
    partOf(weight, 'weight_shape', 'I64', [2]),
    ...(zero ? [partOf(weight, 'weight_zero_point', 'I32', [zeroWords, groups])] : []),
    ...(weight.permuted ? [partOf(weight, 'weight_g_idx', 'I32', [columns])] : []),
  ];
}

async function encode(
  weight: WrittenWeight,
  slabs: AsyncIterable<QuantizedRows>,
  write: WritePart,
): Promise<void> {
  const { out, columns, bits, groups, words, zeroWords } = packedSizes(weight);
  const { zero, scale } = weight.grid;
  const zeros = new Uint8Array(zero ? groups * out : 0);
  let order: Int32Array | undefined;
  let row = 0;
  for await (const slab of slabs) {
    const packed = new Uint32Array(slab.rows * words);
    packLines(fieldsOf(slab), columns, bits, { words: packed, perLine: words, perWord: 1 });
    await write(0, bytesOf(packed));
    await write(1, await scaleBytes(slab.scales, scale));
    if (zero) transposeInto(zeros, out, zeroFields(slab), slab.rows, row);
    order ??= slab.groupOfColumn?.slice();
    row += slab.rows;
  }
  await write(2, bytesOf(BigInt64Array.of(BigInt(out), BigInt(columns))));
  let next = 3;
  if (zero) {
    const packed = new Uint32Array(zeroWords * groups);
    packLines(zeros, out, bits, { words: packed, perLine: 1, perWord: groups });
    await write(next++, bytesOf(packed));
  }
  if (weight.permuted) await write(next, bytesOf(order!));
}
