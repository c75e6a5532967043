import type { KeyValue } from '../../model/keyValue';
import type { ConfigReader } from '../configReader';
import { feedForwardParts } from '../decoderParts';
import type { Part } from '../partRules';
import type { TensorRule } from '../description';
import { expertParts, usualExpertNames } from '../experts';
import { bool, f32, gatingFunctions, u32 } from '../keyValues';
import { said } from '../../protocol/said';

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

/** Ways to choose experts only among the best groups of them. */
const groupedMethods = ['group_limited_greedy', 'noaux_tc'];

interface Defaults {
  readonly count: number;
  /** Undefined where config.json must say it. */
  readonly used: number | undefined;
  readonly shared: number;
  readonly size: number;
  readonly denseBlocks: number;
  readonly scale: number;
  readonly groups: number | undefined;
  readonly groupsUsed: number | undefined;
  readonly normalized: boolean;
  readonly gating: 'softmax' | 'sigmoid';
  readonly method: string;
}

const thirdDefaults: Defaults = {
  ...{ count: 256, used: 8, shared: 1, size: 2048, denseBlocks: 3, scale: 2.5, groups: 8, groupsUsed: 4 },
  ...{ normalized: true, gating: 'sigmoid', method: 'noaux_tc' },
};

/** Classes of transformers with such a mixture, by `model_type`. */
export type MixtureClass = 'deepseek_v2' | 'deepseek_v3' | 'glm4_moe' | 'glm4_moe_lite';

/** Defaults of transformers' classes for what config.json leaves out. */
const defaultsOf: Readonly<Record<MixtureClass, Defaults>> = {
  deepseek_v2: {
    ...{ count: 64, used: undefined, shared: 2, size: 1407, denseBlocks: 0, scale: 1 },
    ...{ groups: undefined, groupsUsed: undefined },
    ...{ normalized: false, gating: 'softmax', method: 'greedy' },
  },
  deepseek_v3: thirdDefaults,
  glm4_moe: {
    ...{ ...thirdDefaults, count: 128, size: 1408, denseBlocks: 1, scale: 1, groups: 1, groupsUsed: 1 },
  },
  glm4_moe_lite: {
    ...{ ...thirdDefaults, count: 64, used: 4, size: 1536, denseBlocks: 1, scale: 1.8 },
    ...{ groups: 1, groupsUsed: 1 },
  },
};

/**
 * V2's method with groups scores a group by its best expert, llama.cpp by its best two, as V3 does: of such models a few
 * choices differ.
 * The experts of V3 and GLM are scored by sigmoid, have a bias, and may have their weights normalized.
 * @throws QuantscopeError UNSUPPORTED for ways of choosing other than those of the class.
 */
export function readExperts(config: ConfigReader, kind: MixtureClass): Experts {
  const defaults = defaultsOf[kind];
  const third = kind !== 'deepseek_v2';
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
  const denseBlocks = readDenseBlocks(config, defaults.denseBlocks);
  const groups = groupedMethods.includes(config.text('topk_method', defaults.method))
    ? config.integer('n_group', defaults.groups)
    : 1;
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
      ...(groups > 1
        ? [
            u32('expert_group_count', groups),
            u32('expert_group_used_count', config.integer('topk_group', defaults.groupsUsed)),
          ]
        : []),
    ],
  };
}

/** Blocks before the first with experts; transformers 5 may list the kind of each block instead. */
function readDenseBlocks(config: ConfigReader, usual: number): number {
  const stated = config.layers('first_k_dense_replace', usual, 0);
  const kinds = config.list('mlp_layer_types');
  if (!kinds) return stated;
  const dense = kinds.findIndex((kind) => kind !== 'dense');
  const count = dense < 0 ? kinds.length : dense;
  if (kinds.slice(count).every((kind) => kind === 'sparse')) return count;
  throw config.unsupported(
    said`Blocks without experts ("mlp_layer_types") come after others; GGUF can express only how many come first.`,
  );
}

/** Router, experts and the shared expert of a block. */
export function mixtureParts(hiddenSize: number, { count, size, shared }: Experts): Part[] {
  return [
    { from: 'mlp.gate', to: 'ffn_gate_inp', shape: [count, hiddenSize] },
    ...expertParts({ count, size, hiddenSize }, usualExpertNames),
    ...feedForwardParts(hiddenSize, shared * size, 'mlp.shared_experts', '_shexp'),
  ];
}

/** What is added to the scores of experts before the best are chosen. */
export const biasRules = (blocks: number, { count, denseBlocks }: Experts): TensorRule[] =>
  Array.from({ length: Math.max(0, blocks - denseBlocks) }, (_, index) => ({
    to: `blk.${denseBlocks + index}.exp_probs_b.bias`,
    from: [`layers.${denseBlocks + index}.mlp.gate.e_score_correction_bias`],
    shape: [count],
  }));

/**
 * Names of the layers after the last, which predict further tokens.
 * @param usual how many there are where config.json does not say it.
 */
export function furtherLayers(config: ConfigReader, blocks: number, usual: number): RegExp[] {
  const count = config.layers('num_nextn_predict_layers', usual, 0);
  if (count === 0) return [];
  const numbers = Array.from({ length: count }, (_, index) => blocks + index);
  return [new RegExp(`^layers\\.(${numbers.join('|')})\\.`)];
}
