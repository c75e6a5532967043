import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { architectureFor } from '../../../../src/architectures/registry';
import type { Shapes } from '../../../support/checkpointParts';
import { encoderCheckpoints } from '../../../support/encoderCheckpoints';
import { describeTensors, keyValuesOf, rowsOf, shapesOf } from '../support';

const convert = (name: string, change: object = {}, shapes: Shapes = {}) =>
  convertCheckpoint(
    describeTensors({ ...encoderCheckpoints[name]!.shapes, ...shapes }, 'BF16'),
    { ...encoderCheckpoints[name]!.config, ...change },
    'config.json',
  );

describe('BERT', () => {
  it('states its numbers, that tokens see later ones, and how many types of tokens there are', () =>
    expect(keyValuesOf(convert('BERT'))).toEqual({
      'bert.context_length': 64,
      'bert.embedding_length': 64,
      'bert.block_count': 2,
      'bert.feed_forward_length': 96,
      'bert.attention.head_count': 4,
      'bert.attention.layer_norm_epsilon': 1e-12,
      'bert.attention.causal': false,
      'bert.pooling_type': 0,
      'tokenizer.ggml.token_type_count': 2,
    }));

  it('has its encoder alone: what heads need is left out, with a note for that of masked words', () => {
    const plain = convert('BERT');
    const headed = convert('BERT with a head, norms called gamma and beta');
    expect(shapesOf(headed)).toEqual(shapesOf(plain));
    expect(Object.keys(shapesOf(plain)).filter((name) => /pooler|cls/.test(name))).toEqual([]);
    const noPooling = expect.stringMatching(/^The model has no pooling/) as string;
    expect(plain.notes).toEqual([noPooling]);
    expect(headed.notes).toEqual([
      noPooling,
      'The head that predicts masked words is left out: "cls.predictions.bias" and 4 more tensors.',
    ]);
  });

  it('takes the sizes of the class where config.json has none', () =>
    expect(() => convert('BERT', { hidden_size: undefined })).toThrow(
      /"embeddings\.word_embeddings\.weight" is \[1024, 64\], not \[…, 768\]/,
    ));

  it.each([
    [{ position_embedding_type: 'relative_key' }, /"position_embedding_type" is "relative_key"/],
    [{ hidden_act: 'relu' }, /"hidden_act" is "relu"/],
    [{ is_decoder: true }, /"is_decoder" is true/],
    [{ num_attention_heads: 6 }, /6 heads share a hidden size of 64/],
    [{ architectures: ['BertForSequenceClassification'] }, /no description of the architecture BertForSeq/],
  ])('is rejected where llama.cpp computes something else: %j', (change, message) =>
    expect(() => convert('BERT', change)).toThrow(message),
  );
});

describe('RoBERTa and XLM-RoBERTa', () => {
  it.each([
    [{}, 2, 64],
    [{ pad_token_id: 0 }, 1, 65],
    [{ pad_token_id: undefined }, 2, 64],
  ])('have positions after the id of the padding token: %j', (change, first, count) => {
    for (const name of ['RoBERTa', 'XLM-RoBERTa']) {
      const converted = convert(name, change);
      expect(rowsOf(converted, 'position_embd.weight')).toEqual([[first, count]]);
      expect(shapesOf(converted)['position_embd.weight']).toEqual([count, 64]);
      expect(keyValuesOf(converted)['bert.context_length']).toBe(count);
    }
  });

  it('are rejected without a position for any token', () =>
    expect(() => convert('RoBERTa', { max_position_embeddings: 2 })).toThrow(
      /"max_position_embeddings" is 2; a whole number from 3/,
    ));

  it.each([
    ['XLMRobertaForMaskedLM', 'RoBERTa, XLM-RoBERTa, CamemBERT'],
    ['CamembertModel', 'RoBERTa, XLM-RoBERTa, CamemBERT'],
    ['BertForPreTraining', 'BERT'],
  ])('are told from BERT by their class: %s', (name, family) =>
    expect(architectureFor({ architectures: [name] }, 'config.json').family).toBe(family),
  );
});

