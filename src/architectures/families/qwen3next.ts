import { decoderKeyValues, readDecoder, rmsEpsilon } from '../decoder';
import { outerParts, tiedOutput, usualIgnored } from '../decoderParts';
import { blockRules, partRules, type Part } from '../partRules';
import type { ArchitectureDescription, RowRange } from '../description';
import { deltaForward, deltaParts, gatedAttentionParts, readGatedDelta, type GatedDelta } from './gatedDelta';
import { shiftNorms } from './gemmaParts';
import { u32 } from '../keyValues';
import { readQwenExperts, sharedExpertParts } from './qwenExperts';
import { refuseFactors } from '../rope';
import { predictingPart } from '../textPart';

/** Qwen3-Next: gated delta nets, gated attention in every fourth layer, experts and a shared one, norms of 1 + w. */
export const qwen3next: ArchitectureDescription = {
  name: 'qwen3next',
  family: 'Qwen3-Next',
  classes: { Qwen3NextForCausalLM: 'qwen3_next' },
  forward: { ...deltaForward, normalizedExperts: true },
  convert(config) {
    config.expect('hidden_act', 'silu', 'silu');
    config.expect('attention_bias', false, false);
    const decoder = readDecoder(config, {
      blocks: 48,
      hiddenSize: 2048,
      feedForwardSize: 5632,
      heads: 16,
      kvHeads: 2,
      headSize: 256,
      partialRotary: 0.25,
      contextLength: 32768,
    });
    refuseFactors(config, decoder.rope);
    const delta = readGatedDelta(config, decoder);
    const experts = readQwenExperts(config, decoder, {
      experts: 512,
      used: 10,
      feedForwardSize: 512,
      normalized: true,
      usuallyNormalized: true,
    });
    const shared = config.integer('shared_expert_intermediate_size', 512);
    const { hiddenSize } = decoder;
    return {
      prefixes: ['model.'],
      ...{ ignored: usualIgnored, leftOut: predictingPart },
      ...tiedOutput(decoder),
      keyValues: [
        ...decoderKeyValues(decoder),
        rmsEpsilon(config),
        ...experts.keyValues,
        u32('expert_shared_feed_forward_length', shared),
        ...delta.keyValues,
      ],
      tensors: [
        ...partRules(shiftNorms(outerParts(decoder))),
        blockRules('layers', decoder.blocks, (block) => [
          ...shiftNorms([
            { from: 'input_layernorm', to: 'attn_norm', shape: [hiddenSize] },
            { from: 'post_attention_layernorm', to: 'post_attention_norm', shape: [hiddenSize] },
          ]),
          ...(delta.full[block] ? gatedAttentionParts(decoder) : mixerParts(delta, hiddenSize)),
          ...experts.parts,
          ...sharedExpertParts(decoder, shared),
        ]),
      ],
    };
  },
};

/** A checkpoint has query, key, values and gates of one head of keys after the other; GGUF all queries, all keys, all values. */
function mixerParts(delta: GatedDelta, hiddenSize: number): Part[] {
  const { keyHeads, valueHeads, headSize } = delta;
  const own = (valueHeads / keyHeads) * headSize;
  const group = 2 * headSize + 2 * own;
  const pick = (offset: number, count: number): RowRange[] =>
    Array.from({ length: keyHeads }, (_, head) => ({ first: head * group + offset, count }));
  const all = { from: 'linear_attn.in_proj_qkvz' };
  const sourceShape = [keyHeads * group, hiddenSize];
  return [
    {
      ...{ ...all, to: 'attn_qkv', shape: [(2 * keyHeads + valueHeads) * headSize, hiddenSize] },
      rule: {
        sourceShape,
        rows: [...pick(0, headSize), ...pick(headSize, headSize), ...pick(2 * headSize, own)],
      },
    },
    {
      ...{ ...all, to: 'attn_gate', shape: [valueHeads * headSize, hiddenSize] },
      rule: { sourceShape, rows: pick(2 * headSize + own, own) },
    },
    { from: 'linear_attn.in_proj_ba', to: 'ssm_ba', shape: [2 * valueHeads, hiddenSize] },
    ...deltaParts(delta, hiddenSize),
  ];
}
