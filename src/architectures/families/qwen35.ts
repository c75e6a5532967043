import { decoderKeyValues, readDecoder, rmsEpsilon, type Decoder, type DecoderDefaults } from '../decoder';
import { gatedParts, outerParts, tiedOutput, usualIgnored } from '../decoderParts';
import { blockRules, partRules, type Part } from '../partRules';
import type { ArchitectureDescription, Conversion, RowRange } from '../description';
import { deltaForward, deltaParts, gatedAttentionParts, readGatedDelta, type GatedDelta } from './gatedDelta';
import { shiftNorms } from './gemmaParts';
import { u32 } from '../keyValues';
import { readQwenExperts, sharedExpertParts } from './qwenExperts';
import { refuseFactors, ropeSections } from '../rope';
import { predictingPart, textPart, type TextPart } from '../textPart';

const usual = { heads: 16, contextLength: 32768, headSize: 256, partialRotary: 0.25 };

/** Qwen 3.5, dense, and the language part of its multimodal models: gated delta nets, and gated attention in every fourth layer. */
export const qwen35: ArchitectureDescription = {
  name: 'qwen35',
  family: 'Qwen 3.5 (text)',
  classes: {
    Qwen3_5ForCausalLM: 'qwen3_5_text',
    Qwen3_5ForConditionalGeneration: 'qwen3_5',
  },
  forward: deltaForward,
  convert: (whole) => {
    const part = textPart(whole);
    const defaults = { ...usual, blocks: 32, hiddenSize: 4096, feedForwardSize: 12288, kvHeads: 4 };
    return conversion(part, defaults, (decoder) => ({ keyValues: [], parts: gatedParts(decoder) }));
  },
};

/** Qwen 3.5 with experts, one of which all tokens share. */
export const qwen35moe: ArchitectureDescription = {
  name: 'qwen35moe',
  family: 'Qwen 3.5 with experts (text)',
  classes: {
    Qwen3_5MoeForCausalLM: 'qwen3_5_moe_text',
    Qwen3_5MoeForConditionalGeneration: 'qwen3_5_moe',
  },
  forward: { ...deltaForward, normalizedExperts: true },
  convert: (whole) => {
    const part = textPart(whole);
    const { config } = part;
    const size = config.integer('moe_intermediate_size', 512);
    const defaults = { ...usual, blocks: 40, hiddenSize: 2048, feedForwardSize: size, kvHeads: 2 };
    return conversion(part, defaults, (decoder) => {
      const experts = readQwenExperts(config, decoder, {
        experts: 256,
        used: 8,
        feedForwardSize: size,
        normalized: true,
        usuallyNormalized: true,
      });
      const shared = config.integer('shared_expert_intermediate_size', 512);
      return {
        keyValues: [...experts.keyValues, u32('expert_shared_feed_forward_length', shared)],
        parts: [...experts.parts, ...sharedExpertParts(decoder, shared)],
      };
    });
  },
};

function conversion(
  { config, tied, prefixes, leftOut }: TextPart,
  defaults: DecoderDefaults,
  feedForward: (decoder: Decoder) => Pick<Conversion, 'keyValues'> & { readonly parts: readonly Part[] },
): Conversion {
  config.expect('hidden_act', 'silu', 'silu');
  config.expect('attention_bias', false, false);
  config.expect('attn_output_gate', true, true);
  config.known('mtp_num_hidden_layers', 'mtp_use_dedicated_embeddings');
  const decoder = { ...readDecoder(config, defaults), tied };
  refuseFactors(config, decoder.rope);
  const delta = readGatedDelta(config, decoder);
  const { keyValues, parts } = feedForward(decoder);
  const { hiddenSize } = decoder;
  return {
    ...{ prefixes, ignored: usualIgnored, leftOut: { ...leftOut, ...predictingPart } },
    ...tiedOutput(decoder),
    keyValues: [
      ...decoderKeyValues(decoder),
      rmsEpsilon(config),
      ropeSections(config, [11, 11, 10]),
      ...keyValues,
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
        ...parts,
      ]),
    ],
  };
}

/** Heads of values, grouped by the head of keys that they share, become those that are first in each group, then the second, and so on. */
function mixerParts(delta: GatedDelta, hiddenSize: number): Part[] {
  const { keyHeads, valueHeads, headSize } = delta;
  const members = valueHeads / keyHeads;
  const heads = (size: number, first = 0): RowRange[] =>
    Array.from({ length: valueHeads }, (_, head) => {
      const source = (head % keyHeads) * members + Math.floor(head / keyHeads);
      return { first: first + source * size, count: size };
    });
  const keys = 2 * keyHeads * headSize;
  const values = valueHeads * headSize;
  const vector = (from: string, to: string): Part => ({
    ...{ from: `linear_attn.${from}`, to, shape: [valueHeads, hiddenSize] },
    rule: { rows: heads(1) },
  });
  return [
    {
      ...{ from: 'linear_attn.in_proj_qkv', to: 'attn_qkv', shape: [keys + values, hiddenSize] },
      rule: { rows: [{ first: 0, count: keys }, ...heads(headSize, keys)] },
    },
    {
      ...{ from: 'linear_attn.in_proj_z', to: 'attn_gate', shape: [values, hiddenSize] },
      rule: { rows: heads(headSize) },
    },
    vector('in_proj_b', 'ssm_beta'),
    vector('in_proj_a', 'ssm_alpha'),
    ...deltaParts(delta, hiddenSize, {
      heads,
      output: { rows: 1, order: 'regroup', groups: keyHeads, members, size: headSize },
    }),
  ];
}
