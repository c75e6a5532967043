import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { WrittenModel, WrittenWeight } from '../../../src/layouts/layout';
import { openModel } from '../../../src/layouts/openModel';
import { quantizedReader } from '../../../src/layouts/quantizedReader';
import { writerNamed } from '../../../src/recipes/writers';
import type { ActivationRecipe, Recipe } from '../../../src/protocol/recipe';
import { hasSharedData, sharedData } from '../../support/files';
import { checkpoint, renamed, slabsOf, tensorsOf, written, type StoredBytes } from '../../support/layouts';

const reference = join(sharedData, 'reference');
const e4m3 = { kind: 'float', exponent: 4, mantissa: 3, special: 'nan' } as const;
const int8 = { kind: 'integer', bits: 8, signed: true } as const;

interface Case {
  readonly folder: string;
  readonly writer: string;
  readonly activations?: ActivationRecipe;
  /** What users choose, or what the library says of itself. */
  readonly differs?: readonly string[];
  /** The module that is not quantized; `lm_head` where it is absent. */
  readonly kept?: readonly string[];
  /** Tensors of the module that the weight is not made of: scales of inputs. */
  readonly others?: RegExp;
}

const meta = ['meta'];
const cases: readonly Case[] = [
  { folder: 'bitsandbytes/folders/llm-int8', writer: 'bitsandbytes-8bit' },
  {
    folder: 'bitsandbytes/folders/nf4',
    writer: 'bitsandbytes-4bit',
    differs: ['bnb_4bit_compute_dtype'],
  },
  { folder: 'bitsandbytes/folders/nf4-double-quant', writer: 'bitsandbytes-4bit' },
  { folder: 'bitsandbytes/folders/nf4-storage-bf16', writer: 'bitsandbytes-4bit-bf16' },
  { folder: 'gptqmodel/folders/gptq-2bit-g32-asym', writer: 'gptq', differs: meta },
  { folder: 'gptqmodel/folders/gptq-3bit-g32-sym', writer: 'gptq', differs: meta },
  { folder: 'gptqmodel/folders/gptq-4bit-g128-sym', writer: 'gptq', differs: meta },
  { folder: 'gptqmodel/folders/gptq-4bit-g32-asym', writer: 'gptq', differs: meta },
  { folder: 'gptqmodel/folders/gptq-4bit-g32-desc_act', writer: 'gptq', differs: meta },
  {
    folder: 'gptqmodel/folders/gptq-4bit-g32-dynamic',
    writer: 'gptq',
    differs: [...meta, 'dynamic'],
    kept: ['lm_head', 'model.layers.0.mlp.down_proj', 'model.layers.1.mlp.down_proj'],
  },
  { folder: 'gptqmodel/folders/gptq-8bit-g32-sym', writer: 'gptq', differs: meta },
  { folder: 'gptqmodel/folders/gptq_v2-4bit-g32-asym', writer: 'gptq-v2', differs: meta },
  { folder: 'autoawq/folders/gemm-4bit-g128-rtn', writer: 'awq' },
  { folder: 'autoawq/folders/gemm-4bit-g32-scaled', writer: 'awq' },
  {
    folder: 'compressed-tensors/folders/FP8_BLOCK',
    writer: 'compressed-tensors-fp8',
    activations: { levels: e4m3, scale: 'token' },
  },
  {
    folder: 'compressed-tensors/folders/FP8_DYNAMIC',
    writer: 'compressed-tensors-fp8',
    activations: { levels: e4m3, scale: 'token' },
  },
  { folder: 'compressed-tensors/folders/MXFP4A16', writer: 'compressed-tensors-mxfp4' },
  { folder: 'compressed-tensors/folders/NVFP4A16', writer: 'compressed-tensors-nvfp4' },
  {
    folder: 'compressed-tensors/folders/NVFP4-calibrated',
    writer: 'compressed-tensors-nvfp4',
    differs: ['config_groups'],
    others: /\.input_global_scale$/,
  },
  { folder: 'compressed-tensors/folders/W3A16', writer: 'compressed-tensors-pack' },
  { folder: 'compressed-tensors/folders/W4A16', writer: 'compressed-tensors-pack' },
  { folder: 'compressed-tensors/folders/W4A16-gptq-actorder-group', writer: 'compressed-tensors-pack' },
  { folder: 'compressed-tensors/folders/W4A16_ASYM', writer: 'compressed-tensors-pack' },
  {
    folder: 'compressed-tensors/folders/W8A8',
    writer: 'compressed-tensors-int8',
    activations: { levels: int8, scale: 'token' },
  },
  { folder: 'transformers-fp8/folders/fp8-block128', writer: 'fp8' },
  {
    folder: 'transformers-mxfp4/folders/gpt-oss-tiny-mxfp4',
    writer: 'mxfp4',
    kept: [
      ...['model.layers.*.self_attn', 'model.layers.*.mlp.router'],
      ...['model.embed_tokens', 'lm_head'],
    ],
  },
  { folder: 'torchao/folders/int8wo', writer: 'torchao-int8' },
];

