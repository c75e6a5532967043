import { describe, expect, it } from 'vitest';
import { convertLlamaTensors, llamaKeyValues } from '../../../../src/exporter/convert/llama';
import { parseLlamaConfig } from '../../../../src/exporter/convert/llamaConfig';
import { interleaveRows } from '../../../../src/exporter/convert/ropeRows';
import type { TensorDescriptor } from '../../../../src/protocol/model';

const file = 'config.json';
const config = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  num_hidden_layers: 1,
  hidden_size: 16,
  intermediate_size: 24,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-5,
  rope_theta: 500000,
  max_position_embeddings: 4096,
};

const shapes: Record<string, number[]> = {
  'model.embed_tokens.weight': [32, 16],
  'model.norm.weight': [16],
  'lm_head.weight': [32, 16],
  'model.layers.0.input_layernorm.weight': [16],
  'model.layers.0.self_attn.q_proj.weight': [16, 16],
  'model.layers.0.self_attn.k_proj.weight': [8, 16],
  'model.layers.0.self_attn.v_proj.weight': [8, 16],
  'model.layers.0.self_attn.o_proj.weight': [16, 16],
  'model.layers.0.post_attention_layernorm.weight': [16],
  'model.layers.0.mlp.gate_proj.weight': [24, 16],
  'model.layers.0.mlp.up_proj.weight': [24, 16],
  'model.layers.0.mlp.down_proj.weight': [16, 24],
};

function describeTensors(all: Record<string, number[]>): TensorDescriptor[] {
  return Object.entries(all).map(([name, shape]) => {
    const elements = shape.reduce((product, size) => product * size, 1);
    return {
      name,
      dtype: 'F32',
      shape,
      elements,
      file: 'm',
      offset: 0,
      byteLength: 4 * elements,
      readable: true,
    };
  });
}

const parsed = parseLlamaConfig(config, file);
const convert = (all: Record<string, number[]>, parsedConfig = parsed) =>
  convertLlamaTensors(describeTensors(all), parsedConfig, file);

