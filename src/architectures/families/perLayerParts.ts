import type { Decoder } from '../decoder';
import type { Part } from '../partRules';
import type { RowRange } from '../description';

/** Sizes of the embeddings that each layer has of its own (Gemma 3n and 4). */
export interface PerLayer {
  /** Entries of one layer's embedding of a token. */
  readonly size: number;
  /** Tokens that have one. */
  readonly tokens: number;
}

/**
 * The table of all layers' embeddings, and the projection of the first states that is added to them. llama.cpp needs as many rows as the
 * vocabulary has; transformers gives tokens beyond the table (of images and sounds) the embedding of token 0.
 * @param vocabulary rows of the embedding of tokens; at least `tokens`.
 */
export function perLayerOuterParts(
  { hiddenSize, blocks }: Pick<Decoder, 'hiddenSize' | 'blocks'>,
  { size, tokens }: PerLayer,
  vocabulary: number,
): Part[] {
  const columns = blocks * size;
  const beyond = Array.from({ length: vocabulary - tokens }, (): RowRange => ({ first: 0, count: 1 }));
  const table: Part = {
    from: 'embed_tokens_per_layer',
    to: 'per_layer_token_embd',
    shape: [vocabulary, columns],
    ...(beyond.length === 0
      ? {}
      : { rule: { sourceShape: [tokens, columns], rows: [{ first: 0, count: tokens }, ...beyond] } }),
  };
  return [
    table,
    { from: 'per_layer_model_projection', to: 'per_layer_model_proj', shape: [columns, hiddenSize] },
    { from: 'per_layer_projection_norm', to: 'per_layer_proj_norm', shape: [size] },
  ];
}

/** Tensors of a block that its forward pass uses for its embedding. */
export const perLayerTensors = ['inp_gate.weight', 'proj.weight', 'post_norm.weight'] as const;

/** What a block makes of its embedding: a gate by its states, a projection, a norm. */
export function perLayerBlockParts({ hiddenSize }: Pick<Decoder, 'hiddenSize'>, size: number): Part[] {
  return [
    { from: 'per_layer_input_gate', to: 'inp_gate', shape: [size, hiddenSize] },
    { from: 'per_layer_projection', to: 'proj', shape: [hiddenSize, size] },
    { from: 'post_per_layer_input_norm', to: 'post_norm', shape: [hiddenSize] },
  ];
}

/** Parts whose number of rows is that of the vocabulary, with this number: other tensors of the file must have as many. */
export const withVocabulary = (parts: readonly Part[], vocabulary: number): Part[] =>
  parts.map((part) => ({ ...part, shape: part.shape.map((size) => (size === 'any' ? vocabulary : size)) }));
