import type { FileFrame } from './fileFrame';

/** What a layer keeps of each token, as numbers of the cache. */
export interface CachedLayer {
  readonly keys: number;
  /** 0 where values are read from the keys (MLA). */
  readonly values: number;
  /** Tokens that the layer keeps at least; all of the context where absent. */
  readonly window?: number;
  /** Numbers of float32 that it keeps of each sequence besides, however long it is. */
  readonly states?: number;
}

/** What decides the memory of a model in llama.cpp besides its weights. */
export interface RuntimeShape {
  readonly contextLength: number;
  /** Blocks of the model. A layer without attention keeps no keys and values. */
  readonly layers: readonly CachedLayer[];
  /** Numbers of float32 for each token of a batch that the widest part of the graph holds at once. */
  readonly activations: number;
  /** Numbers of float32 for each sequence that a scan over states holds at once. */
  readonly scanned?: number;
  readonly vocabulary: number;
  /** Size of the states. */
  readonly hidden: number;
  /** Where a figure is only an upper bound, as sentences. */
  readonly notes: readonly string[];
}

/** What a plan's memory at run time depends on besides the formats that it chooses. */
export interface LoadedModel {
  readonly shape: RuntimeShape;
  /** What the exported file holds besides the tensors that a plan chooses formats for. */
  readonly frame: FileFrame;
  /** These tensors, as they will be written: norms, biases, routers. */
  readonly fixed: readonly { readonly name: string; readonly bytes: number }[];
  /** Key-values and the list of tensors: their vocabulary is held in RAM, too. */
  readonly headerBytes: number;
  /** Whether the embedding is also the output matrix. */
  readonly isTied: boolean;
}
