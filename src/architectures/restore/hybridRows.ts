import { decoder, graniteDecoder, headSize, rmsDecoder } from './configParts';
import type { ConfigRow } from './configRow';
import type { GgufFacts } from './ggufFacts';
import type { Fields } from './ropeFields';

/** A name for each layer, that of attention where it has keys. */
const layersOf = (facts: GgufFacts, attention: string, other: (layer: number) => string): string[] =>
  facts.ofBlocks('attention.head_count_kv').map((heads, layer) => (heads > 0 ? attention : other(layer)));

const sizePerHead = (facts: GgufFacts): number =>
  (facts.number('ssm.inner_size') ?? 0) / (facts.number('ssm.time_step_rank') ?? 1);

const expansion = (facts: GgufFacts): number =>
  (facts.number('ssm.inner_size') ?? 0) / (facts.number('embedding_length') ?? 1);

/** The state space layers of Granite 4; it may have none. */
const graniteMixer = (facts: GgufFacts): Fields =>
  facts.number('ssm.inner_size') === undefined
    ? {}
    : {
        mamba_expand: expansion(facts),
        mamba_n_heads: facts.number('ssm.time_step_rank'),
        mamba_d_head: sizePerHead(facts),
        mamba_n_groups: facts.number('ssm.group_count'),
        mamba_d_state: facts.number('ssm.state_size'),
        mamba_d_conv: facts.number('ssm.conv_kernel'),
        ...{ mamba_conv_bias: true, mamba_proj_bias: false },
      };

/** Granite 4. A network that all tokens go through is the only one where there are no experts. */
const granite4 = (facts: GgufFacts): Fields => ({
  ...graniteDecoder(facts),
  ...graniteMixer(facts),
  attention_bias: false,
  layer_types: layersOf(facts, 'attention', () => 'mamba'),
  position_embedding_type: facts.flag('rope.scaling.finetuned') === true ? 'rope' : 'nope',
  num_local_experts: facts.number('expert_count') ?? 0,
  num_experts_per_tok: facts.number('expert_used_count') ?? 0,
  shared_intermediate_size:
    facts.number('expert_shared_feed_forward_length') ?? facts.number('feed_forward_length'),
});

const graniteRow = (architecture: string): ConfigRow => ({
  ...{ className: 'GraniteMoeHybridForCausalLM', architecture, fields: granite4 },
  fits: (facts) => facts.flag('rope.scaling.finetuned') !== undefined,
});

/** Attention and a mixer in each layer; what the class multiplies by is part of the weights already. */
const falconH1 = (facts: GgufFacts): Fields => ({
  ...rmsDecoder(facts),
  ...graniteMixer(facts),
  mamba_d_ssm: facts.number('ssm.inner_size'),
  ...{ projectors_bias: false, attention_bias: false, mlp_bias: false },
  mamba_rms_norm: facts.has('blk.0.ssm_norm.weight'),
  mamba_norm_before_gate: false,
});

/** Short convolutions, and attention in some layers. */
const lfm2 = (facts: GgufFacts): Fields => ({
  ...decoder(facts),
  norm_eps: facts.number('attention.layer_norm_rms_epsilon'),
  conv_L_cache: facts.number('shortconv.l_cache'),
  conv_bias: false,
  layer_types: layersOf(facts, 'full_attention', () => 'conv'),
});

/** Nemotron-H. @param network letter of layers that are feed-forward networks. */
function nemotronH(facts: GgufFacts, network: '-' | 'E'): Fields {
  const widths = facts.ofBlocks('feed_forward_length');
  const pattern = layersOf(facts, '*', (layer) => ((widths[layer] ?? 0) > 0 ? network : 'M'));
  return {
    hidden_size: facts.number('embedding_length'),
    num_hidden_layers: facts.number('block_count'),
    hybrid_override_pattern: pattern.join(''),
    num_attention_heads: facts.number('attention.head_count'),
    num_key_value_heads: facts.number('attention.head_count_kv'),
    head_dim: headSize(facts),
    max_position_embeddings: facts.number('context_length'),
    layer_norm_epsilon: facts.number('attention.layer_norm_rms_epsilon'),
    mlp_hidden_act: 'relu2',
    ...{ mamba_num_heads: facts.number('ssm.time_step_rank'), mamba_head_dim: sizePerHead(facts) },
    ...{ n_groups: facts.number('ssm.group_count'), ssm_state_size: facts.number('ssm.state_size') },
    ...{ conv_kernel: facts.number('ssm.conv_kernel'), use_conv_bias: true },
  };
}

/** Classes with layers that are not attention. */
export const hybridRows: readonly ConfigRow[] = [
  ...['granitehybrid', 'granite', 'granitemoe'].map(graniteRow),
  {
    className: 'Mamba2ForCausalLM',
    prefix: 'backbone.',
    fields: (facts) => ({
      hidden_size: facts.number('embedding_length'),
      num_hidden_layers: facts.number('block_count'),
      ...{
        expand: expansion(facts),
        num_heads: facts.number('ssm.time_step_rank'),
        head_dim: sizePerHead(facts),
      },
      ...{ n_groups: facts.number('ssm.group_count'), state_size: facts.number('ssm.state_size') },
      ...{ conv_kernel: facts.number('ssm.conv_kernel'), use_bias: false, use_conv_bias: true },
      layer_norm_epsilon: facts.number('attention.layer_norm_rms_epsilon'),
    }),
  },
  { className: 'FalconH1ForCausalLM', fields: falconH1 },
  {
    className: 'Lfm2ForCausalLM',
    // The size that the class would make two thirds of is stated as it is.
    fields: (facts) => ({ ...lfm2(facts), block_auto_adjust_ff_dim: false }),
  },
  {
    className: 'Lfm2MoeForCausalLM',
    fields: (facts) => ({
      ...lfm2(facts),
      num_experts: facts.number('expert_count'),
      num_experts_per_tok: facts.number('expert_used_count'),
      moe_intermediate_size: facts.number('expert_feed_forward_length'),
      num_dense_layers: facts.number('leading_dense_block_count'),
      ...{ use_expert_bias: true, norm_topk_prob: true, routed_scaling_factor: 1 },
    }),
  },
  {
    className: 'NemotronHForCausalLM',
    architecture: 'nemotron_h',
    prefix: 'backbone.',
    fields: (facts) => ({ ...nemotronH(facts, '-'), intermediate_size: facts.number('feed_forward_length') }),
  },
  {
    className: 'NemotronHForCausalLM',
    architecture: 'nemotron_h_moe',
    prefix: 'backbone.',
    fields: (facts) => ({
      ...nemotronH(facts, 'E'),
      moe_intermediate_size: facts.number('expert_feed_forward_length'),
      n_routed_experts: facts.number('expert_count'),
      num_experts_per_tok: facts.number('expert_used_count'),
      moe_shared_expert_intermediate_size: facts.number('expert_shared_feed_forward_length'),
      ...{ n_shared_experts: 1, n_group: 1, topk_group: 1 },
      norm_topk_prob: facts.flag('expert_weights_norm'),
      routed_scaling_factor: facts.number('expert_weights_scale'),
    }),
  },
];
