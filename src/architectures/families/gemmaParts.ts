import type { ConfigReader } from '../configReader';
import type { Decoder } from '../decoder';
import type { Part } from '../partRules';

/** Gemma's norms multiply by 1 + weight, those of GGUF by the weight: 1 is added to each. */
export const shiftNorms = (parts: readonly Part[]): Part[] =>
  parts.map((part) => (part.to.endsWith('_norm') ? { ...part, rule: { ...part.rule, add: 1 } } : part));

/** The four norms of a block of Gemma 2 and 3: before and after attention and feed-forward. */
export const gemmaNormParts = ({ hiddenSize }: Decoder): Part[] => [
  { from: 'input_layernorm', to: 'attn_norm', shape: [hiddenSize] },
  { from: 'post_attention_layernorm', to: 'post_attention_norm', shape: [hiddenSize] },
  { from: 'pre_feedforward_layernorm', to: 'ffn_norm', shape: [hiddenSize] },
  { from: 'post_feedforward_layernorm', to: 'post_ffw_norm', shape: [hiddenSize] },
];

/**
 * llama.cpp divides scores by the root of the head size, or, for the 27B model, which it recognizes by its number
 * of blocks, by that of hidden size / heads.
 * @throws QuantscopeError UNSUPPORTED for another `query_pre_attn_scalar`.
 */
export function expectAttentionScale(
  config: ConfigReader,
  { blocks, hiddenSize, heads, headSize }: Decoder,
  largeBlocks?: number,
): void {
  const expected = blocks === largeBlocks ? Math.trunc(hiddenSize / heads) : headSize;
  config.expect('query_pre_attn_scalar', 256, expected);
}
