import type { ConfigReader } from './configReader';
import {
  attentionParts,
  blockRules,
  decoderKeyValues,
  gatedParts,
  normParts,
  outerParts,
  partRules,
  readDecoder,
  rmsEpsilon,
  tiedOutput,
  usualIgnored,
} from './decoder';
import type { ArchitectureDescription } from './description';
import { readRope, readTheta, refuseFactors, ropeKind, ropeParameters, type Rope } from './rope';

const contextLength = 2048;

/** Hunyuan without experts: llama with norms of heads, which come after the rotation. */
export const hunyuanDense: ArchitectureDescription = {
  name: 'hunyuan-dense',
  family: 'Hunyuan (dense)',
  classes: { HunYuanDenseV1ForCausalLM: 'hunyuan_v1_dense' },
  forward: { rotation: 'halves', activation: 'silu', normsRotated: true },
  convert(config) {
    config.known('eod_token_id', 'im_end_id', 'im_start_id', 'im_newline_id', 'sep_token_id');
    config.expect('hidden_act', 'silu', 'silu');
    config.expect('attention_bias', false, false);
    config.expect('mlp_bias', false, false);
    config.expect('use_qk_norm', true, true);
    config.expect('use_cla', false, false);
    config.expect('num_experts', 1, 1);
    const decoder = readDecoder(config, {
      blocks: 32,
      hiddenSize: 4096,
      feedForwardSize: 11008,
      heads: 32,
      contextLength,
      rope: readStretchedRope(config),
    });
    refuseFactors(config, decoder.rope);
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
          ...gatedParts(decoder),
        ]),
      ],
    };
  },
};

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
