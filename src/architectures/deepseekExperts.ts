import type { KeyValue } from '../model/keyValue';
import type { ConfigReader } from './configReader';
import { bool, f32, u32 } from './keyValues';

/** DeepSeek's mixture: experts chosen for each token, and others that all tokens share. */
export interface Experts {
  readonly count: number;
  /** Size of the shared expert, in experts. */
  readonly shared: number;
  /** Feed-forward size of one expert. */
  readonly size: number;
  /** Blocks before the first with experts. */
  readonly denseBlocks: number;
  /** Whether a bias takes part in the choice, but not in the weight, of an expert. */
  readonly biased: boolean;
  readonly keyValues: readonly KeyValue[];
}

/** Values of `expert_gating_func` in GGUF. */
const gatingFunctions = { softmax: 1, sigmoid: 2 };

/** Ways to choose experts only among the best groups of them. */
const groupedMethods = ['group_limited_greedy', 'noaux_tc'];

/** Defaults of transformers' classes for what config.json leaves out; undefined where they require it. */
const secondDefaults = {
  count: 64,
  used: undefined as number | undefined,
  shared: 2,
  size: 1407,
  denseBlocks: 0,
  scale: 1,
  groups: undefined as number | undefined,
  groupsUsed: undefined as number | undefined,
  normalized: false,
  gating: 'softmax',
  method: 'greedy',
};
const thirdDefaults: typeof secondDefaults = {
  count: 256,
  used: 8,
  shared: 1,
  size: 2048,
  denseBlocks: 3,
  scale: 2.5,
  groups: 8,
  groupsUsed: 4,
  normalized: true,
  gating: 'sigmoid',
  method: 'noaux_tc',
};

/**
 * V2's method with groups scores a group by its best expert, llama.cpp by its best two, as V3 does: of such models a few
 * choices differ.
 * @param third V3, whose experts are scored by sigmoid, have a bias, and may have their weights normalized.
 * @throws QuantscopeError UNSUPPORTED for ways of choosing other than those of V2 or V3.
 */
export function readExperts(config: ConfigReader, third: boolean): Experts {
  const defaults = third ? thirdDefaults : secondDefaults;
  config.expect('moe_layer_freq', 1, 1);
  config.expect('scoring_func', defaults.gating, defaults.gating);
  const methods = third ? ['noaux_tc'] : ['greedy', 'gready', 'group_limited_greedy'];
  config.expect('topk_method', defaults.method, ...methods);
  const normalized = config.flag('norm_topk_prob', defaults.normalized);
  // V2 either normalizes or scales, where llama.cpp does both.
  if (!third) config.expect('norm_topk_prob', false, false);
  const count = config.count('n_routed_experts', defaults.count);
  const shared = config.integer('n_shared_experts', defaults.shared);
  const size = config.integer('moe_intermediate_size', defaults.size);
  const denseBlocks = config.layers('first_k_dense_replace', defaults.denseBlocks, 0);
  const grouped = groupedMethods.includes(config.text('topk_method', defaults.method));
  return {
    count,
    shared,
    size,
    denseBlocks,
    biased: third,
    keyValues: [
      u32('leading_dense_block_count', denseBlocks),
      u32('expert_count', count),
      u32('expert_used_count', config.integer('num_experts_per_tok', defaults.used)),
      u32('expert_shared_count', shared),
      u32('expert_feed_forward_length', size),
      f32('expert_weights_scale', config.number('routed_scaling_factor', defaults.scale)),
      bool('expert_weights_norm', normalized),
      u32('expert_gating_func', third ? gatingFunctions.sigmoid : gatingFunctions.softmax),
      ...(grouped
        ? [
            u32('expert_group_count', config.integer('n_group', defaults.groups)),
            u32('expert_group_used_count', config.integer('topk_group', defaults.groupsUsed)),
          ]
        : []),
    ],
  };
}
