import {
  architecture,
  attention,
  block,
  blocks,
  gatedMlp,
  llamaConfig,
  llamaNorms,
  llamaShapes,
  outer,
  withBiases,
  type CheckpointSpec,
} from './checkpointParts';

/** Decoders that differ from llama in a few settings. */
export const simpleCheckpoints: Readonly<Record<string, CheckpointSpec>> = {
  'seed-oss': {
    config: llamaConfig({
      ...architecture('SeedOssForCausalLM', 'seed_oss'),
      ...{ attention_bias: true, attention_out_bias: false, head_dim: 32, residual_dropout: 0.1 },
    }),
    shapes: {
      ...outer(),
      ...blocks(2, {
        ...llamaNorms,
        ...withBiases(attention({ head: 32 }), /[qkv]_proj/),
        ...gatedMlp(),
      }),
    },
  },
  'ernie 4.5': {
    config: llamaConfig({
      ...architecture('Ernie4_5ForCausalLM', 'ernie4_5'),
      ...{ head_dim: 32, use_bias: false, rope_theta: 500_000, tie_word_embeddings: true },
    }),
    shapes: { ...outer(true), ...blocks(2, block({ head: 32 })) },
  },
  internlm3: {
    config: llamaConfig({
      ...architecture('InternLM3ForCausalLM', 'internlm3'),
      ...{ head_dim: 16, qkv_bias: false, bias: false, rope_scaling: { rope_type: 'dynamic', factor: 6 } },
    }),
    shapes: llamaShapes(),
  },
  'internlm3 with biases': {
    config: llamaConfig({
      ...architecture('InternLM3ForCausalLM', 'internlm3'),
      ...{ qkv_bias: true, bias: true },
    }),
    shapes: { ...outer(), ...blocks(2, withBiases(block(), /_proj/)) },
  },
};
