import type { KeyValue } from '../../model/keyValue';
import type { ConfigReader } from '../configReader';
import type { Decoder } from '../decoder';
import type { Part } from '../partRules';
import { expertParts, usualExpertNames } from '../experts';
import { u32 } from '../keyValues';
import { said } from '../../protocol/said';

/** Experts of Qwen's mixtures: in every block, chosen by softmax. */
export interface QwenExperts {
  readonly keyValues: readonly KeyValue[];
  /** Router and merged experts of a block. */
  readonly parts: readonly Part[];
}

interface QwenExpertDefaults {
  /** Experts that a checkpoint holds fused are transposed. */
  readonly transposed?: true;
  readonly experts: number;
  readonly used: number;
  readonly feedForwardSize: number;
  /** Whether llama.cpp makes the weights of the chosen experts add up to 1. */
  readonly normalized: boolean;
  /** What the class does where config.json does not say; not to normalize when absent. */
  readonly usuallyNormalized?: boolean;
}

/** @throws QuantscopeError UNSUPPORTED for blocks without experts and for weights normalized otherwise. */
export function readQwenExperts(
  config: ConfigReader,
  { hiddenSize }: Decoder,
  defaults: QwenExpertDefaults,
): QwenExperts {
  config.expect('norm_topk_prob', defaults.usuallyNormalized ?? false, defaults.normalized);
  config.expect('decoder_sparse_step', 1, 1);
  if (config.list('mlp_only_layers')?.length)
    throw config.unsupported(
      said`"mlp_only_layers" names blocks without experts; GGUF cannot express them for this architecture.`,
    );
  // Transformers 5 may write the name that other mixtures use.
  const experts = config.count(config.spelled('num_experts', 'num_local_experts'), defaults.experts);
  const used = config.integer('num_experts_per_tok', defaults.used);
  const size = config.integer('moe_intermediate_size', defaults.feedForwardSize);
  return {
    keyValues: [
      u32('expert_count', experts),
      u32('expert_used_count', used),
      u32('expert_feed_forward_length', size),
    ],
    parts: [
      { from: 'mlp.gate', to: 'ffn_gate_inp', shape: [experts, hiddenSize] },
      ...expertParts({ count: experts, size, hiddenSize }, usualExpertNames, {
        prefix: 'mlp.experts',
        transposed: defaults.transposed ?? false,
      }),
    ],
  };
}

/** The expert that all tokens share, and its gate. */
export function sharedExpertParts({ hiddenSize }: Decoder, size: number): readonly Part[] {
  return [
    {
      from: 'mlp.shared_expert_gate',
      to: 'ffn_gate_inp_shexp',
      shape: [hiddenSize],
      rule: { sourceShape: [1, hiddenSize] },
    },
    { from: 'mlp.shared_expert.gate_proj', to: 'ffn_gate_shexp', shape: [size, hiddenSize] },
    { from: 'mlp.shared_expert.up_proj', to: 'ffn_up_shexp', shape: [size, hiddenSize] },
    { from: 'mlp.shared_expert.down_proj', to: 'ffn_down_shexp', shape: [hiddenSize, size] },
  ];
}
