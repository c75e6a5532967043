/**
 * What a token's state holds between blocks, one after the other: streams, each as wide as the hidden states; the embeddings of all layers, that
 * of the next block first; keys and values that later blocks take, those of the layer that sees a window first.
 */
export interface CarriedShape {
  readonly streams: number;
  readonly layers?: { readonly count: number; readonly size: number };
  /** Numbers of keys and values. */
  readonly kept: number;
}

/** The same as one block sees it. */
export interface BlockCarried extends CarriedShape {
  /** Keys that the block leaves or takes, head after head, followed by as many values: from which of the kept numbers on. */
  readonly keys?: { readonly role: 'left' | 'taken'; readonly first: number; readonly size: number };
}

/** Numbers of a token's state, by how many come before each part. */
export function placesIn(hiddenSize: number, { streams, layers, kept }: CarriedShape) {
  const ofLayers = streams * hiddenSize;
  const ofKept = ofLayers + (layers ? layers.count * layers.size : 0);
  return { layers: ofLayers, kept: ofKept, end: ofKept + kept };
}
