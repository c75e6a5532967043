import type { ModelIdentity, Span } from '../../protocol/overview';
import type { TargetTensor } from './targetWeights';

/** Tensors of experts, in the names of GGUF and of checkpoints. */
const expert = /\.ffn_\w+_(ch)?exps\.|\.experts?\./;
/** Experts that every token uses. */
const shared = /shared_expert/;
/** Rows of which each token takes one. */
const lookUp =
  /(^|\.)(embed_tokens|token_embd|per_layer_token_embd|embed_tokens_per_layer|wte|wpe|word_embeddings|position_embd|position_embeddings|token_types|tok_embeddings|embed_in)\.(weight|qweight)$/;
const token =
  /(^|\.)(embed_tokens|token_embd|wte|word_embeddings|tok_embeddings|embed_in)\.(weight|qweight)$/;
/** Parts that a step over text does not run. */
const ofOtherInputs =
  /(^|\.)(visual|vision_\w+|multi_modal_projector|audio_tower|embed_vision|embed_audio)\./;

/**
 * Bytes of weights that one step over a token of each sequence reads.
 * @param identity how many experts there are and are used, and whether the embedding is also the output.
 * @param sequences whose tokens choose experts on their own: E·(1 − (1 − k/E)^sequences) are read of E.
 */
export function readWeights(
  tensors: readonly TargetTensor[],
  { experts, expertsUsed, tied }: Pick<ModelIdentity, 'experts' | 'expertsUsed' | 'tied'>,
  sequences: number,
): number {
  const used = Math.min(1, numberOf(expertsUsed, 0) / Math.max(1, numberOf(experts, 1)));
  const expertShare = used === 0 ? 1 : 1 - (1 - used) ** sequences;
  const shareOf = (name: string): number => {
    if (ofOtherInputs.test(name)) return 0;
    if (lookUp.test(name)) return tied === true && token.test(name) ? 1 : 0;
    return expert.test(name) && !shared.test(name) ? expertShare : 1;
  };
  return tensors.reduce((sum, { name, bytes }) => sum + shareOf(name) * bytes, 0);
}

/** The largest of what differs by layer. */
const numberOf = (span: Span | undefined, fallback: number): number =>
  span === undefined ? fallback : typeof span === 'number' ? span : span[1];
