import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../src/architectures/convertCheckpoint';
import type { CheckpointSpec } from '../../support/checkpointParts';
import {
  mistral3,
  mistralSmall,
  qwen25vl,
  qwen2vl,
  qwen3vl,
  qwen3vlmoe,
  smolVlm,
} from '../../support/wrappedCheckpoints';
import { describeTensors, keyValuesOf } from './support';

const converted = ({ config, shapes }: CheckpointSpec, change: object = {}, more = {}) =>
  convertCheckpoint(describeTensors({ ...shapes, ...more }), { ...config, ...change }, 'config.json');

describe('the language part of a multimodal model', () => {
  it.each([
    ['mistral3', mistral3, 'vision_tower.patch_conv.weight" and 1 more tensor'],
    ['qwen2vl', qwen2vl, 'visual.patch_embed.proj.weight" and 1 more tensor'],
    ['qwen 2.5 vl', qwen25vl, 'model.visual.patch_embed.proj.weight"'],
    ['smolvlm', smolVlm, 'model.vision_model.embeddings.patch_embedding.weight" and 1 more tensor'],
  ])('%s: is converted alone, and what is left out is named', (_, spec, first) => {
    const { notes, tensors } = converted(spec);
    expect(notes).toEqual([
      `The vision part is left out: "${first}. “Export Vision Part (mmproj)…”, or quantscope export-mmproj, writes it to a file of its own.`,
    ]);
    expect(tensors.map(({ name }) => name)).toContain('blk.1.attn_q.weight');
  });

  it('has no tensors that no part has', () => {
    const more = { 'model.language_model.layers.0.spiral.weight': [3] };
    expect(() => converted(qwen3vl, {}, more)).toThrow(/does not have this tensor/);
  });

  it('takes the output from wherever config.json says whether it is the embedding', () => {
    const names = (change: object) => converted(qwen25vl, change).tensors.map(({ name }) => name);
    expect(names({})).not.toContain('output.weight');
    const text = { ...(qwen25vl.config['text_config'] as object), tie_word_embeddings: true };
    expect(names({ tie_word_embeddings: undefined, text_config: text })).not.toContain('output.weight');
  });

  it('states what turns by the positions of images, and after how many blocks features are added', () => {
    expect(keyValuesOf(converted(qwen2vl))['qwen2vl.rope.dimension_sections']).toEqual([2, 3, 3, 0]);
    const third = keyValuesOf(converted(qwen3vl));
    expect(third['qwen3vl.n_deepstack_layers']).toBe(2);
    expect(third['qwen3vl.rope.dimension_sections']).toEqual([6, 5, 5, 0]);
    expect(() => converted(qwen2vl, { rope_scaling: { type: 'mrope' } })).toThrow(
      /"rope_scaling.mrope_section"/,
    );
  });

  it('may hold its experts merged and transposed', () => {
    const gate = converted(qwen3vlmoe).tensors.find(({ name }) => name === 'blk.1.ffn_up_exps.weight');
    expect(gate).toMatchObject({
      shape: [4, 48, 64],
      unit: { rows: 64, order: 'transpose', columns: { first: 48, count: 48 } },
    });
  });

  it('scales queries by position beyond the context of the training', () => {
    expect(keyValuesOf(converted(mistral3))).toMatchObject({
      'mistral3.attention.temperature_scale': expect.closeTo(0.1, 6) as number,
      'mistral3.rope.scaling.original_context_length': 16,
      'mistral3.rope.scaling.type': 'yarn',
    });
  });

  it('that leaves its sizes out has those of its class', () => {
    const shapes = (size: number, intermediate: number, keys: number): CheckpointSpec['shapes'] => ({
      'language_model.model.embed_tokens.weight': [64, size],
      'language_model.model.norm.weight': [size],
      'language_model.lm_head.weight': [64, size],
      ...Object.fromEntries(
        Array.from({ length: 32 }, (_, layer) =>
          Object.entries<readonly number[]>({
            ...{ input_layernorm: [size], post_attention_layernorm: [size] },
            ...{ 'self_attn.q_proj': [size, size], 'self_attn.o_proj': [size, size] },
            ...{ 'self_attn.k_proj': [keys, size], 'self_attn.v_proj': [keys, size] },
            ...{ 'mlp.gate_proj': [intermediate, size], 'mlp.up_proj': [intermediate, size] },
            'mlp.down_proj': [size, intermediate],
          }).map(([name, shape]) => [`language_model.model.layers.${layer}.${name}.weight`, shape] as const),
        ).flat(),
      ),
    });
    const config = { architectures: ['LlavaForConditionalGeneration'], model_type: 'llava' };
    const named = (model_type: string) => ({ ...config, text_config: { model_type, rms_norm_eps: 1e-5 } });
    const llama = converted({ config: named('llama'), shapes: shapes(4096, 11_008, 4096) });
    expect(keyValuesOf(llama)).toMatchObject({
      'llama.context_length': 2048,
      'llama.attention.head_count': 32,
      'llama.attention.head_count_kv': 32,
    });
    const mistral = converted({ config: named('mistral'), shapes: shapes(4096, 14_336, 1024) });
    expect(keyValuesOf(mistral)).toMatchObject({
      'llama.context_length': 131_072,
      'llama.attention.head_count_kv': 8,
    });
    expect(mistral.notes.join()).toMatch(/All layers attend to the last 4096 tokens only/);
  });

  it('of Mistral Small has the defaults of Mistral, of Ministral 3 those of its class', () => {
    const without = ({ config, shapes }: CheckpointSpec, model_type?: string) => {
      const text = { ...(config['text_config'] as object), model_type };
      const left = { rms_norm_eps: undefined, sliding_window: undefined, max_position_embeddings: undefined };
      return converted({ config: { ...config, text_config: { ...text, ...left } }, shapes });
    };
    for (const first of [without(mistralSmall), without(mistralSmall, 'mistral')]) {
      expect(keyValuesOf(first)).toMatchObject({
        'mistral3.context_length': 131_072,
        'mistral3.attention.layer_norm_rms_epsilon': 1e-6,
      });
      expect(first.notes.join()).toMatch(/All layers attend to the last 4096 tokens only/);
    }
    const third = without(mistral3, 'ministral3');
    expect(keyValuesOf(third)).toMatchObject({
      'mistral3.context_length': 262_144,
      'mistral3.attention.layer_norm_rms_epsilon': 1e-5,
    });
    expect(third.notes.join()).not.toMatch(/4096/);
  });

  it('of Ministral 3 says how it is rotated', () => {
    const text = { ...(mistral3.config['text_config'] as object), rope_parameters: undefined };
    expect(() => converted(mistral3, { text_config: text })).toThrow(
      /"text_config.rope_parameters" is missing; an object is needed/,
    );
  });

  it('of another kind than its class has is rejected', () => {
    const text = { ...(smolVlm.config['text_config'] as object), model_type: 'phi' };
    expect(() => converted(smolVlm, { text_config: text })).toThrow(/"text_config.model_type" is "phi"/);
  });
});
