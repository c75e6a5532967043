import {
  architecture,
  attention,
  blocks,
  hidden,
  llamaConfig,
  llamaNorms,
  outer,
  wide,
  withBiases,
  yarn,
  type CheckpointSpec,
  type Shapes,
} from './checkpointParts';

const experts = 4;

/** Matrices of all experts, rows of outputs, in MXFP4. */
const packed = (name: string, rows: number, columns: number): Shapes => ({
  [`mlp.experts.${name}_blocks`]: [experts, rows, columns / 32, 16],
  [`mlp.experts.${name}_scales`]: [experts, rows, columns / 32],
});

const block = (matrices: Shapes): Shapes => ({
  ...llamaNorms,
  ...withBiases(attention(), /_proj/),
  'self_attn.sinks': [4],
  'mlp.router.weight': [experts, hidden],
  'mlp.router.bias': [experts],
  ...matrices,
  'mlp.experts.gate_up_proj_bias': [experts, 2 * wide],
  'mlp.experts.down_proj_bias': [experts, hidden],
});

const config = (change: object = {}): Record<string, unknown> =>
  llamaConfig({
    ...architecture('GptOssForCausalLM', 'gpt_oss'),
    ...{ num_hidden_layers: 4, head_dim: 16, attention_bias: true, swiglu_limit: 7 },
    ...{ num_local_experts: experts, num_experts_per_tok: 2, sliding_window: 16, rope_theta: 150_000 },
    layer_types: Array.from({ length: 4 }, (_, i) => (i % 2 === 0 ? 'sliding_attention' : 'full_attention')),
    rope_scaling: yarn,
    max_position_embeddings: 4096,
    ...change,
  });

/** gpt-oss in the two forms of its experts. */
export const gptOss: CheckpointSpec = {
  config: config(),
  shapes: {
    ...outer(),
    ...blocks(
      4,
      block({ ...packed('gate_up_proj', 2 * wide, hidden), ...packed('down_proj', hidden, wide) }),
    ),
  },
};
export const gptOssPlain: CheckpointSpec = {
  config: config(),
  shapes: {
    ...outer(),
    ...blocks(
      4,
      block({
        'mlp.experts.gate_up_proj': [experts, hidden, 2 * wide],
        'mlp.experts.down_proj': [experts, wide, hidden],
      }),
    ),
  },
};

/** Its YaRN begins and ends between pairs, as that of the published models. */
export const gptOssBetweenPairs: CheckpointSpec = {
  ...gptOss,
  config: config({ rope_scaling: { ...yarn, rope_type: 'yarn', truncate: false } }),
};
