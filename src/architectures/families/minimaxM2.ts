import { decoderKeyValues, readDecoder, rmsEpsilon } from '../decoder';
import {
  attentionParts,
  headNormParts,
  normParts,
  outerParts,
  tiedOutput,
  usualIgnored,
} from '../decoderParts';
import { blockRules, partRules } from '../partRules';
import type { ArchitectureDescription } from '../description';
import { expertParts } from '../experts';
import { gatingFunctions, u32 } from '../keyValues';
import { refuseFactors } from '../rope';
import { predictingPart } from '../textPart';

/** MiniMax M2: experts scored by sigmoid with a bias, norms over all heads of query and key together, heads rotated in part. */
export const minimaxM2: ArchitectureDescription = {
  name: 'minimax-m2',
  family: 'MiniMax M2',
  classes: { MiniMaxM2ForCausalLM: 'minimax_m2' },
  forward: {
    rotation: 'halves',
    activation: 'silu',
    gating: 'sigmoid',
    normalizedExperts: true,
    ownParts: ['exp_probs_b.bias'],
  },
  convert(config) {
    config.expect('hidden_act', 'silu', 'silu');
    config.expect('attention_bias', false, false);
    config.expect('scoring_func', 'sigmoid', 'sigmoid');
    config.expect('use_qk_norm', true, true);
    config.expect('qk_norm_type', 'per_layer', 'per_layer');
    config.expect('use_routing_bias', true, true);
    config.expect('shared_intermediate_size', 0, 0);
    config.known(...predictingKeys, 'attn_type_list');
    const headSize = config.integer('head_dim', 128);
    const decoder = readDecoder(config, {
      blocks: 62,
      hiddenSize: 3072,
      feedForwardSize: 1536,
      heads: 48,
      kvHeads: 8,
      headSize,
      partialRotary: config.integer('rotary_dim', headSize, 2) / headSize,
      contextLength: 196_608,
      ropeTheta: 5_000_000,
    });
    refuseFactors(config, decoder.rope);
    const { hiddenSize, feedForwardSize: size, heads, kvHeads } = decoder;
    const count = config.count('num_local_experts', 256);
    const experts = 'block_sparse_moe.experts';
    return {
      prefixes: ['model.'],
      ...{ ignored: usualIgnored, leftOut: predictingPart },
      ...tiedOutput(decoder),
      keyValues: [
        ...decoderKeyValues(decoder),
        rmsEpsilon(config),
        u32('expert_count', count),
        u32('expert_used_count', config.integer('num_experts_per_tok', 8)),
        u32('expert_feed_forward_length', size),
        u32('expert_gating_func', gatingFunctions.sigmoid),
      ],
      tensors: [
        ...partRules(outerParts(decoder, { copyTied: true })),
        blockRules('layers', decoder.blocks, () => [
          ...normParts(decoder),
          ...attentionParts(decoder),
          ...headNormParts(heads * headSize, kvHeads * headSize),
          { from: 'block_sparse_moe.gate', to: 'ffn_gate_inp', shape: [count, hiddenSize] },
          {
            from: 'block_sparse_moe.e_score_correction_bias',
            ...{ to: 'exp_probs_b.bias', shape: [count], exact: true },
          },
          ...expertParts({ count, size, hiddenSize }, (expert) => ({
            gate: `${experts}.${expert}.w1`,
            up: `${experts}.${expert}.w3`,
            down: `${experts}.${expert}.w2`,
          })),
        ]),
      ],
    };
  },
};

/** What config.json says of layers that predict further tokens. */
const predictingKeys = ['use_mtp', 'num_mtp_modules', 'mtp_transformer_layers'];
