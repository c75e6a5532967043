import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { readSlab, slabsOf } from '../../../../src/architectures/convertedRows';
import type { ConvertedTensor } from '../../../../src/architectures/convertedTensor';
import type { Unit } from '../../../../src/architectures/description';
import type { Model } from '../../../../src/model/model';
import { describeTensors } from '../support';

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

const convert = (all: Record<string, number[]> = shapes, change: object = {}) =>
  convertCheckpoint(describeTensors(all), { ...config, ...change }, file);

describe('llama conversion', () => {
  it('renames tensors and marks q and k for reordering', () => {
    const { tensors } = convert({ ...shapes, 'model.layers.0.self_attn.q_proj.bias': [16] });
    const interleaved = (rows: number): Unit => ({ rows, order: 'interleave' });
    expect(Object.fromEntries(tensors.map(({ name, unit }) => [name, unit]))).toEqual({
      'token_embd.weight': undefined,
      'output_norm.weight': undefined,
      'output.weight': undefined,
      'blk.0.attn_norm.weight': undefined,
      'blk.0.attn_q.weight': interleaved(4),
      'blk.0.attn_k.weight': interleaved(4),
      'blk.0.attn_v.weight': undefined,
      'blk.0.attn_output.weight': undefined,
      'blk.0.ffn_norm.weight': undefined,
      'blk.0.ffn_gate.weight': undefined,
      'blk.0.ffn_up.weight': undefined,
      'blk.0.ffn_down.weight': undefined,
      'blk.0.attn_q.bias': interleaved(4),
    });
  });

  it('leaves out the output of tied embeddings and derived buffers', () => {
    const { tensors } = convert(
      { ...shapes, 'model.layers.0.self_attn.rotary_emb.inv_freq': [2] },
      { tie_word_embeddings: true },
    );
    expect(tensors.map(({ name }) => name)).not.toContain('output.weight');
    expect(tensors).toHaveLength(11);
  });

  it('names the tensor that is unknown, missing or of the wrong shape', () => {
    const without = Object.fromEntries(Object.entries(shapes).filter(([name]) => !name.includes('up_proj')));
    expect(() => convert(without)).toThrow(/lacks a tensor.*layers\.0\.mlp\.up_proj/);
    expect(() => convert({ ...shapes, 'model.layers.0.self_attn.q_norm.weight': [4] })).toThrow(
      'GGUF\'s architecture "llama" does not have this tensor. (m, tensor "model.layers.0.self_attn.q_norm.weight")',
    );
    expect(() => convert({ ...shapes, 'model.layers.1.mlp.up_proj.weight': [24, 16] })).toThrow(
      'GGUF\'s architecture "llama" does not have this tensor. (m, tensor "model.layers.1.mlp.up_proj.weight")',
    );
    const wide = { ...shapes, 'model.layers.0.mlp.up_proj.weight': [25, 16] };
    expect(() => convert(wide)).toThrow(/\[25, 16\], but according to config.json it should be \[24, 16\]/);
  });

  it('writes the hyper-parameters', () => {
    const keyValues = (change: object = {}): Record<string, unknown> =>
      Object.fromEntries(
        convert(shapes, change).keyValues.map((pair) => [pair.key, 'value' in pair && pair.value]),
      );
    expect(keyValues()).toEqual({
      'llama.context_length': 4096,
      'llama.embedding_length': 16,
      'llama.block_count': 1,
      'llama.feed_forward_length': 24,
      'llama.attention.head_count': 4,
      'llama.attention.head_count_kv': 2,
      'llama.rope.freq_base': 500000,
      'llama.attention.layer_norm_rms_epsilon': 1e-5,
      'llama.rope.dimension_count': 4,
    });
    expect(keyValues({ head_dim: 4 })).toMatchObject({ 'llama.attention.key_length': 4 });
    expect(keyValues({ rope_scaling: { type: 'linear', factor: 2 } })).toMatchObject({
      'llama.rope.scaling.type': 'linear',
      'llama.rope.scaling.factor': 2,
    });
    // Where transformers 5 keeps them.
    const parameters = { rope_theta: 1e6, rope_type: 'linear', factor: 4 };
    expect(keyValues({ rope_theta: undefined, rope_parameters: parameters })).toMatchObject({
      'llama.rope.freq_base': 1e6,
      'llama.rope.scaling.factor': 4,
    });
  });

  it('computes the divisors of Llama 3.1: 1 for high, the factor for low frequencies, a step between', () => {
    const rope_scaling = {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    };
    const wide = Object.fromEntries(
      Object.entries(shapes).map(([name, shape]) => [
        name,
        shape.map((size) => (size === 16 ? 512 : size === 8 ? 256 : size)),
      ]),
    );
    const { computed } = convert(wide, { hidden_size: 512, rope_scaling });
    expect(computed.map(({ to }) => to)).toEqual(['rope_freqs.weight']);
    const factors = [...computed[0]!.values];
    expect(factors).toHaveLength(64);
    expect(factors.slice(0, 29)).toEqual(new Array(29).fill(1));
    expect(factors.slice(35)).toEqual(new Array(29).fill(8));
    // Frequency 30 of base 500000 with heads of 128: wavelength 2π · 500000^(60/128) = 2948.6, smooth (8192/2948.6 − 1)/3.
    const smooth = (8192 / (2 * Math.PI * 500000 ** (60 / 128)) - 1) / 3;
    expect(factors[30]).toBeCloseTo(1 / ((1 - smooth) / 8 + smooth), 5);
  });

  it.each([
    [
      { architectures: ['OddForCausalLM'], model_type: 'odd' },
      /OddForCausalLM.*README\.md lists the architectures/,
    ],
    [{ architectures: undefined, model_type: 'odd' }, /odd/],
    [{ rope_scaling: { rope_type: 'spiral', factor: 2 } }, /spiral/],
    [{ hidden_act: 'gelu' }, /gelu/],
    [{ hidden_size: undefined }, /hidden_size/],
    [{ hidden_size: 18 }, /4\.5 dimensions/],
  ])('rejects %j', (change, message) => {
    expect(() => convert(shapes, change)).toThrow(message);
  });
});

