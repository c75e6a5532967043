import type { Grid } from '../protocol/grids';
import type { ActivationRecipe, Recipe } from '../protocol/recipe';
import { said } from '../protocol/said';
import {
  awq,
  bitsandbytes4bit,
  bitsandbytes8bit,
  compressedFloat8,
  compressedIntegers,
  compressedMx,
  compressedNvfp4,
  e4m3,
  eetq,
  float8Blocks,
  gptq,
  torchaoFloat8,
  torchaoInt8,
  torchaoIntegers,
} from '../quant/grids/libraries';

interface Preset extends Pick<Recipe, 'id' | 'label' | 'description' | 'layout'> {
  readonly grid: Grid;
  /** Rounding to nearest where it is absent. */
  readonly method?: string;
  readonly activations?: ActivationRecipe;
  /** The library computes in the dtype of the weights. */
  readonly weightDtype?: true;
}

const gptqText = (what: string): string =>
  said`${what}; codes are found column by column with the Hessian of the inputs (GPTQ).`;

const bitsandbytes: readonly Preset[] = [
  {
    ...{ id: 'bnb-int8', label: 'bitsandbytes LLM.int8', layout: 'bitsandbytes-8bit' },
    description: said`int8 with the absmax of each row; the library computes columns of outlier inputs in half precision.`,
    grid: bitsandbytes8bit,
  },
  {
    ...{ id: 'bnb-nf4', label: 'bitsandbytes NF4', layout: 'bitsandbytes-4bit' },
    description: said`NormalFloat of 4 bits in blocks of 64, one float32 absmax for each (QLoRA).`,
    grid: bitsandbytes4bit('nf4', 64),
  },
  {
    ...{ id: 'bnb-nf4-dq', label: 'bitsandbytes NF4, double quantization', layout: 'bitsandbytes-4bit' },
    description: said`NormalFloat of 4 bits in blocks of 64 whose scales are quantized to 8 bits (QLoRA).`,
    grid: bitsandbytes4bit('nf4', 64, { nested: true }),
  },
  {
    ...{ id: 'bnb-fp4', label: 'bitsandbytes FP4', layout: 'bitsandbytes-4bit' },
    description: said`Floats of 4 bits in blocks of 64, one float32 absmax for each.`,
    grid: bitsandbytes4bit('fp4', 64),
  },
];

const gptqInt = (bits: number, group: number): Preset => ({
  ...{
    id: `gptq-int${bits}-g${group}`,
    label: `GPTQ int${bits}, group ${group}`,
    layout: 'gptq',
    method: 'gptq',
  },
  description: gptqText(said`Symmetric int${bits} in groups of ${group}`),
  grid: gptq(bits, group, true),
});

const calibrated: readonly Preset[] = [
  ...[gptqInt(4, 128), gptqInt(4, 32), gptqInt(3, 128), gptqInt(8, 128), gptqInt(2, 64)],
  {
    ...{ id: 'gptq-v2-int4-g128', label: 'GPTQ v2 int4, group 128', layout: 'gptq-v2', method: 'gptq' },
    description: gptqText(said`Asymmetric int4 in groups of 128 with true zero points`),
    grid: gptq(4, 128, false),
  },
  {
    ...{ id: 'awq-int4-g128', label: 'AWQ int4, group 128', layout: 'awq', method: 'awq' },
    description: said`Asymmetric int4 in groups of 128; channels of large inputs are scaled up before, and their inputs down (AWQ).`,
    grid: awq(4, 128),
  },
  {
    ...{ id: 'marlin-int4-g128', label: 'Marlin int4, group 128', layout: 'marlin', method: 'gptq' },
    description: gptqText(said`Symmetric int4 in groups of 128, in the order of Marlin's kernels`),
    grid: gptq(4, 128, true),
  },
];

const int8: ActivationRecipe['levels'] = { kind: 'integer', bits: 8, signed: true };

