import {
  architecture,
  attention,
  blocks,
  hidden,
  llamaConfig,
  llamaNorms,
  llamaShapes,
  outer,
  mamba2Shapes,
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

/** A mixer of four heads of 32. */
const sizes = {
  ...{
    mamba_n_heads: 4,
    mamba_d_head: 32,
    mamba_n_groups: 1,
    mamba_d_state: 16,
    mamba_d_conv: 4,
    mamba_expand: 2,
  },
  ...{ mamba_conv_bias: true, mamba_proj_bias: false, mamba_chunk_size: 256 },
};
const mixer = mamba2Shapes('mamba', { inner: 128, heads: 4, groups: 1, state: 16 });

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
  granitehybrid: {
    config: graniteConfig('GraniteMoeHybridForCausalLM', 'granitemoehybrid', {
      ...{ ...sizes, num_local_experts: 0, shared_intermediate_size: 48, intermediate_size: 48 },
      ...{ layer_types: ['mamba', 'attention'], position_embedding_type: 'nope', rope_theta: 10_000 },
    }),
    shapes: {
      ...outer(),
      ...blocks(2, (index) => ({ ...llamaNorms, ...(index === 0 ? mixer : attention()), ...shared })),
    },
  },
  'granitehybrid with experts': {
    config: graniteConfig('GraniteMoeHybridForCausalLM', 'granitemoehybrid', {
      ...{ ...sizes, ...mixture, shared_intermediate_size: 48, layer_types: ['attention', 'mamba'] },
    }),
    shapes: {
      ...outer(),
      ...blocks(2, (index) => ({
        ...{ ...llamaNorms, ...(index === 1 ? mixer : attention()), ...experts, ...shared },
      })),
    },
  },
  'granite 4, attention only': {
    config: graniteConfig('GraniteMoeHybridForCausalLM', 'granitemoehybrid', {
      ...{ num_local_experts: 0, shared_intermediate_size: 48, position_embedding_type: 'rope' },
      layer_types: ['attention', 'attention'],
    }),
    shapes: { ...outer(), ...blocks(2, { ...llamaNorms, ...attention(), ...shared }) },
  },
  'granite 4, attention only, without positions': {
    config: graniteConfig('GraniteMoeHybridForCausalLM', 'granitemoehybrid', {
      ...{ num_local_experts: 0, shared_intermediate_size: 48, position_embedding_type: 'nope' },
      layer_types: ['attention', 'attention'],
    }),
    shapes: { ...outer(), ...blocks(2, { ...llamaNorms, ...attention(), ...shared }) },
  },
  'granite 4, experts and attention only': {
    config: graniteConfig('GraniteMoeHybridForCausalLM', 'granitemoehybrid', {
      ...{ ...mixture, shared_intermediate_size: 48, layer_types: ['attention', 'attention'] },
      position_embedding_type: 'rope',
    }),
    shapes: { ...outer(), ...blocks(2, { ...llamaNorms, ...attention(), ...experts, ...shared }) },
  },
};