interface Header {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, { dtype: string; shape: number[]; bytes: Buffer }>;
}

function headerOf(path: string): Header {
  const bytes = readFileSync(path);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const { __metadata__: metadata = {}, ...tensors } = JSON.parse(bytes.subarray(8, start).toString()) as {
    __metadata__?: Record<string, string>;
  } & Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;
  const entries = Object.entries(tensors).map(
    ([
      name,
      {
        dtype,
        shape,
        data_offsets: [from, to],
      },
    ]) => {
      return [name, { dtype, shape, bytes: bytes.subarray(start + from, start + to) }] as const;
    },
  );
  return { metadata, tensors: new Map(entries) };
}

const without = (value: object, keys: readonly string[]): object =>
  Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key)));

describe.skipIf(!hasSharedData)('weights are stored as the library stores them', () => {
  it.each(cases)('$folder: $writer', async ({ folder: name, writer: id, ...options }) => {
    const folder = join(reference, name);
    const { tensors, metadata } = headerOf(join(folder, 'model.safetensors'));
    const left = new Set(tensors.keys());
    const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as {
      dtype: string;
      quantization_config: object;
    };
    const writer = writerNamed(id)!;
    const model = await openModel(folder);
    const weights: WrittenWeight[] = [];
    for (const tensor of model.description.tensors) {
      const reader = await quantizedReader(model, tensor);
      if (!reader) {
        left.delete(tensor.name);
        continue;
      }
      const permuted =
        (await reader.read(0, Math.min(reader.rowStep, tensor.shape[0]!))).groupOfColumn !== undefined;
      const isPermuted = permuted && (!id.startsWith('gptq') || name.endsWith('desc_act'));
      const weight: WrittenWeight = {
        ...{ name: tensor.name, shape: tensor.shape, grid: reader.grid },
        dtype: config.dtype === 'float16' ? 'F16' : 'BF16',
        ...(isPermuted ? { permuted: true } : {}),
      };
      weights.push(weight);
      expect(writer.refuse(weight)).toBeUndefined();
      for (const part of await written(writer, weight, slabsOf(reader, tensor.shape, 24))) {
        const expected = tensors.get(part.name);
        expect({ name: part.name, dtype: part.dtype, shape: part.shape }).toEqual({
          ...{ name: part.name, dtype: expected?.dtype, shape: expected?.shape },
        });
        expect(part.bytes.equals(expected!.bytes), part.name).toBe(true);
        left.delete(part.name);
      }
    }
    await model.close();
    expect(weights.length).toBeGreaterThan(0);
    expect([...left].filter((other) => !options.others?.test(other))).toEqual([]);

    const recipe = { rules: [], ...(options.activations ? { activations: options.activations } : {}) };
    const names = JSON.parse(metadata['tensor_names'] ?? '[]') as string[];
    const { kept = ['lm_head'], differs = [] } = options;
    const described: WrittenModel = { recipe: recipe as unknown as Recipe, weights, kept, names };
    expect(without(writer.config(described), differs)).toEqual(without(config.quantization_config, differs));
    expect({ format: 'pt', ...writer.metadata?.(described) }).toEqual(metadata);
  });
});

interface VectorCase {
  readonly library: string;
  readonly names: RegExp;
  readonly writer: string;
  /** Tensors of the file by the names that checkpoints have. */
  readonly parts: (file: string) => Readonly<Record<string, string>>;
  readonly config: (file: string) => object;
  readonly permuted?: RegExp;
}

