import type { ConfigReader } from '../configReader';
import { decoderKeyValues, expectGelu, layerNormEpsilon, sharedHeadSize, type Decoder } from '../decoder';
import { groupedRows, tiedOutput, usualIgnored } from '../decoderParts';
import { blockRules, partRules, type Part } from '../partRules';
import type { ArchitectureDescription, Conversion } from '../description';
import { text } from '../keyValues';
import { readRope, refuseFactors } from '../rope';

/**
 * Falcon 7B (one key and value for all heads, one norm), 40B and 180B (groups of heads, two norms) and Falcon 2 11B (groups,
 * one norm): query, key and value are fused group by group, and GGUF has all queries, all keys, all values.
 */
export const falcon: ArchitectureDescription = {
  name: 'falcon',
  family: 'Falcon',
  classes: { FalconForCausalLM: 'falcon', RWForCausalLM: 'RefinedWeb' },
  convert(config) {
    expectGelu(config, 'activation', 'gelu');
    config.expect('alibi', false, false);
    config.expect('bias', false, false);
    config.expect('apply_residual_connection_post_layernorm', false, false);
    config.known('num_kv_heads', 'n_head_kv', 'multi_query', 'parallel_attn');
    // The class from before transformers had Falcon marks the newer layout by its number of key heads.
    const grouped = config.flag('new_decoder_architecture', config.has('n_head_kv'));
    if (!grouped) config.expect('parallel_attn', true, true);
    const decoder = readFalcon(config, grouped);
    refuseFactors(config, decoder.rope);
    const norms = grouped ? config.integer('num_ln_in_parallel_attn', 2) : 1;
    if (norms > 2) config.expect('num_ln_in_parallel_attn', 2, 1, 2);
    return {
      prefixes: ['transformer.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder, 'lm_head.weight', 'word_embeddings.weight'),
      keyValues: [
        ...decoderKeyValues(decoder),
        layerNormEpsilon(config, 'layer_norm_epsilon'),
        // The name of that order of rows.
        text('tensor_data_layout', 'jploski'),
      ],
      tensors: tensorRules(decoder, norms),
    };
  },
};

/** `norms` of each block: one, or one for attention and one for the feed-forward network. */
function tensorRules(decoder: Decoder, norms: number): Conversion['tensors'] {
  const { hiddenSize, feedForwardSize, heads, kvHeads, headSize, tied } = decoder;
  const norm = (from: string, to: string): Part => ({ from, to, shape: [hiddenSize], bias: 'required' });
  return [
    ...partRules([
      { from: 'word_embeddings', to: 'token_embd', shape: ['any', hiddenSize] },
      norm('ln_f', 'output_norm'),
      ...(tied ? [] : [{ from: 'lm_head', to: 'output', shape: ['any', hiddenSize] } as const]),
    ]),
    blockRules('h', decoder.blocks, () => [
      ...(norms === 2
        ? [norm('ln_mlp', 'attn_norm'), norm('ln_attn', 'attn_norm_2')]
        : [norm('input_layernorm', 'attn_norm')]),
      {
        from: 'self_attention.query_key_value',
        to: 'attn_qkv',
        shape: [(heads + 2 * kvHeads) * headSize, hiddenSize],
        rule: { rows: groupedRows(kvHeads, heads / kvHeads, headSize) },
      },
      { from: 'self_attention.dense', to: 'attn_output', shape: [hiddenSize, hiddenSize] },
      { from: 'mlp.dense_h_to_4h', to: 'ffn_up', shape: [feedForwardSize, hiddenSize] },
      { from: 'mlp.dense_4h_to_h', to: 'ffn_down', shape: [hiddenSize, feedForwardSize] },
    ]),
  ];
}

/** Falcon's own names of what every decoder has, in the spelling of either class. */
function readFalcon(config: ConfigReader, grouped: boolean): Decoder {
  const hiddenSize = config.integer(config.spelled('hidden_size', 'n_embed'), 4544);
  const heads = config.count(config.spelled('num_attention_heads', 'n_head'), 71);
  const headSize = sharedHeadSize(config, hiddenSize, heads);
  const kvKey = config.spelled('num_kv_heads', 'n_head_kv');
  const single = !grouped && config.flag('multi_query', true);
  const kvHeads = single ? 1 : grouped ? config.count(kvKey, heads) : heads;
  if (heads % kvHeads !== 0) throw config.wrong(kvKey, `a divisor of ${heads} heads is needed`);
  const contextLength = config.integer('max_position_embeddings', 2048);
  return {
    blocks: config.layers(config.spelled('num_hidden_layers', 'n_layer'), 32),
    hiddenSize,
    feedForwardSize: config.integer('ffn_hidden_size', 4 * hiddenSize),
    heads,
    kvHeads,
    headSize,
    headSizeStated: false,
    ropeDimensions: headSize,
    contextLength,
    rope: readRope(config, headSize, contextLength),
    tied: config.tied(true),
  };
}
