import type { Grid } from '../protocol/grids';
import type { ActivationRecipe } from '../protocol/recipe';
import { said } from '../protocol/said';
import type { LayoutWriter, WrittenModel, WrittenWeight } from './layout';
import { integerBits, isSymmetric, moduleOf } from './writing';

/** Formats of compressed-tensors, as its configuration names them. */
export type CompressedFormat =
  'pack-quantized' | 'int-quantized' | 'float-quantized' | 'nvfp4-pack-quantized' | 'mxfp4-pack-quantized';

export const compressedRuntimes: LayoutWriter['runtimes'] = ['transformers', 'vLLM', 'SGLang'];

/** The version of the library whose configuration is written. */
const version = '0.18.0';

/** `quantization_config` of compressed-tensors: one group for each grid; the most frequent one is that of all linear layers. */
export function compressedConfig(model: WrittenModel, format: CompressedFormat): Record<string, unknown> {
  const groups = new Map<string, WrittenWeight[]>();
  for (const weight of model.weights) {
    const key = JSON.stringify([weight.grid, weight.permuted]);
    groups.set(key, [...(groups.get(key) ?? []), weight]);
  }
  const largestFirst = [...groups.values()].sort((a, b) => b.length - a.length);
  const described = largestFirst.map((weights, i) => {
    const targets = i === 0 ? ['Linear'] : weights.map(moduleOf);
    return [`group_${i}`, groupConfig(weights[0]!, targets, format, model.recipe.activations)] as const;
  });
  return {
    config_groups: Object.fromEntries(described),
    format,
    global_compression_ratio: null,
    ignore: model.kept,
    kv_cache_scheme: null,
    quant_method: 'compressed-tensors',
    quantization_status: 'compressed',
    sparsity_config: {},
    transform_config: {},
    version,
  };
}

const groupConfig = (
  weight: WrittenWeight,
  targets: readonly string[],
  format: CompressedFormat,
  activations: ActivationRecipe | undefined,
): Record<string, unknown> => ({
  format,
  input_activations: activations ? inputs(weight, activations) : null,
  output_activations: null,
  targets,
  weights: argumentsOf({
    ...strategyOf(weight.grid),
    actorder: weight.permuted ? 'group' : null,
    dynamic: false,
    num_bits: bitsOf(weight.grid),
    observer: 'memoryless_minmax',
    scale_dtype: scaleDtypes[format] ?? null,
    symmetric: weight.grid.zero === undefined,
    type: weight.grid.levels.kind === 'float' ? 'float' : 'int',
    zp_dtype: weight.grid.zero === undefined ? null : 'torch.int8',
  }),
});

/** All arguments that the library writes, with its defaults. */
const argumentsOf = (stated: Readonly<Record<string, unknown>>): Record<string, unknown> => ({
  actorder: null,
  block_structure: null,
  dynamic: false,
  group_size: null,
  num_bits: 8,
  observer: null,
  observer_kwargs: {},
  scale_dtype: null,
  strategy: null,
  symmetric: true,
  type: 'int',
  zp_dtype: null,
  ...stated,
});

const scaleDtypes: Readonly<Partial<Record<CompressedFormat, string>>> = {
  'nvfp4-pack-quantized': 'torch.float8_e4m3fn',
  'mxfp4-pack-quantized': 'torch.uint8',
};

function bitsOf({ levels }: Grid): number {
  if (levels.kind === 'float') return 1 + levels.exponent + levels.mantissa;
  return levels.kind === 'integer' ? levels.bits : 4;
}

function strategyOf({ group, global }: Grid): Record<string, unknown> {
  if (group === 'tensor') return { strategy: 'tensor' };
  if (group === 'row') return { strategy: 'channel' };
  if (typeof group === 'number') return { strategy: global ? 'tensor_group' : 'group', group_size: group };
  if ('flat' in group) throw new TypeError('compressed-tensors has no blocks across rows');
  return { strategy: 'block', block_structure: [group.rows, group.columns] };
}

/** Why inputs cannot be rounded to integers or floats of 8 bits, as the format of the weights has it; undefined where they can. */
export const refuseInputs =
  (type: 'int' | 'float') =>
  ({ levels }: ActivationRecipe): string | undefined => {
    if (type === 'float')
      return isE4m3Levels(levels) ? undefined : said`its runtimes round inputs to 8-bit floats (E4M3)`;
    const fits = levels.kind === 'integer' && levels.bits === 8 && levels.signed;
    return fits ? undefined : said`its runtimes round inputs to signed integers of 8 bits`;
  };

export const isE4m3Levels = (levels: Grid['levels']): boolean =>
  levels.kind === 'float' &&
  levels.exponent === 4 &&
  levels.mantissa === 3 &&
  levels.special === 'nan' &&
  (levels.bias ?? 7) === 7;

/** Inputs are rounded while the model runs, with a scale for each token, in groups where weights have blocks, or for all tokens. */
function inputs({ grid }: WrittenWeight, { levels, scale }: ActivationRecipe): Record<string, unknown> {
  const isBlock = typeof grid.group === 'object' && 'columns' in grid.group ? grid.group.columns : undefined;
  const perToken = isBlock === undefined ? { strategy: 'token' } : { strategy: 'group', group_size: isBlock };
  return argumentsOf({
    ...(scale === 'token' ? perToken : { strategy: 'tensor' }),
    dynamic: true,
    num_bits: 8,
    type: levels.kind === 'float' ? 'float' : 'int',
  });
}

/** Whether a grid has integers that compressed-tensors stores as signed: symmetric ones, or such with zero points. */
export const isCompressedInteger = (grid: Grid): boolean =>
  integerBits(grid) !== undefined && (isSymmetric(grid) || grid.zero === 'integer');
