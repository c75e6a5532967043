import type { ConfigReader } from '../configReader';
import { decoderKeyValues, readDecoder, rmsEpsilon, type Decoder, type DecoderDefaults } from '../decoder';
import {
  attentionParts,
  gatedParts,
  normParts,
  outerParts,
  tiedOutput,
  usualIgnored,
  feedForwardParts,
} from '../decoderParts';
import { blockRules, partRules, type Part } from '../partRules';
import type { ArchitectureDescription } from '../description';
import { expertParts, usualExpertNames } from '../experts';
import { u32 } from '../keyValues';
import { refuseFactors } from '../rope';
import { said } from '../../protocol/said';

/** ERNIE 4.5 without experts: llama whose heads are rotated by neighbouring pairs in the checkpoint, too. */
export const ernie45: ArchitectureDescription = {
  name: 'ernie4_5',
  family: 'ERNIE 4.5 (dense)',
  classes: { Ernie4_5ForCausalLM: 'ernie4_5', Ernie4_5_ForCausalLM: 'ernie4_5' },
  forward: { rotation: 'pairs', activation: 'silu' },
  convert(config) {
    const decoder = readErnie(config, {
      blocks: 18,
      hiddenSize: 1024,
      feedForwardSize: 3072,
      heads: 16,
      kvHeads: 2,
      headSize: 128,
    });
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      keyValues: [...decoderKeyValues(decoder), rmsEpsilon(config, 1e-5)],
      tensors: [
        ...partRules(outerParts(decoder)),
        blockRules('layers', decoder.blocks, () => [
          ...normParts(decoder),
          ...attentionParts(decoder),
          ...gatedParts(decoder),
        ]),
      ],
    };
  },
};

/** ERNIE 4.5 with experts: a bias decides with the shares which are used, and all tokens go through shared ones. */
export const ernie45moe: ArchitectureDescription = {
  name: 'ernie4_5-moe',
  family: 'ERNIE 4.5 with experts',
  classes: { Ernie4_5_MoeForCausalLM: 'ernie4_5_moe' },
  forward: {
    rotation: 'pairs',
    activation: 'silu',
    normalizedExperts: true,
    ownParts: ['exp_probs_b.bias'],
  },
  convert(config) {
    const decoder = readErnie(config, {
      blocks: 28,
      hiddenSize: 2560,
      feedForwardSize: 12288,
      heads: 20,
      kvHeads: 4,
    });
    const mixture = readMixture(config, decoder);
    return {
      prefixes: ['model.'],
      // Layers that predict further tokens, which transformers leaves out, too.
      ignored: [...usualIgnored, /^mtp_/],
      ...tiedOutput(decoder),
      keyValues: [...decoderKeyValues(decoder), rmsEpsilon(config, 1e-5), ...mixture.keyValues],
      tensors: [
        ...partRules(outerParts(decoder)),
        blockRules('layers', decoder.blocks, (block) => [
          ...normParts(decoder),
          ...attentionParts(decoder),
          ...(mixture.isIn(block) ? mixture.parts : gatedParts(decoder)),
        ]),
      ],
    };
  },
};

function readErnie(config: ConfigReader, defaults: DecoderDefaults): Decoder {
  config.expect('hidden_act', 'silu', 'silu');
  config.expect('use_bias', false, false);
  const usual = { contextLength: 131_072, ropeTheta: 500_000, tied: true };
  const decoder = readDecoder(config, { ...usual, ...defaults });
  refuseFactors(config, decoder.rope);
  return decoder;
}

/** Experts, and the blocks that have them: every so many from a first one on. */
function readMixture(config: ConfigReader, { blocks, hiddenSize }: Decoder) {
  config.known('moe_capacity', 'moe_gate', 'moe_use_aux_free', 'num_nextn_predict_layers');
  // llama.cpp divides by at least 2⁻¹⁴ instead, which no sum of the largest shares comes near.
  config.expect('moe_norm_min', 1e-12, 1e-12);
  const first = config.integer('moe_layer_start_index', 1, 0);
  const step = config.integer('moe_layer_interval', 1);
  const last = config.has('moe_layer_end_index') ? config.integer('moe_layer_end_index', 0, -1) : -1;
  if (last !== -1 && last < blocks - 1)
    throw config.unsupported(
      said`"moe_layer_end_index" is ${last}, but llama.cpp has experts up to the last of ${blocks} layers.`,
    );
  const count = config.count('moe_num_experts', 64);
  const size = config.integer('moe_intermediate_size', 1536);
  const shared = size * config.integer('moe_num_shared_experts', 2, 0);
  const parts: Part[] = [
    { from: 'mlp.gate', to: 'ffn_gate_inp', shape: [count, hiddenSize] },
    {
      ...{ from: 'mlp.moe_statics.e_score_correction_bias', to: 'exp_probs_b.bias', exact: true },
      ...{ shape: [count], rule: { sourceShape: [1, count] }, optional: true },
    },
    ...expertParts({ count, size, hiddenSize }, usualExpertNames),
    ...(shared > 0 ? feedForwardParts(hiddenSize, shared, 'mlp.shared_experts', '_shexp') : []),
  ];
  return {
    parts,
    isIn: (block: number): boolean => block >= first && (block + 1) % step === 0,
    keyValues: [
      u32('expert_count', count),
      u32('expert_used_count', config.integer('moe_k', 6)),
      u32('expert_feed_forward_length', size),
      u32('expert_shared_feed_forward_length', shared),
      u32('leading_dense_block_count', first),
      u32('interleave_moe_layer_step', step),
    ],
  };
}
