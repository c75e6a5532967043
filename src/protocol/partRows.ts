import * as l10n from '@vscode/l10n';

/** The half of a block that a part belongs to: the diagram draws each half as one row. */
export type Row = 'mixer' | 'feedForward';

/** What a part of a block is called, and where it stands. */
export interface PartRow {
  readonly pattern: RegExp;
  readonly id: string;
  readonly label: string;
  readonly row: Row;
  readonly column: number;
}

const part = (id: string, label: string, row: Row, column: number, pattern: RegExp): PartRow => ({
  ...{ id, label, row, column, pattern },
});

/**
 * Parts of a block by the names that tensors have in checkpoints of Hugging Face and in GGUF, without layer and suffix: "self_attn.q_proj",
 * "attn_q". The first match counts.
 */
export const partRows: readonly PartRow[] = [
  part(
    'sharedGate',
    l10n.t('shared gate'),
    'feedForward',
    3,
    /shared_experts?\.(gate_proj|w1)$|^ffn_gate_shexp$/,
  ),
  part(
    'sharedUp',
    l10n.t('shared up'),
    'feedForward',
    3,
    /shared_(experts?\.(up_proj|w3)|mlp\.input_linear)$|^ffn_up_shexp$/,
  ),
  part(
    'sharedDown',
    l10n.t('shared down'),
    'feedForward',
    5,
    /shared_(experts?\.(down_proj|w2)|mlp\.output_linear)$|^ffn_down_shexp$/,
  ),
  part(
    'router',
    l10n.t('router'),
    'feedForward',
    1,
    /(^|\.)(ffn_gate_inp(_shexp)?|router(\.(layer|proj|gate|classifier))?|(mlp|moe|block_sparse_moe|feed_forward|mixer)\.(gate|router)(\.wg)?|shared_expert_gate|router)$/,
  ),
  part(
    'routerBias',
    l10n.t('router bias'),
    'feedForward',
    1,
    /(e_score_correction_bias|exp_probs_b|(^|\.)expert_bias|router\.(per_expert_)?scale)$/,
  ),
  part(
    'expertGateUp',
    l10n.t('gate and up'),
    'feedForward',
    3,
    /(experts?|block_sparse_moe)\.(gate_up_proj(_blocks)?|input_linear)$|^ffn_gate_up_exps$/,
  ),
  part(
    'expertGate',
    l10n.t('gate'),
    'feedForward',
    3,
    /experts?\.(gate_proj|w1|gate|linear)$|^ffn_gate_exps$/,
  ),
  part('expertUp', l10n.t('up'), 'feedForward', 3, /experts?\.(up_proj|w3|up|linear_v)$|^ffn_up_exps$/),
  part(
    'expertDown',
    l10n.t('down'),
    'feedForward',
    5,
    /(experts?|block_sparse_moe)\.(down_proj(_blocks)?|w2|down|output_linear)$|^ffn_down_exps$/,
  ),
  part(
    'attnPostNorm',
    l10n.t('post norm'),
    'mixer',
    9,
    /^(post_attention_norm|post_self_attn_layernorm|attn_post_norm|attention\.output\.LayerNorm|attn_output_norm)$/,
  ),
  part(
    'ffnPostNorm',
    l10n.t('post norm'),
    'feedForward',
    9,
    /^(post_feedforward_layernorm(_\d)?|post_mlp_layernorm|post_ffw?n?_norm|ffn_post_norm|output\.LayerNorm|layer_output_norm)$/,
  ),
  part(
    'ffnNorm',
    l10n.t('norm'),
    'feedForward',
    0,
    /^(ffn_norm|ln_2|norm2|pre_feedforward_layernorm(_\d)?|ffn_layernorm|post_attention_layernorm|ln_mlp|mlp_norm|pre_ff_layernorm|pre_mlp_norm)$/,
  ),
  part(
    'attnNorm',
    l10n.t('norm'),
    'mixer',
    0,
    /^(attn_norm(_2)?|ln_1|norm1|norm|input_layernorm|attention_norm|attn_norm|ln_attn|operator_norm|temporal_pre_norm|ln_mixer)$/,
  ),
  part(
    'qNorm',
    l10n.t('q norm'),
    'mixer',
    2,
    /(^|\.)(attn_)?(q_norm|q_layernorm(\.norms)?|q_a_norm|q_a_layernorm|query_layernorm)$/,
  ),
  part(
    'kNorm',
    l10n.t('k norm'),
    'mixer',
    2,
    /(^|\.)(attn_)?(k_norm|k_layernorm(\.norms)?|kv_a_norm|kv_a_layernorm|key_layernorm)$/,
  ),
  part(
    'qkv',
    l10n.t('q, k and v'),
    'mixer',
    1,
    /(^|\.)(qkv_proj|query_key_value|attn_qkv|c_attn|Wqkv|qkv|wqkv|in_proj_qkv|in_proj_qkvz)$/,
  ),
  part('qA', l10n.t('q down'), 'mixer', 1, /(^|\.)(q_a_proj|attn_q_a|wq_a)$/),
  part('qB', l10n.t('q up'), 'mixer', 3, /(^|\.)(q_b_proj|attn_q_b|wq_b)$/),
  part('kvA', l10n.t('k, v down'), 'mixer', 1, /(^|\.)(kv_a_proj_with_mqa|attn_kv_a_mqa|wkv_a(_with_mqa)?)$/),
  part('kvB', l10n.t('k, v up'), 'mixer', 3, /(^|\.)(kv_b_proj|attn_kv_b|wkv_b)$/),
  part('kB', l10n.t('k up'), 'mixer', 3, /(^|\.)attn_k_b$/),
  part('vB', l10n.t('v up'), 'mixer', 3, /(^|\.)attn_v_b$/),
  part('q', 'q', 'mixer', 1, /(^|\.)(q_proj|attn_q|wq|query|q_lin|q_linear)$/),
  part('k', 'k', 'mixer', 1, /(^|\.)(k_proj|attn_k|wk|key|k_lin|k_linear)$/),
  part('v', 'v', 'mixer', 1, /(^|\.)(v_proj|attn_v|wv|value|v_lin|v_linear)$/),
  part('attnGate', l10n.t('gate'), 'mixer', 1, /(^|\.)(attn_gate|in_proj_z|self_attn\.g_proj)$/),
  part('sinks', l10n.t('sinks'), 'mixer', 5, /(^|\.)(sinks|attn_sinks)$/),
  part(
    'stateConv',
    l10n.t('convolution'),
    'mixer',
    3,
    /(^|\.)(conv1d|ssm_conv1d|shortconv\.conv|conv\.conv)$/,
  ),
  part(
    'stateIn',
    l10n.t('in'),
    'mixer',
    1,
    /(mamba|mixer|ssm|conv|shortconv|linear_attn)\.in_proj$|^ssm_in$|^in_proj$/,
  ),
  part(
    'stateStep',
    l10n.t('steps'),
    'mixer',
    4,
    /(^|\.)(dt_proj|x_proj|ssm_dt|ssm_x|dt_bias|ssm_dt\.bias|ssm_(dt|b|c)_norm|in_proj_ba|in_proj_b|in_proj_a|ssm_ba|ssm_beta|ssm_alpha|ssm_beta_alpha)$/,
  ),
  part('stateDecay', l10n.t('decay'), 'mixer', 4, /(^|\.)(A_log|A|ssm_a|D|ssm_d)$/),
  part('stateNorm', l10n.t('norm'), 'mixer', 6, /^((mamba|mixer|linear_attn)\.norm|ssm_norm)$/),
  part(
    'stateOut',
    l10n.t('out'),
    'mixer',
    7,
    /^((mamba|mixer|linear_attn|conv|shortconv)\.out_proj|ssm_out|shortconv\.out_proj)$/,
  ),
  part(
    'attnOut',
    'o',
    'mixer',
    7,
    /^((self_attn|attn|attention|self_attention)(\.output|\.attention)?\.(o_proj|out_proj|c_proj|dense|wo|o_lin|Wo)|attn_output|mixer\.o_proj)$/,
  ),
  part('timeReceptance', l10n.t('receptance'), 'mixer', 1, /^time_mix_receptance$/),
  part('timeKey', l10n.t('key'), 'mixer', 1, /^time_mix_key$/),
  part('timeValue', l10n.t('value'), 'mixer', 1, /^time_mix_value$/),
  part('timeGate', l10n.t('gate'), 'mixer', 1, /^time_mix_gate$/),
  part('timeOut', l10n.t('output'), 'mixer', 7, /^time_mix_output$/),
  part('timeMix', l10n.t('mix'), 'mixer', 3, /^time_mix_/),
  part('channelReceptance', l10n.t('receptance'), 'feedForward', 3, /^channel_mix_receptance$/),
  part('channelKey', l10n.t('key'), 'feedForward', 3, /^channel_mix_key$/),
  part('channelValue', l10n.t('value'), 'feedForward', 5, /^channel_mix_value$/),
  part('attnSubNorm', l10n.t('norm'), 'mixer', 6, /^attn_sub_norm$/),
  part('ffnSubNorm', l10n.t('norm'), 'feedForward', 4.5, /^ffn_sub_norm$/),
  part('ffnGateUp', l10n.t('gate and up'), 'feedForward', 3, /(^|\.)(gate_up_proj|Wi)$/),
  part('ffnGate', l10n.t('gate'), 'feedForward', 3, /(^|\.)(gate_proj|ffn_gate|w1)$/),
  part(
    'ffnDown',
    l10n.t('down'),
    'feedForward',
    5,
    /(^|\.)(down_proj|ffn_down|w2|fc2|fc_out|dense_4h_to_h|mlp\.(c_proj|Wo)|lin2)$|^output\.dense$/,
  ),
  part(
    'ffnUp',
    l10n.t('up'),
    'feedForward',
    3,
    /(^|\.)(up_proj|ffn_up|w3|c_fc|fc1|fc_in|dense_h_to_4h|lin1|intermediate\.dense)$/,
  ),
];
