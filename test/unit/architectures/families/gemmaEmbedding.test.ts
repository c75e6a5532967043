import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { architectureFor } from '../../../../src/architectures/registry';
import { embeddingCheckpoints } from '../../../support/embeddingCheckpoints';
import { describeTensors, keyValuesOf, shapesOf, shiftedNames } from '../support';

const { config, shapes } = embeddingCheckpoints['EmbeddingGemma']!;

const convert = (change: object = {}) =>
  convertCheckpoint(describeTensors(shapes, 'BF16'), { ...config, ...change }, 'config.json');

describe('EmbeddingGemma', () => {
  it('is an architecture of its own, with the window of both sides and without causality', () => {
    const converted = convert();
    expect(converted.architecture).toBe('gemma-embedding');
    expect(keyValuesOf(converted)).toEqual({
      'gemma-embedding.context_length': 256,
      'gemma-embedding.embedding_length': 64,
      'gemma-embedding.block_count': 7,
      'gemma-embedding.feed_forward_length': 96,
      'gemma-embedding.attention.head_count': 4,
      'gemma-embedding.attention.head_count_kv': 2,
      'gemma-embedding.attention.key_length': 32,
      'gemma-embedding.attention.value_length': 32,
      'gemma-embedding.rope.dimension_count': 32,
      'gemma-embedding.rope.freq_base': 1_000_000,
      'gemma-embedding.rope.freq_base_swa': 10_000,
      'gemma-embedding.attention.layer_norm_rms_epsilon': 1e-6,
      'gemma-embedding.attention.causal': false,
      'gemma-embedding.attention.sliding_window': 17,
      'gemma-embedding.pooling_type': 0,
    });
  });

  it('has the tensors of Gemma 3 without an output, norms shifted by 1', () => {
    const converted = convert();
    const names = Object.keys(shapesOf(converted));
    expect(names).toHaveLength(2 + 7 * 13);
    expect(names).not.toContain('output.weight');
    expect(shiftedNames(converted)).toHaveLength(1 + 7 * 6);
  });

  it('states the order of its layers where it is not that of the published model', () => {
    const { 'gemma-embedding.attention.sliding_window_pattern': pattern } = keyValuesOf(
      convert({ sliding_window_pattern: 3 }),
    );
    expect(pattern).toBe(3);
  });

  it.each([
    [{}, 'gemma-embedding'],
    [{ architectures: undefined }, 'gemma-embedding'],
    [{ use_bidirectional_attention: false }, 'gemma3'],
    [{ use_bidirectional_attention: undefined }, 'gemma3'],
    [{ use_bidirectional_attention: 'all' }, 'gemma3'],
    [{ architectures: ['Gemma3ForCausalLM'] }, 'gemma3'],
  ])('is known by its key and its class: %j is %s', (change, name) =>
    expect(architectureFor({ ...config, ...change }, 'config.json').name).toBe(name),
  );

  it.each([
    [
      { use_bidirectional_attention: 'all' },
      /"use_bidirectional_attention" is "all"; GGUF can express false/,
    ],
    [
      { architectures: ['Gemma3ForCausalLM'] },
      /"use_bidirectional_attention" is true; GGUF can express false/,
    ],
    [{ rope_scaling: { rope_type: 'linear', factor: 8 } }, /^Rope scaling cannot be exported/],
    [{ sliding_window_pattern: 1 }, /^All layers are of one kind; llama\.cpp needs some with/],
    [{ sliding_window_pattern: 8 }, /^All layers are of one kind; llama\.cpp needs some with/],
    [{ query_pre_attn_scalar: 64 }, /"query_pre_attn_scalar" is 64; GGUF can express 32/],
  ])('is rejected where llama.cpp cannot express it: %j', (change, message) =>
    expect(() => convert(change)).toThrow(message),
  );
});
