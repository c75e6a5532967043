import type { Pooling } from '../../../architectures/pooling';
import type { NamedSource } from '../graphSources';

/** What a model that embeds texts computes of one text at a time. */
export interface EmbeddingPass {
  readonly hiddenSize: number;
  readonly contextLength: number;
  /** Of norms outside the blocks, which subtract the mean first where they are centred. */
  readonly epsilon: number;
  readonly centredNorms: boolean;
  /** Embeddings of tokens are multiplied by it. */
  readonly embeddingScale: number;
  readonly pooling: Pooling;
  readonly blocks: readonly PassBlock[];
  /** Matrices without bias that the pooled vector is multiplied with, one after the other: names without ".weight", and shapes. */
  readonly dense: readonly (readonly [name: string, shape: readonly number[]])[];
}

/** A graph of the states `x` `[n, hidden]` of one text → `y` alike. */
export interface PassBlock {
  /** Of its weights in float32. */
  readonly bytes: number;
  /** Positions from 0 to n − 1 are an input, `positions` `[n]`. */
  readonly needsPositions: boolean;
  /** @param longest tokens that a text has at most. */
  readonly source: (longest: number) => NamedSource;
}