const torchao = { _weight_qdata: 'qdata', _weight_scale: 'scale', _weight_zero_point: 'zero_point' };
const vectorCases: readonly VectorCase[] = [
  ...(['gptq', 'gptq_v2'] as const).map((format): VectorCase => ({
    ...{ library: 'gptqmodel', names: /^pack-b[2348]-/, writer: format.replace('_', '-') },
    parts: () => ({
      qweight: 'qweight',
      qzeros: format === 'gptq' ? 'qzeros_v1' : 'qzeros_v2',
      scales: 'scales',
      g_idx: 'g_idx',
    }),
    config: (file) => ({
      quantization_config: {
        bits: Number(/-b(\d)/.exec(file)![1]),
        checkpoint_format: format,
        meta: { quantizer: ['gptqmodel:7.3.4'] },
      },
    }),
    permuted: /g_idx/,
  })),
  {
    ...{ library: 'autoawq', names: /^gemm-.*-f16-/, writer: 'awq' },
    parts: () => ({ qweight: 'qweight', qzeros: 'qzeros', scales: 'scales' }),
    config: () => ({}),
  },
  {
    ...{ library: 'marlin', names: /^pack-/, writer: 'marlin' },
    parts: () => ({ B: 'B', s: 's' }),
    config: () => ({}),
  },
  {
    ...{ library: 'eetq', names: /^int8-sm(75|80)-/, writer: 'eetq' },
    parts: () => ({ weight: 'weight', weight_scales: 'weight_scales' }),
    config: () => ({}),
  },
  {
    ...{
      library: 'bitsandbytes',
      names: /^4bit-(nf4|fp4)-b\d+-(?!storage|nested-default)/,
      writer: 'bitsandbytes-4bit',
    },
    parts: (file) => {
      const state = `weight.quant_state.bitsandbytes__${/nf4|fp4/.exec(file)![0]}`;
      return {
        ...{ weight: 'packed', 'weight.absmax': 'absmax', 'weight.quant_map': 'quant_map' },
        ...{ 'weight.nested_absmax': 'nested_absmax', 'weight.nested_quant_map': 'nested_quant_map' },
        [state]: `sd.${state}`,
      };
    },
    config: () => ({}),
  },
  {
    ...{ library: 'compressed-tensors', names: /^W\dA16/, writer: 'compressed-tensors-pack' },
    parts: () => ({
      weight_packed: 'compressed.weight_packed',
      weight_scale: 'compressed.weight_scale',
      weight_shape: 'compressed.weight_shape',
      weight_zero_point: 'compressed.weight_zero_point',
    }),
    config: (file) => ({
      quantization_config: {
        config_groups: { group_0: { weights: { num_bits: Number(/W(\d)/.exec(file)![1]) } } },
      },
    }),
  },
  {
    library: 'torchao',
    names: /^int8(wo|dyn)-/,
    writer: 'torchao-int8',
    parts: () => torchao,
    config: () => ({}),
  },
  { library: 'torchao', names: /^intx/, writer: 'torchao-intx', parts: () => torchao, config: () => ({}) },
  {
    ...{ library: 'torchao', names: /^float8wo-/, writer: 'torchao-float8' },
    parts: () => ({ _weight_qdata: 'qdata', _weight_scale: 'scale' }),
    config: () => ({}),
  },
  {
    ...{ library: 'transformers-fp8', names: /^fp8-\d\dx\d+-|^fp8-128/, writer: 'fp8' },
    parts: () => ({ weight: 'weight', weight_scale_inv: 'weight_scale_inv' }),
    config: (file) => ({
      quantization_config: { weight_block_size: /(\d+)x(\d+)/.exec(file)!.slice(1).map(Number) },
    }),
  },
];

const vectorFiles = hasSharedData
  ? vectorCases.flatMap((item) =>
      readdirSync(join(reference, item.library, 'vectors'))
        .filter((file) => file.endsWith('.safetensors') && item.names.test(file))
        .map((file) => ({ ...item, file })),
    )
  : [];

describe.skipIf(!hasSharedData)('layers are stored as the library stores them', () => {
  it.each(vectorFiles)('$library: $file as $writer', async ({ library, file, writer: id, ...options }) => {
    const all = tensorsOf(join(reference, library, 'vectors', file));
    const names = Object.entries(options.parts(file)).map(([to, from]) => [from, to] as const);
    const parts = renamed(all, Object.fromEntries(names));
    const model = await openModel(checkpoint(parts, options.config(file)));
    const [tensor] = model.description.tensors;
    const reader = await quantizedReader(model, tensor!);
    const weight: WrittenWeight = {
      ...{ name: tensor!.name, shape: tensor!.shape, grid: reader!.grid },
      dtype: stateDtype(parts) ?? 'BF16',
      ...(options.permuted?.test(file) ? { permuted: true } : {}),
    };
    const writer = writerNamed(id)!;
    expect(writer.refuse(weight)).toBeUndefined();
    const found = await written(writer, weight, slabsOf(reader!, tensor!.shape, 10));
    await model.close();
    expect(found.map(({ name }) => name).sort()).toEqual(
      [...parts.keys()].map((end) => `layer.${end}`).sort(),
    );
    for (const part of found) {
      const expected = parts.get(part.name.replace(/^layer\./, ''))!;
      expect([part.name, part.dtype, part.shape]).toEqual([part.name, expected.dtype, expected.shape]);
      expect(part.bytes.equals(expected.bytes), part.name).toBe(true);
    }
  });
});

/** The dtype that a description of 4-bit weights states. */
function stateDtype(parts: ReadonlyMap<string, StoredBytes>): string | undefined {
  const state = [...parts].find(([end]) => end.includes('quant_state'))?.[1];
  if (!state) return undefined;
  const { dtype } = JSON.parse(state.bytes.toString()) as { dtype: string };
  return { float32: 'F32', float16: 'F16', bfloat16: 'BF16' }[dtype];
}
