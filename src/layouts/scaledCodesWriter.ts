import type { Grid } from '../protocol/grids';
import { said } from '../protocol/said';
import type { QuantizedRows } from '../quant/quantized';
import { compressedConfig, compressedRuntimes, isE4m3Levels, refuseInputs } from './compressedTensors';
import type { LayoutWriter, WrittenModel, WrittenWeight } from './layout';
import { common, integerBits, keptModules, partOf, scaleBytes, type WritePart } from './writing';

/** Writes what `scaledCodes.ts` reads. Rows are stored as they come. */
export const scaledCodesWriters: readonly LayoutWriter[] = [
  {
    id: 'compressed-tensors-int8',
    label: 'compressed-tensors int8',
    runtimes: compressedRuntimes,
    decodes: { to: 'model' },
    refuse: (weight) => refuseInt8(weight) ?? refuseScales(weight, ['F32', 'F16', 'BF16']),
    refuseInputs: refuseInputs('int'),
    parts: (weight) => [
      partOf(weight, 'weight', 'I8', weight.shape),
      partOf(weight, 'weight_scale', weight.grid.scale, scaleShape(weight)),
      ...(weight.grid.zero ? [partOf(weight, 'weight_zero_point', 'I8', scaleShape(weight))] : []),
    ],
    encode: encodeRows,
    config: (model) => compressedConfig(model, 'int-quantized'),
  },
  {
    id: 'compressed-tensors-fp8',
    label: 'compressed-tensors FP8',
    runtimes: compressedRuntimes,
    decodes: { to: 'model' },
    refuse: (weight) => refuseFp8(weight) ?? refuseScales(weight, ['F32', 'F16', 'BF16']),
    refuseInputs: refuseInputs('float'),
    parts: (weight) => [
      partOf(weight, 'weight', 'F8_E4M3', weight.shape),
      partOf(weight, 'weight_scale', weight.grid.scale, scaleShape(weight)),
    ],
    encode: encodeRows,
    config: (model) => compressedConfig(model, 'float-quantized'),
  },
  {
    id: 'fp8',
    label: 'FP8 with scales of blocks (DeepSeek)',
    runtimes: ['transformers', 'vLLM', 'SGLang'],
    refuse: (weight) => refuseFp8(weight) ?? refuseBlocks(weight) ?? refuseScales(weight, ['F32', 'F8_E8M0']),
    refuseInputs: refuseInputs('float'),
    parts: (weight) => [
      partOf(weight, 'weight', 'F8_E4M3', weight.shape),
      partOf(weight, 'weight_scale_inv', weight.grid.scale, scaleShape(weight)),
    ],
    encode: encodeRows,
    config: fp8Config,
  },
];

function refuseInt8({ grid }: WrittenWeight): string | undefined {
  const isSigned = grid.levels.kind === 'integer' && grid.levels.signed;
  if (integerBits(grid) === 8 && isSigned && grid.zero !== 'float' && grid.zero !== 'minimum')
    return undefined;
  return said`the layout has signed integers of 8 bits, with integer zero points or without`;
}

export const isE4m3 = ({ levels }: Grid): boolean => isE4m3Levels(levels);

const refuseFp8 = ({ grid }: WrittenWeight): string | undefined =>
  isE4m3(grid) ? undefined : said`the layout has 8-bit floats (E4M3)`;

function refuseBlocks({ grid: { group } }: WrittenWeight): string | undefined {
  const isBlock = typeof group === 'object' && 'rows' in group;
  return isBlock || group === 'tensor'
    ? undefined
    : said`the layout has blocks of rows and columns, or one scale`;
}

export function refuseScales(
  { grid, shape, permuted }: WrittenWeight,
  dtypes: readonly Grid['scale'][],
): string | undefined {
  const { group } = grid;
  if (!dtypes.includes(grid.scale)) return said`the layout has scales of the dtypes ${dtypes.join(', ')}`;
  if (permuted) return said`groups of permuted columns cannot be stored`;
  if (shape.length !== 2) return said`it has ${shape.length} dimensions, but only matrices are stored`;
  if (group === 'tensor' || group === 'row') return undefined;
  if (typeof group === 'object' && 'flat' in group) return 'the layout has no blocks across rows';
  const [rows, columns] = typeof group === 'number' ? [1, group] : [group.rows, group.columns];
  if (shape[0]! % rows === 0 && shape[1]! % columns === 0) return undefined;
  return said`blocks of ${rows} × ${columns} do not divide ${shape.join(' × ')} weights`;
}

/** One scale is a vector of one element, others a matrix. */
export function scaleShape({ grid: { group }, shape }: WrittenWeight): readonly number[] {
  const [out = 0, columns = 0] = shape;
  if (group === 'tensor') return [1];
  if (group === 'row') return [out, 1];
  if (typeof group === 'number') return [out, columns / group];
  return 'flat' in group ? [] : [out / group.rows, columns / group.columns];
}

export async function encodeRows(
  { grid }: WrittenWeight,
  slabs: AsyncIterable<QuantizedRows>,
  write: WritePart,
): Promise<void> {
  let isFirst = true;
  for await (const { codes, scales, zeros } of slabs) {
    await write(0, codes);
    if (isFirst || grid.group !== 'tensor') {
      await write(1, await scaleBytes(scales, grid.scale));
      if (zeros)
        await write(
          2,
          Uint8Array.from(zeros, (zero) => zero & 255),
        );
    }
    isFirst = false;
  }
}

function fp8Config(model: WrittenModel): Record<string, unknown> {
  const block = common(model, 'block size', ({ grid: { group } }) =>
    typeof group === 'object' && 'rows' in group ? `${group.rows},${group.columns}` : 'tensor',
  );
  const scale = common(model, 'dtype of scales', ({ grid }) => grid.scale);
  return {
    quant_method: 'fp8',
    modules_to_not_convert: keptModules(model),
    modules_to_convert: null,
    activation_scheme: 'dynamic',
    weight_block_size: block === undefined || block === 'tensor' ? null : block.split(',').map(Number),
    dequantize: false,
    scale_fmt: scale === 'F8_E8M0' ? 'ue8m0' : 'float',
  };
}
