import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cacheBytes, computeBytes } from '../../src/ampq/fits/memory';
import { runtimeShape } from '../../src/ampq/fits/runtimeShape';
import { exportGguf } from '../../src/exporter/exportGguf';
import { openModel } from '../../src/layouts/openModel';
import type { RunSettings } from '../../src/protocol/fit';
import { ggmlTypes } from '../../src/protocol/ggmlTypes';
import { blocks, type CheckpointSpec, type Shapes } from '../support/checkpointParts';
import { checkpoints } from '../support/checkpoints';
import { sampleFolder, temporaryFolder } from '../support/files';
import { hasOracle, llamaCpp, type ContextBuffers } from '../support/llamaCpp';
import { writeCheckpoint } from '../support/writeCheckpoint';

const folder = temporaryFolder();
const mebi = 2 ** 20;

const halves: readonly RunSettings[] = [
  { context: 256, sequences: 1, cacheType: 'f16' },
  { context: 8192, sequences: 1, cacheType: 'f16' },
  { context: 3000, sequences: 3, cacheType: 'f16' },
];
const quantized: readonly RunSettings[] = [
  { context: 8192, sequences: 1, cacheType: 'q8_0' },
  { context: 8192, sequences: 1, cacheType: 'q4_0' },
  { context: 20_000, sequences: 2, cacheType: 'q5_1' },
];

/** A model's cache and compute buffers in MiB: computed, and as llama.cpp allocates them. */
async function memoryOf(source: string, settings: readonly RunSettings[]) {
  const model = await openModel(source);
  const gguf = join(folder, `${source.replaceAll(/\W/g, '-')}.gguf`);
  await exportGguf(model, { type: 'F16' }, gguf);
  const shape = await runtimeShape(model);
  await model.close();
  const contexts = settings.map(({ context, sequences, cacheType }) => {
    const type = ggmlTypes.find(({ name }) => name === cacheType.toUpperCase())!.id;
    return { contextSize: context, sequences, keyType: type, valueType: type, batch: 512 };
  });
  const { buffers } = await llamaCpp('buffers', { model: gguf, contexts });
  return settings.map((one, i) => ({
    cache: cacheBytes(shape, one).reduce((sum, bytes) => sum + bytes, 0) / mebi,
    compute: computeBytes(shape, one) / mebi,
    allocated: buffers[i]!,
  }));
}

const wideHeads: Shapes = {
  'self_attn.q_proj.weight': [2 * 2048, 256],
  'self_attn.k_proj.weight': [512, 256],
  'self_attn.v_proj.weight': [512, 256],
  'self_attn.o_proj.weight': [256, 2048],
  'self_attn.q_norm.weight': [256],
  'self_attn.k_norm.weight': [256],
};
const wideNet: Shapes = {
  'linear_attn.conv1d.weight': [6144, 1, 4],
  'linear_attn.dt_bias': [16],
  'linear_attn.A_log': [16],
  'linear_attn.norm.weight': [128],
  'linear_attn.out_proj.weight': [256, 2048],
  'linear_attn.in_proj_qkv.weight': [6144, 256],
  'linear_attn.in_proj_z.weight': [2048, 256],
  'linear_attn.in_proj_a.weight': [16, 256],
  'linear_attn.in_proj_b.weight': [16, 256],
};

/** A block with a gated delta net as wide as that of Qwen 3.5 0.8B, and one with attention. */
const wideNets: CheckpointSpec = {
  ...checkpoints['qwen35']!,
  config: {
    ...checkpoints['qwen35']!.config,
    ...{ hidden_size: 256, intermediate_size: 1024, num_attention_heads: 8, num_key_value_heads: 2 },
    ...{ head_dim: 256, linear_num_key_heads: 16, linear_num_value_heads: 16 },
    ...{ linear_key_head_dim: 128, linear_value_head_dim: 128 },
  },
  shapes: {
    'model.embed_tokens.weight': [1024, 256],
    'model.norm.weight': [256],
    'lm_head.weight': [1024, 256],
    ...blocks(2, (index) => ({
      'input_layernorm.weight': [256],
      'post_attention_layernorm.weight': [256],
      'mlp.gate_proj.weight': [1024, 256],
      'mlp.up_proj.weight': [1024, 256],
      'mlp.down_proj.weight': [256, 1024],
      ...(index === 1 ? wideHeads : wideNet),
    })),
  },
};

type Memory = Readonly<{ cache: number; compute: number; allocated: ContextBuffers }>;

/** llama.cpp prints two decimals, for each of at most two caches. */
function expectExact({ cache, allocated }: Memory): void {
  expect(Math.abs(cache - (allocated.KV ?? 0) - (allocated.RS ?? 0))).toBeLessThanOrEqual(0.0101);
}

/** Never too small, and above by at most a constant and a tenth. */
function expectBound({ compute, allocated }: Memory): void {
  expect(compute).toBeGreaterThanOrEqual(allocated.compute - 0.005);
  expect(compute).toBeLessThanOrEqual(1.12 * allocated.compute + 1);
}

describe.skipIf(!hasOracle)('memory of a context in llama.cpp', () => {
  it('is what is computed for the sample, whatever type keys and values have', async () => {
    for (const memory of await memoryOf(sampleFolder, [...halves, ...quantized])) {
      expectExact(memory);
      expectBound(memory);
    }
  });

  it.each([
    'mixtral',
    'qwen2moe',
    'gemma',
    'gemma2',
    'gemma3',
    'phi3',
    'smollm3',
    'falcon 40B',
    'mistral with a window',
    'deepseek2',
    'deepseek2, version 3',
    'qwen3next',
    'qwen35',
    'lfm2',
    'mamba2',
    'granitehybrid',
  ])('is what is computed for %s', async (name) => {
    const source = join(folder, `checkpoint ${Object.keys(checkpoints).indexOf(name)}`);
    await writeCheckpoint(source, name);
    for (const memory of await memoryOf(source, halves)) {
      expectExact(memory);
      expectBound(memory);
    }
  });

  it('is what is computed for gated delta nets as wide as those of a small model', async () => {
    const source = join(folder, 'wide nets');
    await writeCheckpoint(source, wideNets);
    for (const memory of await memoryOf(source, halves)) {
      expectExact(memory);
      expectBound(memory);
    }
  });
});
