import {
  attentionParts,
  blockRules,
  decoderKeyValues,
  expectSquareAttention,
  gatedParts,
  layerNormEpsilon,
  partRules,
  readDecoder,
  tiedOutput,
  usualIgnored,
  type Decoder,
} from '../decoder';
import type { ArchitectureDescription, Conversion } from '../description';
import { f32, text } from '../keyValues';

/** llama.cpp expects norms of query and key in models of at least so many blocks (Command R+), and in no others. */
const blocksWithHeadNorms = 64;

/**
 * Command R, Command R+ and Aya: parallel attention and feed-forward after one layer norm without bias, output tied.
 * Both transformers and llama.cpp rotate neighbouring pairs, so no rows are reordered.
 */
export const commandR: ArchitectureDescription = {
  name: 'command-r',
  family: 'Command R, Command R+',
  classes: { CohereForCausalLM: 'cohere' },
  forward: {
    rotation: 'pairs',
    activation: 'silu',
    centredNorms: true,
    parallel: true,
    scalesLogits: true,
  },
  convert(config) {
    config.expect('hidden_act', 'silu', 'silu');
    config.expect('attention_bias', false, false);
    config.expectTied();
    const decoder = readDecoder(config, {
      blocks: 40,
      hiddenSize: 8192,
      feedForwardSize: 22528,
      heads: 64,
      contextLength: 8192,
      tied: true,
    });
    expectSquareAttention(config, decoder);
    if (decoder.rope.scaling.kind !== 'none')
      throw config.unsupported('Rope scaling cannot be exported for this architecture.');
    const { blocks } = decoder;
    const headNorms = config.flag('use_qk_norm', false);
    if (headNorms !== blocks >= blocksWithHeadNorms)
      throw config.unsupported(
        `"use_qk_norm" is ${headNorms} with ${blocks} blocks; llama.cpp has norms of query and key only in models of at least ${blocksWithHeadNorms} blocks.`,
      );
    // The true context length is given in addition to the one that transformers allocates for.
    const contextLength = config.integer(
      config.spelled('model_max_length', 'max_position_embeddings'),
      decoder.contextLength,
    );
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      keyValues: [
        ...decoderKeyValues({ ...decoder, contextLength }),
        layerNormEpsilon(config, 'layer_norm_eps'),
        f32('logit_scale', config.number('logit_scale', 0.0625)),
        text('rope.scaling.type', 'none'),
      ],
      tensors: tensorRules(decoder, headNorms),
    };
  },
};

function tensorRules(decoder: Decoder, headNorms: boolean): Conversion['tensors'] {
  const { blocks, hiddenSize, heads, kvHeads, headSize } = decoder;
  return [
    ...partRules([
      { from: 'embed_tokens', to: 'token_embd', shape: ['any', hiddenSize] },
      { from: 'norm', to: 'output_norm', shape: [hiddenSize] },
    ]),
    blockRules('layers', blocks, () => [
      { from: 'input_layernorm', to: 'attn_norm', shape: [hiddenSize] },
      ...attentionParts(decoder),
      ...(headNorms
        ? [
            { from: 'self_attn.q_norm', to: 'attn_q_norm', shape: [heads, headSize] },
            { from: 'self_attn.k_norm', to: 'attn_k_norm', shape: [kvHeads, headSize] },
          ]
        : []),
      ...gatedParts(decoder),
    ]),
  ];
}