const compressedTensors: readonly Preset[] = [
  {
    ...{ id: 'w4a16', label: 'W4A16 (compressed-tensors)', layout: 'compressed-tensors-pack' },
    description: said`Symmetric int4 in groups of 128.`,
    ...{ grid: compressedIntegers(4, 128), weightDtype: true },
  },
  {
    ...{ id: 'w8a16', label: 'W8A16 (compressed-tensors)', layout: 'compressed-tensors-pack' },
    description: said`Symmetric int8 in groups of 128.`,
    ...{ grid: compressedIntegers(8, 128), weightDtype: true },
  },
  {
    ...{ id: 'w8a8', label: 'W8A8 int8 (compressed-tensors)', layout: 'compressed-tensors-int8' },
    description: said`int8 per row; the runtime rounds inputs to int8 per token.`,
    ...{
      grid: compressedIntegers(8, 'row'),
      weightDtype: true,
      activations: { levels: int8, scale: 'token' },
    },
  },
  {
    ...{ id: 'fp8-dynamic', label: 'FP8 per row (compressed-tensors)', layout: 'compressed-tensors-fp8' },
    description: said`E4M3 per row; the runtime rounds inputs to E4M3 per token.`,
    ...{ grid: compressedFloat8('row'), weightDtype: true, activations: { levels: e4m3, scale: 'token' } },
  },
  {
    ...{ id: 'nvfp4', label: 'NVFP4 (compressed-tensors)', layout: 'compressed-tensors-nvfp4' },
    description: said`E2M1 in groups of 16 with E4M3 scales, times a float32 scale of the tensor.`,
    ...{ grid: compressedNvfp4(), weightDtype: true },
  },
  {
    ...{ id: 'mxfp4', label: 'MXFP4 (compressed-tensors)', layout: 'compressed-tensors-mxfp4' },
    description: said`E2M1 in groups of 32 with powers of two as scales.`,
    ...{ grid: compressedMx('fp4'), weightDtype: true },
  },
];

const others: readonly Preset[] = [
  {
    ...{ id: 'fp8-block', label: 'FP8 blocks (DeepSeek)', layout: 'fp8' },
    description: said`E4M3 in blocks of 128 × 128 with float32 scales; the runtime rounds inputs to E4M3.`,
    grid: float8Blocks({ rows: 128, columns: 128 }),
    activations: { levels: e4m3, scale: 'token' },
  },
  {
    ...{ id: 'eetq-int8', label: 'EETQ int8', layout: 'eetq' },
    description: said`int8 per row with half-precision scales, in the order of its kernels.`,
    grid: eetq,
  },
  {
    ...{ id: 'torchao-int8wo', label: 'TorchAO int8, weight-only', layout: 'torchao-int8' },
    description: said`int8 per row.`,
    ...{ grid: torchaoInt8('row', 'BF16'), weightDtype: true },
  },
  {
    ...{ id: 'torchao-int4wo', label: 'TorchAO int4, weight-only', layout: 'torchao-intx' },
    description: said`Symmetric int4 in groups of 128, one code in each byte.`,
    ...{ grid: torchaoIntegers(4, 128, 'BF16'), weightDtype: true },
  },
  {
    ...{ id: 'torchao-float8wo', label: 'TorchAO float8, weight-only', layout: 'torchao-float8' },
    description: said`E4M3 per row.`,
    ...{ grid: torchaoFloat8('BF16'), weightDtype: true },
  },
];

const checkpoint = ({
  id,
  label,
  description,
  layout,
  grid,
  method,
  activations,
  weightDtype,
}: Preset): Recipe => ({
  ...{ version: 1, id, label, description, layout, target: 'checkpoint' },
  rules: [
    {
      grid,
      ...(weightDtype ? { weightDtype } : {}),
      ...(method === undefined ? {} : { method: { id: method } }),
    },
  ],
  ...(activations ? { activations } : {}),
});

/** Presets of llama.cpp that lists show; a recipe file can name any other. */
const ggufTypes = ['Q8_0', 'Q6_K', 'Q5_K_M', 'Q4_K_M', 'Q3_K_M', 'Q2_K'];

const gguf = (fileType: string): Recipe => ({
  ...{ version: 1, id: `gguf-${fileType.toLowerCase()}`, label: `GGUF ${fileType}` },
  description: said`A GGUF file with llama.cpp's mixture ${fileType}.`,
  ...{ layout: 'gguf', target: 'gguf', fileType, rules: [] },
});

/** Recipes by the names that people give them, in the order in which lists show them. Adding a row adds a preset. */
export const presets: readonly Recipe[] = [
  ...[...bitsandbytes, ...calibrated, ...compressedTensors, ...others].map(checkpoint),
  ...ggufTypes.map(gguf),
];
