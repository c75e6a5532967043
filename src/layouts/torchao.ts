import type { Grid } from '../protocol/grids';
import { said } from '../protocol/said';
import type { LayoutWriter, WrittenModel, WrittenWeight } from './layout';
import { encodeRows, isE4m3, refuseScales, scaleShape } from './scaledCodesWriter';
import {
  common,
  integerBits,
  isSymmetric,
  keptModules,
  partOf,
  refuseGroups,
  torchDtype,
  type WritePart,
} from './writing';

/** A tensor class of TorchAO that weights are stored as. */
interface TensorClass {
  readonly name: string;
  /** Attributes in its order. */
  readonly attributes: (weight: WrittenWeight) => Readonly<Record<string, unknown>>;
  readonly data: readonly string[];
  /** Scales are stored in float32, whatever they were rounded to. */
  readonly wideScales?: true;
  readonly quantization: (grid: Grid) => Record<string, unknown>;
}

const torchType = (name: string): Record<string, unknown> => ({ _type: 'torch.dtype', _data: name });
const versioned = (type: string, data: object, version: number): Record<string, unknown> => ({
  _data: data,
  _type: type,
  _version: version,
});
const rows = versioned('PerRow', { dim: -1 }, 1);
const groups = (size: number): Record<string, unknown> => versioned('PerGroup', { group_size: size }, 1);

/** The part of a matrix that shares a scale. */
const blockSize = ({ grid: { group }, shape }: WrittenWeight): readonly number[] => [
  1,
  typeof group === 'number' ? group : shape[1]!,
];

const int8: TensorClass = {
  name: 'Int8Tensor',
  attributes: (weight) => ({
    act_quant_kwargs: null,
    reduce_range: false,
    block_size: blockSize(weight),
    dtype: torchType(torchDtype(weight.dtype)),
  }),
  data: ['zero_point', 'qdata', 'scale'],
  wideScales: true,
  quantization: ({ group }) =>
    versioned(
      'Int8WeightOnlyConfig',
      {
        granularity: typeof group === 'number' ? groups(group) : rows,
        group_size: null,
        set_inductor_config: true,
      },
      2,
    ),
};

const intx: TensorClass = {
  name: 'IntxUnpackedToInt8Tensor',
  attributes: (weight) => ({
    target_dtype: torchType(`int${integerBits(weight.grid)}`),
    block_size: blockSize(weight),
    dtype: torchType(torchDtype(weight.dtype)),
    activation_quantization: null,
  }),
  data: ['qdata', 'scale', 'zero_point'],
  quantization: (grid) =>
    versioned(
      'IntxWeightOnlyConfig',
      {
        granularity:
          typeof grid.group === 'number' ? groups(grid.group) : versioned('PerAxis', { axis: 0 }, 1),
        intx_choose_qparams_algorithm: { _data: 'AFFINE', _type: 'IntxChooseQParamsAlgorithm' },
        intx_packing_format: { _data: 'UNPACKED_TO_INT8', _type: 'IntxPackingFormat' },
        mapping_type: { _data: grid.zero ? 'ASYMMETRIC' : 'SYMMETRIC', _type: 'MappingType' },
        scale_dtype: null,
        weight_dtype: torchType(`int${integerBits(grid)}`),
      },
      2,
    ),
};

const float8: TensorClass = {
  name: 'Float8Tensor',
  attributes: (weight) => ({
    block_size: blockSize(weight),
    mm_config: null,
    act_quant_kwargs: null,
    kernel_preference: { _type: 'KernelPreference', _data: 'AUTO' },
    dtype: torchType(torchDtype(weight.dtype)),
  }),
  data: ['qdata', 'scale'],
  wideScales: true,
  quantization: () =>
    versioned(
      'Float8WeightOnlyConfig',
      { granularity: rows, set_inductor_config: true, weight_dtype: torchType('float8_e4m3fn') },
      2,
    ),
};

