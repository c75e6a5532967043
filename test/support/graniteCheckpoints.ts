import {
  architecture,
  attention,
  blocks,
  hidden,
  llamaConfig,
  llamaNorms,
  llamaShapes,
  outer,
  type CheckpointSpec,
  type Shapes,
} from './checkpointParts';

const factors = {
  ...{ embedding_multiplier: 6, residual_multiplier: 0.3, attention_multiplier: 0.2, logits_scaling: 0.5 },
};
const graniteConfig = (name: string, type: string, change: object = {}): Record<string, unknown> =>
  llamaConfig({ ...architecture(name, type), ...factors, ...change });

const experts: Shapes = {
  'block_sparse_moe.router.layer.weight': [4, hidden],
  'block_sparse_moe.input_linear.weight': [4, 64, hidden],
  'block_sparse_moe.output_linear.weight': [4, hidden, 32],
};
const shared: Shapes = {
  'shared_mlp.input_linear.weight': [96, hidden],
  'shared_mlp.output_linear.weight': [hidden, 48],
};
const mixture = { num_local_experts: 4, num_experts_per_tok: 2, intermediate_size: 32 };

/** Models of the Granite family. */
export const graniteCheckpoints: Readonly<Record<string, CheckpointSpec>> = {
  granite: { config: graniteConfig('GraniteForCausalLM', 'granite'), shapes: llamaShapes() },
  granitemoe: {
    config: graniteConfig('GraniteMoeForCausalLM', 'granitemoe', {
      ...{ ...mixture, tie_word_embeddings: true },
    }),
    shapes: { ...outer(true), ...blocks(2, { ...llamaNorms, ...attention(), ...experts }) },
  },
  'granitemoe with a shared network': {
    config: graniteConfig('GraniteMoeSharedForCausalLM', 'granitemoeshared', {
      ...{ ...mixture, shared_intermediate_size: 48 },
    }),
    shapes: { ...outer(), ...blocks(2, { ...llamaNorms, ...attention(), ...experts, ...shared }) },
  },
};
