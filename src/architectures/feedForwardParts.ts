import type { Part } from './decoder';

/**
 * A gated feed-forward network of some size.
 * @param from prefix of its matrices in the checkpoint. @param suffix of their names in GGUF: "_shexp" for one that all tokens share.
 */
export const feedForwardParts = (hiddenSize: number, size: number, from: string, suffix: string): Part[] => [
  { from: `${from}.gate_proj`, to: `ffn_gate${suffix}`, shape: [size, hiddenSize] },
  { from: `${from}.up_proj`, to: `ffn_up${suffix}`, shape: [size, hiddenSize] },
  { from: `${from}.down_proj`, to: `ffn_down${suffix}`, shape: [hiddenSize, size] },
];
