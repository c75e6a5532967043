import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDecoder } from '../../../../src/graph/transformer/openDecoder';
import { openModel } from '../../../../src/layouts/openModel';
import { deepseek32 } from '../../../support/deepseekCheckpoints';
import { convertedSpec } from '../../../support/descriptionParts';
import { temporaryFolder } from '../../../support/files';
import { writeCheckpoint } from '../../../support/writeCheckpoint';
import { keyValuesOf, shapesOf } from '../support';

const folder = temporaryFolder();
const spec = deepseek32();
const convert = (change: object = {}) => convertedSpec({ ...spec, config: { ...spec.config, ...change } });

describe('deepseek32 conversion', () => {
  it('has the indexer of each block, and its sizes', () => {
    expect(shapesOf(convert())).toMatchObject({
      'blk.0.indexer.attn_q_b.weight': [128, 24],
      'blk.2.indexer.attn_k.weight': [64, 64],
      'blk.2.indexer.k_norm.weight': [64],
      'blk.2.indexer.k_norm.bias': [64],
      'blk.2.indexer.proj.weight': [2, 64],
      'blk.2.attn_k_b.weight': [4, 32, 16],
    });
    expect(keyValuesOf(convert())).toMatchObject({
      'deepseek32.attention.indexer.head_count': 2,
      'deepseek32.attention.indexer.key_length': 64,
      'deepseek32.attention.indexer.top_k': 64,
      'deepseek32.attention.key_length_mla': 32,
      'deepseek32.expert_group_count': 4,
    });
    expect(keyValuesOf(convert({ index_topk: undefined }))).toMatchObject({
      'deepseek32.attention.indexer.top_k': 2048,
    });
  });

  it('rejects queries that are not compressed', () => {
    expect(() => convert({ q_lora_rank: null })).toThrow(
      /"q_lora_rank" is null; the indexer takes compressed/,
    );
  });

  it('rejects another magnitude of YaRN, which llama.cpp would rotate with', () => {
    const { rope_scaling } = spec.config as { rope_scaling: object };
    const change = { rope_scaling: { ...rope_scaling, mscale: 0.707, mscale_all_dim: 0.707 } };
    expect(() => convert(change)).toThrow(/"rope_scaling\.mscale_all_dim" is 0\.707/);
  });

  it('is run with texts of which all tokens are selected, and with no longer ones', async () => {
    const path = join(folder, 'model');
    await writeCheckpoint(path, spec);
    const model = await openModel(path);
    const options = { device: 'ort-cpu', keep: false } as const;
    const decoder = await openDecoder(model, { ...options, length: 64 });
    expect(decoder.shape.contextLength).toBe(64);
    await decoder.close();
    await expect(openDecoder(model, { ...options, length: 65 })).rejects.toThrow(
      /^Texts of more than 64 tokens cannot be run .* an indexer selects/,
    );
    await model.close();
  });
});
