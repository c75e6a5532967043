import { decoderKeyValues, layerNormEpsilon, type Decoder } from '../decoder';
import { attentionParts, gatedParts, tiedOutput, usualIgnored } from '../decoderParts';
import { blockRules } from '../partRules';
import type { ArchitectureDescription, Conversion } from '../description';
import { cohereOuterRules, readCohere } from './cohereParts';
import { f32, text } from '../keyValues';
import { said } from '../../protocol/said';

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
    const decoder = readCohere(config);
    const { blocks } = decoder;
    const headNorms = config.flag('use_qk_norm', false);
    if (headNorms !== blocks >= blocksWithHeadNorms)
      throw config.unsupported(
        said`"use_qk_norm" is ${String(headNorms)} with ${blocks} blocks; llama.cpp has norms of query and key only in models of at least ${blocksWithHeadNorms} blocks.`,
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
    ...cohereOuterRules(decoder),
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
