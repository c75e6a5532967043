import type { Decoder } from './decoder';
import type { Conversion, RowRange } from './description';
import type { Part } from './partRules';

/**
 * Embedding, last norm and output under llama's names. `copyTied` writes a tied output as a copy of the embedding, for
 * architectures whose output llama.cpp always requires.
 */
export function outerParts(
  { hiddenSize, tied }: Pick<Decoder, 'hiddenSize' | 'tied'>,
  options: { copyTied?: boolean } = {},
): Part[] {
  const output = tied ? 'embed_tokens' : 'lm_head';
  return [
    { from: 'embed_tokens', to: 'token_embd', shape: ['any', hiddenSize] },
    { from: 'norm', to: 'output_norm', shape: [hiddenSize] },
    ...(tied && !options.copyTied
      ? []
      : [{ from: output, to: 'output', shape: ['any', hiddenSize] } as const]),
  ];
}

/** Old checkpoints carry buffers that follow from config.json. */
export const usualIgnored: readonly RegExp[] = [/rotary_emb\.inv_freq$/];

/** A tied checkpoint may still carry its output matrix. */
export const tiedOutput = (
  { tied }: Pick<Decoder, 'tied'>,
  output = 'lm_head.weight',
  embedding = 'embed_tokens.weight',
): Pick<Conversion, 'tied'> => (tied ? { tied: { output, embedding } } : {});

/** Attention under llama's names. `interleaved` where llama.cpp rotates neighbouring pairs (its architecture "llama"). */
export function attentionParts(
  { hiddenSize, heads, kvHeads, headSize }: Decoder,
  options: { bias?: Part['bias']; outputBias?: Part['bias']; interleaved?: boolean } = {},
): Part[] {
  const { bias, outputBias, interleaved } = options;
  const withBias = bias === undefined ? {} : { bias };
  const rotated = interleaved ? { rule: { unit: { rows: headSize, order: 'interleave' } } as const } : {};
  return [
    {
      from: 'self_attn.q_proj',
      to: 'attn_q',
      shape: [heads * headSize, hiddenSize],
      ...withBias,
      ...rotated,
    },
    {
      from: 'self_attn.k_proj',
      to: 'attn_k',
      shape: [kvHeads * headSize, hiddenSize],
      ...withBias,
      ...rotated,
    },
    { from: 'self_attn.v_proj', to: 'attn_v', shape: [kvHeads * headSize, hiddenSize], ...withBias },
    {
      from: 'self_attn.o_proj',
      to: 'attn_output',
      shape: [hiddenSize, heads * headSize],
      ...(outputBias === undefined ? {} : { bias: outputBias }),
    },
  ];
}

/**
 * A gated feed-forward network of some size.
 * @param from prefix of its matrices in the checkpoint. @param suffix of their names in GGUF: "_shexp" for one that all tokens share.
 */
export const feedForwardParts = (hiddenSize: number, size: number, from: string, suffix: string): Part[] => [
  { from: `${from}.gate_proj`, to: `ffn_gate${suffix}`, shape: [size, hiddenSize] },
  { from: `${from}.up_proj`, to: `ffn_up${suffix}`, shape: [size, hiddenSize] },
  { from: `${from}.down_proj`, to: `ffn_down${suffix}`, shape: [hiddenSize, size] },
];

/** That of a block under llama's names. */
export const gatedParts = ({ hiddenSize, feedForwardSize }: Decoder, bias?: Part['bias']): Part[] =>
  feedForwardParts(hiddenSize, feedForwardSize, 'mlp', '').map((part) => ({
    ...part,
    ...(bias === undefined ? {} : { bias }),
  }));

/** The two norms of a llama block. */
export function normParts({ hiddenSize }: Decoder): Part[] {
  return [
    { from: 'input_layernorm', to: 'attn_norm', shape: [hiddenSize] },
    { from: 'post_attention_layernorm', to: 'ffn_norm', shape: [hiddenSize] },
  ];
}

/** Norms of queries and keys, each over `size` entries: a head, or all heads together. */
export const headNormParts = (querySize: number, keySize = querySize): Part[] => [
  { from: 'self_attn.q_norm', to: 'attn_q_norm', shape: [querySize] },
  { from: 'self_attn.k_norm', to: 'attn_k_norm', shape: [keySize] },
];

/**
 * Rows of a fused matrix [groups, queries + key + value, headSize] in the order of GGUF: all queries, all keys, all values.
 * @param queries heads of queries in a group, which share its key and its value.
 */
export function groupedRows(groups: number, queries: number, headSize: number): RowRange[] {
  const pick = (offset: number, heads: number) =>
    Array.from({ length: groups }, (_, group) => ({
      first: (group * (queries + 2) + offset) * headSize,
      count: heads * headSize,
    }));
  return [...pick(0, queries), ...pick(queries, 1), ...pick(queries + 1, 1)];
}