describe('ModernBERT', () => {
  const window = (change: object, name = 'ModernBERT') => {
    const values = keyValuesOf(convert(name, change));
    return ['sliding_window', 'sliding_window_pattern'].map((key) => values[`modern-bert.attention.${key}`]);
  };

  it('states both bases of its rotary embedding, and its window', () =>
    expect(keyValuesOf(convert('ModernBERT'))).toEqual({
      'modern-bert.context_length': 256,
      'modern-bert.embedding_length': 64,
      'modern-bert.block_count': 5,
      'modern-bert.feed_forward_length': 96,
      'modern-bert.attention.head_count': 4,
      'modern-bert.attention.layer_norm_epsilon': 1e-5,
      'modern-bert.attention.causal': false,
      'modern-bert.rope.freq_base': 160_000,
      'modern-bert.rope.freq_base_swa': 10_000,
      'modern-bert.attention.sliding_window': 10,
      'modern-bert.pooling_type': 0,
    }));

  const kinds = (pattern: string) =>
    [...pattern].map((kind) => (kind === 'f' ? 'full_attention' : 'sliding_attention'));

  it.each([
    [{}, [10, undefined]],
    [{ local_attention: undefined }, [128, undefined]],
    [{ global_attn_every_n_layers: 4 }, [10, 4]],
    [{ global_attn_every_n_layers: 9 }, [10, 9]],
    [{ global_attn_every_n_layers: 1 }, [undefined, undefined]],
    [{ layer_types: kinds('fsfsf') }, [10, 2]],
    [{ layer_types: kinds('fffff') }, [undefined, undefined]],
  ])('has the window and the order of layers of %j', (change, expected) =>
    expect(window(change)).toEqual(expected),
  );

  it('takes the base of all layers for those with a window where theirs is null', () =>
    expect(
      keyValuesOf(convert('ModernBERT', { local_rope_theta: null }))['modern-bert.rope.freq_base_swa'],
    ).toBe(160_000));

  it('says when it is not gated by GELU', () => {
    const key = 'modern-bert.hidden_activation';
    expect(keyValuesOf(convert('ModernBERT', { hidden_activation: 'silu' }))[key]).toBe('silu');
    expect(keyValuesOf(convert('ModernBERT'))).not.toHaveProperty([key]);
  });

  it.each([
    [{ layer_types: kinds('sfsfs') }, /do not repeat in the order that GGUF can express/],
    [{ layer_types: kinds('fssff') }, /do not repeat in the order that GGUF can express/],
    [{ layer_types: kinds('fss') }, /"layer_types" .* one of each of 5 layers is needed/],
    [{ norm_bias: true }, /"norm_bias" is true/],
    [{ hidden_activation: 'relu' }, /"hidden_activation" is "relu"/],
    [
      { rope_parameters: { full_attention: { rope_type: 'yarn', rope_theta: 1e4, factor: 4 } } },
      /^Rope scaling cannot be exported/,
    ],
  ])('is rejected where llama.cpp cannot express it: %j', (change, message) =>
    expect(() => convert('ModernBERT', change)).toThrow(message),
  );
});

describe('Nomic Embed', () => {
  it('has the context that it was trained on, and the base of its rotary embedding', () =>
    expect(keyValuesOf(convert('Nomic Embed'))).toMatchObject({
      'nomic-bert.context_length': 2048,
      'nomic-bert.rope.freq_base': 1000,
      'tokenizer.ggml.token_type_count': 2,
    }));

  it.each([
    [{ moe_every_n_layers: 2 }, /"moe_every_n_layers" is 2; GGUF can express 0/],
    [{ activation_function: 'gelu' }, /"activation_function" is "gelu"/],
    [{ qkv_proj_bias: true }, /"qkv_proj_bias" is true/],
    [{ rotary_emb_interleaved: true }, /"rotary_emb_interleaved" is true/],
    [{ prenorm: true }, /"prenorm" is true/],
  ])('is rejected with other settings than the published ones: %j', (change, message) =>
    expect(() => convert('Nomic Embed', change)).toThrow(message),
  );
});