describe('llama conversion', () => {
  it('renames tensors and marks q and k for reordering', () => {
    const converted = convert({ ...shapes, 'model.layers.0.self_attn.q_proj.bias': [16] });
    expect(converted.map(({ name, ropeHeads }) => [name, ropeHeads])).toEqual([
      ['token_embd.weight', undefined],
      ['output_norm.weight', undefined],
      ['output.weight', undefined],
      ['blk.0.attn_norm.weight', undefined],
      ['blk.0.attn_q.weight', 4],
      ['blk.0.attn_k.weight', 2],
      ['blk.0.attn_v.weight', undefined],
      ['blk.0.attn_output.weight', undefined],
      ['blk.0.ffn_norm.weight', undefined],
      ['blk.0.ffn_gate.weight', undefined],
      ['blk.0.ffn_up.weight', undefined],
      ['blk.0.ffn_down.weight', undefined],
      ['blk.0.attn_q.bias', 4],
    ]);
  });

  it('leaves out the output of tied embeddings and derived buffers', () => {
    const tied = parseLlamaConfig({ ...config, tie_word_embeddings: true }, file);
    const names = convert({ ...shapes, 'model.layers.0.self_attn.rotary_emb.inv_freq': [2] }, tied).map(
      ({ name }) => name,
    );
    expect(names).not.toContain('output.weight');
    expect(names).toHaveLength(11);
  });

  it('names the tensor that is strange, missing or misshapen', () => {
    const without = Object.fromEntries(Object.entries(shapes).filter(([name]) => !name.includes('up_proj')));
    expect(() => convert(without)).toThrow(/lacks a tensor.*blk\.0\.ffn_up\.weight/);
    expect(() => convert({ ...shapes, 'model.layers.0.self_attn.q_norm.weight': [4] })).toThrow(/q_norm/);
    expect(() => convert({ ...shapes, 'model.layers.1.mlp.up_proj.weight': [24, 16] })).toThrow(
      /layers\.1\.mlp/,
    );
    const wide = { ...shapes, 'model.layers.0.mlp.up_proj.weight': [25, 16] };
    expect(() => convert(wide)).toThrow(/\[25, 16\], but by config.json it should be \[24, 16\]/);
  });

  it('writes the hyper-parameters', () => {
    const values = Object.fromEntries(
      llamaKeyValues(parsed, 32).map((pair) => [pair.key, 'value' in pair && pair.value]),
    );
    expect(values).toEqual({
      'llama.context_length': 4096,
      'llama.embedding_length': 16,
      'llama.block_count': 1,
      'llama.feed_forward_length': 24,
      'llama.attention.head_count': 4,
      'llama.attention.head_count_kv': 2,
      'llama.rope.freq_base': 500000,
      'llama.attention.layer_norm_rms_epsilon': 1e-5,
      'llama.rope.dimension_count': 4,
      'llama.vocab_size': 32,
    });
    const keys = (extra: object) =>
      llamaKeyValues(parseLlamaConfig({ ...config, ...extra }, file), 32).map(({ key }) => key);
    expect(keys({ head_dim: 8 })).toContain('llama.attention.key_length');
    expect(keys({ rope_scaling: { type: 'linear', factor: 2 } })).toContain('llama.rope.scaling.factor');
  });

  it('reads rope settings where transformers 5 keeps them', () => {
    const { ropeTheta, ropeScaling } = parseLlamaConfig(
      {
        ...config,
        rope_theta: undefined,
        rope_parameters: { rope_theta: 1e6, rope_type: 'linear', factor: 4 },
      },
      file,
    );
    expect([ropeTheta, ropeScaling]).toEqual([1e6, { kind: 'linear', factor: 4 }]);
  });

  it('computes the divisors of Llama 3.1: 1 for high, the factor for low frequencies, a step between', () => {
    const rope_scaling = {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    };
    const scaled = parseLlamaConfig({ ...config, hidden_size: 512, rope_scaling }, file).ropeScaling;
    const factors = scaled.kind === 'factors' ? [...scaled.factors] : [];
    expect(factors).toHaveLength(64);
    expect(factors.slice(0, 29)).toEqual(new Array(29).fill(1));
    expect(factors.slice(35)).toEqual(new Array(29).fill(8));
    // Frequency 30 of base 500000 with heads of 128: wavelength 2π · 500000^(60/128) = 2948.6, smooth (8192/2948.6 − 1)/3.
    const smooth = (8192 / (2 * Math.PI * 500000 ** (60 / 128)) - 1) / 3;
    expect(factors[30]).toBeCloseTo(1 / ((1 - smooth) / 8 + smooth), 5);
  });

  it.each([
    [
      { architectures: ['Qwen2ForCausalLM'], model_type: 'qwen2' },
      /Qwen2ForCausalLM.*LlamaForCausalLM, MistralForCausalLM/,
    ],
    [{ architectures: undefined, model_type: 'gemma' }, /gemma/],
    [{ rope_scaling: { rope_type: 'yarn', factor: 2 } }, /yarn/],
    [{ quantization_config: { quant_method: 'gptq' } }, /gptq/],
    [{ hidden_act: 'gelu' }, /gelu/],
    [{ hidden_size: undefined }, /hidden_size/],
    [{ hidden_size: 18 }, /head size/],
  ])('refuses %j', (change, message) => {
    expect(() => parseLlamaConfig({ ...config, ...change }, file)).toThrow(message);
  });

  it('interleaves the halves of each head', () => {
    const rows = Uint8Array.of(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    const moved = interleaveRows(rows, 4, 2);
    expect([...moved].filter((_, i) => i % 2 === 0)).toEqual([0, 2, 1, 3, 4, 6, 5, 7]);
  });
});
