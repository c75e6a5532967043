import type { ConfigReader } from '../configReader';
import { decoderKeyValues, readDecoder, rmsEpsilon, type Decoder } from '../decoder';
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
import type { ArchitectureDescription, Conversion } from '../description';
import { expertParts, usualExpertNames } from '../experts';
import { u32 } from '../keyValues';
import { readRope, readTheta, refuseFactors, ropeKind, ropeParameters, type Rope } from '../rope';
import { sameInAll } from '../sameInAll';

const contextLength = 2048;

/** Hunyuan without experts: llama with norms of heads, which come after the rotation. */
export const hunyuanDense: ArchitectureDescription = {
  name: 'hunyuan-dense',
  family: 'Hunyuan (dense)',
  classes: { HunYuanDenseV1ForCausalLM: 'hunyuan_v1_dense' },
  forward: { rotation: 'halves', activation: 'silu', normsRotated: true },
  convert(config) {
    config.expect('num_experts', 1, 1);
    const decoder = readHunyuan(config);
    return conversion(config, decoder, gatedParts(decoder));
  },
};

/** Hunyuan with experts, and with a network of the size of one that all tokens go through. */
export const hunyuanMoe: ArchitectureDescription = {
  name: 'hunyuan-moe',
  family: 'Hunyuan with experts (A13B)',
  classes: { HunYuanMoEV1ForCausalLM: 'hunyuan_v1_moe' },
  forward: { rotation: 'halves', activation: 'silu', normsRotated: true, normalizedExperts: true },
  convert(config) {
    config.known('use_mixed_mlp_moe', 'moe_random_routing_dropped_token', 'num_shared_expert');
    config.expect('moe_drop_tokens', false, false);
    config.expect('moe_layer_num_skipped', 0, 0);
    config.expect('norm_topk_prob', true, true);
    const decoder = readHunyuan(config);
    const { hiddenSize, feedForwardSize: size } = decoder;
    const used = sameInAll(config, 'moe_topk', 1);
    // The class gives experts the size of the shared network, whatever this key says; so does llama.cpp.
    if (config.has('moe_intermediate_size') && sameInAll(config, 'moe_intermediate_size', size) !== size)
      throw config.wrong(
        'moe_intermediate_size',
        `"intermediate_size" is ${size}, and both must be the same`,
      );
    const count = config.count('num_experts', 1);
    const { keyValues, ...rest } = conversion(config, decoder, [
      { from: 'mlp.gate.wg', to: 'ffn_gate_inp', shape: [count, hiddenSize] },
      ...expertParts({ count, size, hiddenSize }, usualExpertNames),
      ...feedForwardParts(hiddenSize, size, 'mlp.shared_mlp', '_shexp'),
    ]);
    return {
      ...rest,
      keyValues: [
        ...keyValues,
        u32('expert_count', count),
        u32('expert_used_count', used),
        u32('expert_feed_forward_length', size),
        u32('expert_shared_feed_forward_length', size),
      ],
    };
  },
};

function readHunyuan(config: ConfigReader): Decoder {
  config.known('eod_token_id', 'im_end_id', 'im_start_id', 'im_newline_id', 'sep_token_id');
  config.expect('hidden_act', 'silu', 'silu');
  config.expect('attention_bias', false, false);
  config.expect('mlp_bias', false, false);
  config.expect('use_qk_norm', true, true);
  config.expect('use_cla', false, false);
  const decoder = readDecoder(config, {
    blocks: 32,
    hiddenSize: 4096,
    feedForwardSize: 11008,
    heads: 32,
    contextLength,
    rope: readStretchedRope(config),
  });
  refuseFactors(config, decoder.rope);
  return decoder;
}

/** @param feedForward parts of a block after its last norm. */
function conversion(config: ConfigReader, decoder: Decoder, feedForward: readonly Part[]): Conversion {
  const { headSize } = decoder;
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
        { from: 'self_attn.query_layernorm', to: 'attn_q_norm', shape: [headSize] },
        { from: 'self_attn.key_layernorm', to: 'attn_k_norm', shape: [headSize] },
        ...feedForward,
      ]),
    ],
  };
}

/** Dynamic scaling with "alpha" raises theta to theta · alpha^(d / (d − 2)) for heads of size d, whatever the length of the text. */
function readStretchedRope(config: ConfigReader): Rope {
  const parameters = ropeParameters(config);
  const size = config.integer(
    'head_dim',
    config.integer('hidden_size', 4096) / config.count('num_attention_heads', 32),
  );
  if (ropeKind(parameters) !== 'dynamic' || !parameters?.has('alpha'))
    return readRope(config, size, config.integer('max_position_embeddings', contextLength));
  // Settings of YaRN that the class carries and does not read.
  parameters.known('factor', 'beta_fast', 'beta_slow', 'mscale', 'mscale_all_dim');
  const theta = readTheta(config) * parameters.number('alpha') ** (size / (size - 2));
  return { theta, scaling: { kind: 'none' } };
}