/** TorchAO's weight-only formats, which `scaledCodes.ts` reads. Rows are stored as they come. */
export const torchaoWriters: readonly LayoutWriter[] = [
  writer('torchao-int8', 'TorchAO int8 weight-only', int8, (weight) => {
    if (integerBits(weight.grid) !== 8 || !isSymmetric(weight.grid))
      return said`the layout has signed integers of 8 bits`;
    return refuseScales(weight, ['F32', 'F16', 'BF16']) ?? refuseGroups(weight, 'groups');
  }),
  writer('torchao-intx', 'TorchAO integers of 2 to 8 bits, weight-only', intx, (weight) => {
    const { levels, zero } = weight.grid;
    const isSigned = levels.kind === 'integer' && levels.signed && (zero === undefined || zero === 'integer');
    if (!isSigned) return said`the layout has signed integers, with integer zero points or without`;
    return refuseScales(weight, ['F32', 'F16', 'BF16']) ?? refuseGroups(weight, 'groups');
  }),
  writer('torchao-float8', 'TorchAO float8 weight-only', float8, (weight) => {
    if (!isE4m3(weight.grid) || weight.grid.group !== 'row')
      return said`the layout has 8-bit floats (E4M3) with scales of rows`;
    return refuseScales(weight, ['F32', 'F16', 'BF16']);
  }),
];

function writer(
  id: string,
  label: string,
  tensorClass: TensorClass,
  refuse: LayoutWriter['refuse'],
): LayoutWriter {
  const hasZeros = tensorClass.data.includes('zero_point');
  const stored = (weight: WrittenWeight): WrittenWeight =>
    tensorClass.wideScales ? { ...weight, grid: { ...weight.grid, scale: 'F32' } } : weight;
  return {
    id,
    label,
    runtimes: ['transformers', 'vLLM'],
    decodes: { to: 'model' },
    refuse,
    parts: (weight) => [
      partOf(weight, '_weight_qdata', isE4m3(weight.grid) ? 'F8_E4M3' : 'I8', weight.shape),
      partOf(weight, '_weight_scale', stored(weight).grid.scale, scaleShape(weight)),
      ...(hasZeros ? [partOf(weight, '_weight_zero_point', 'I8', scaleShape(weight))] : []),
    ],
    async encode(given, slabs, write) {
      const weight = stored(given);
      const withZeros: WritePart = async (part, bytes) => {
        await write(part, bytes);
        if (part === 1 && hasZeros && !weight.grid.zero) await write(2, zerosFor(weight, bytes));
      };
      await encodeRows(weight, slabs, withZeros);
    },
    config: (model) => config(model, tensorClass),
    metadata: (model) => metadata(model, tensorClass),
  };
}

/** Zero points of symmetric codes, one for each scale. */
const zerosFor = ({ grid: { scale } }: WrittenWeight, scales: Uint8Array): Uint8Array =>
  new Uint8Array(scales.length / (scale === 'F32' ? 4 : 2));

function config(model: WrittenModel, { quantization }: TensorClass): Record<string, unknown> {
  common(model, 'grid', ({ grid }) => JSON.stringify(grid));
  const [first] = model.weights;
  return {
    include_input_output_embeddings: false,
    modules_to_not_convert: keptModules(model),
    quant_method: 'torchao',
    quant_type: first ? { default: quantization(first.grid) } : {},
    untie_embedding_weights: false,
  };
}

/** What TorchAO restores tensors from: their names, and for each its class, attributes and data. */
function metadata(
  { weights, names }: WrittenModel,
  { name: type, attributes, data }: TensorClass,
): Readonly<Record<string, string>> {
  const byName = new Map(weights.map((weight) => [weight.name, weight]));
  const described = names.map((name) => {
    const weight = byName.get(name);
    const value = weight
      ? { _type: type, _data: attributes(weight), _tensor_data_names: data }
      : { _type: 'Tensor' };
    return [name, pythonJson(value)] as const;
  });
  return { ...Object.fromEntries(described), tensor_names: pythonJson(names) };
}

/** JSON as Python's json module writes it: a space after each colon and comma. */
function pythonJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${pythonJson(item)}`);
  return `{${entries.join(', ')}}`;
}
