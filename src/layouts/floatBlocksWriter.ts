import { matrixOf } from '../model/rows';
import type { Grid } from '../protocol/grids';
import { said } from '../protocol/said';
import type { QuantizedRows } from '../quant/quantized';
import { compressedConfig, compressedRuntimes } from './compressedTensors';
import type { LayoutWriter, StoredTensor, WrittenWeight } from './layout';
import { bytesOf, joinedWeights, partOf, refuseGroups, scaleBytes, type WritePart } from './writing';

/** Writes what `floatBlocks.ts` reads. Rows are stored as they come. */
export const floatBlocksWriters: readonly LayoutWriter[] = [
  {
    id: 'compressed-tensors-nvfp4',
    label: 'compressed-tensors NVFP4',
    runtimes: compressedRuntimes,
    decodes: { to: 'model' },
    refuse: (weight) => refuse(weight, 16, 'F8_E4M3') ?? refuseGroups(weight, 'groups'),
    parts: (weight) => [...packedParts(weight, 'F8_E4M3'), partOf(weight, 'weight_global_scale', 'F32', [1])],
    async encode(_weight, slabs, write) {
      let global: number | undefined;
      for await (const slab of slabs) {
        await writeRows(slab, write);
        global ??= slab.globalScale;
      }
      await write(2, bytesOf(Float32Array.of(global!)));
    },
    config: (model) => compressedConfig(model, 'nvfp4-pack-quantized'),
    rareMembers: ['global'],
    sharedRanges: joinedWeights,
  },
  {
    id: 'compressed-tensors-mxfp4',
    label: 'compressed-tensors MXFP4',
    runtimes: compressedRuntimes,
    decodes: { to: 'model' },
    refuse: (weight) => refuse(weight, 32, 'F8_E8M0') ?? refuseGroups(weight, 'groups'),
    parts: (weight) => packedParts(weight, 'U8'),
    encode: encodeRows,
    config: (model) => compressedConfig(model, 'mxfp4-pack-quantized'),
  },
  {
    id: 'mxfp4',
    label: 'MXFP4 experts (gpt-oss)',
    runtimes: ['transformers', 'vLLM', 'SGLang'],
    refuse(weight) {
      const { shape } = weight;
      if (shape.length !== 3) return said`the layout stores merged experts, [experts, out, in]`;
      return refuse(weight, 32, 'F8_E8M0');
    },
    parts({ name, shape }) {
      const leading = [...shape.slice(0, -1), shape.at(-1)! / 32];
      return [
        { name: `${name}_blocks`, dtype: 'U8', shape: [...leading, 16] },
        { name: `${name}_scales`, dtype: 'U8', shape: leading },
      ];
    },
    encode: encodeRows,
    config: ({ kept }) => ({ modules_to_not_convert: kept, quant_method: 'mxfp4' }),
  },
];

const isE2m1 = ({ levels }: Grid): boolean =>
  levels.kind === 'float' && levels.exponent === 2 && levels.mantissa === 1 && levels.special === 'finite';

function refuse(
  { grid, shape, permuted }: WrittenWeight,
  block: number,
  scale: Grid['scale'],
): string | undefined {
  const isGlobal = scale === 'F8_E4M3';
  const fits =
    grid.group === block && grid.scale === scale && grid.global === (isGlobal ? 'divisor' : undefined);
  if (!isE2m1(grid) || !fits)
    return said`the layout has 4-bit floats (E2M1) in blocks of ${block} with scales of the dtype ${scale}`;
  if (permuted) return said`the layout has blocks of consecutive columns`;
  const { columns } = matrixOf(shape);
  return columns % block === 0
    ? undefined
    : said`blocks of ${block} do not divide rows of ${columns} weights`;
}

function packedParts(weight: WrittenWeight, scale: string): readonly StoredTensor[] {
  const [out = 0, columns = 0] = weight.shape;
  return [
    partOf(weight, 'weight_packed', 'U8', [out, columns / 2]),
    partOf(weight, 'weight_scale', scale, [out, columns / Number(weight.grid.group)]),
  ];
}

async function encodeRows(
  _weight: WrittenWeight,
  slabs: AsyncIterable<QuantizedRows>,
  write: WritePart,
): Promise<void> {
  for await (const slab of slabs) await writeRows(slab, write);
}

async function writeRows({ codes, scales, grid }: QuantizedRows, write: WritePart): Promise<void> {
  const bytes = new Uint8Array(codes.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = codes[2 * i]! | (codes[2 * i + 1]! << 4);
  await write(0, bytes);
  await write(1, await scaleBytes(scales, grid.scale));
}