describe('rows of a converted tensor', () => {
  /** A model whose byte at every offset is the offset, and a tensor of 8 rows of 2 bytes each. */
  const model = {
    readInto: (_: unknown, offset: number, target: Uint8Array) => {
      target.forEach((_byte, i) => (target[i] = offset + i));
      return Promise.resolve();
    },
  } as unknown as Model;
  const [tensor] = describeTensors({ m: [8, 1] }, 'F16');
  const whole = { tensor: tensor!, firstRow: 0, rows: 8 };

  async function rowsOf(converted: Omit<ConvertedTensor, 'name' | 'shape' | 'columns'>, maxBytes: number) {
    const rows: number[][] = [];
    for (const slab of slabsOf({ name: 'm', shape: [8, 1], columns: 1, ...converted }, { maxBytes })) {
      const full = { name: 'm', shape: [8, 1], columns: 1, ...converted };
      const bytes = await readSlab(model, full, slab);
      expect(slab.firstWeight).toBe(rows.flat().length);
      rows.push([...bytes].filter((_, i) => i % 2 === 0).map((byte) => byte / 2));
    }
    return rows;
  }

  it('interleaves the halves of each head, in slabs of whole heads', async () => {
    const unit: Unit = { rows: 4, order: 'interleave' };
    expect(await rowsOf({ pieces: [whole], unit }, 100)).toEqual([[0, 2, 1, 3, 4, 6, 5, 7]]);
    expect(await rowsOf({ pieces: [whole], unit }, 3)).toEqual([
      [0, 2, 1, 3],
      [4, 6, 5, 7],
    ]);
  });

  it('joins pieces and cuts slabs anywhere', async () => {
    const pieces = [
      { tensor: tensor!, firstRow: 5, rows: 3 },
      { tensor: tensor!, firstRow: 0, rows: 5 },
    ];
    expect(await rowsOf({ pieces }, 4)).toEqual([
      [5, 6],
      [7, 0],
      [1, 2],
      [3, 4],
    ]);
  });

  it('transposes', async () => {
    expect(await rowsOf({ pieces: [whole], unit: { rows: 8, order: 'transpose' } }, 4)).toEqual([
      [0, 1, 2, 3, 4, 5, 6, 7],
    ]);
    const wide = { name: 'm', shape: [2, 4], columns: 2, pieces: [{ ...whole, rows: 4 }] };
    const square: ConvertedTensor = { ...wide, unit: { rows: 4, order: 'transpose' } };
    const [slab] = slabsOf(square);
    const bytes = await readSlab(model, square, slab!);
    expect([...bytes].filter((_, i) => i % 2 === 0).map((byte) => byte / 2)).toEqual([
      0, 2, 4, 6, 1, 3, 5, 7,
    ]);
  });
});
