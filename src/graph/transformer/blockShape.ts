import type { ForwardTraits } from '../../architectures/forward';
import type { BlockCarried } from './carriedShape';
import type { Rotation } from './rotation';

/** Shapes of the tensors of a block, by what comes after "blk.N.". */
export type BlockTensors = ReadonlyMap<string, readonly number[]>;

/** A part of a block in which a token's states depend on those of earlier ones, with its own sizes. */
export type Mixer =
  AttentionMixer | LatentAttentionMixer | ShortConvolutionMixer | GatedDeltaMixer | Mamba2Mixer;

/** Softmax attention, whose sizes are those of the block. */
export interface AttentionMixer {
  readonly kind: 'attention';
}

/** Softmax attention whose keys and values come from a compressed vector of each token (DeepSeek-V2). */
export interface LatentAttentionMixer {
  readonly kind: 'latentAttention';
  /** Size of the compressed vector. */
  readonly rank: number;
  /** A key has so many dimensions without position, and so many that are rotated, which all heads share. */
  readonly plain: number;
  readonly rotated: number;
  /** Size of a head's value. */
  readonly valueSize: number;
  /** Factor of the scores. */
  readonly scale: number;
}

/** A gated convolution of each channel over a few tokens, whose sizes are those of its tensors (LFM2). */
export interface ShortConvolutionMixer {
  readonly kind: 'shortConvolution';
}

/** A gated delta net: linear attention with a state that is corrected (Yang et al. 2024). */
export interface GatedDeltaMixer {
  readonly kind: 'gatedDelta';
  readonly keyHeads: number;
  readonly valueHeads: number;
  /** Of queries, keys and values alike. */
  readonly headSize: number;
  /** Heads of values that share a head of keys are neighbours; otherwise one of each head of keys is followed by the next of each. */
  readonly grouped: boolean;
}

/** A state space mixer (Mamba 2). */
export interface Mamba2Mixer {
  readonly kind: 'mamba2';
  /** Of all heads together. */
  readonly innerSize: number;
  readonly heads: number;
  /** Heads side by side that share what is written to the state and read from it. */
  readonly groups: number;
  readonly stateSize: number;
  /** Tokens that the convolution before it sees. */
  readonly kernel: number;
}

/** One block. Tensors of a block are called by what comes after "blk.N.". */
export interface BlockShape {
  readonly index: number;
  readonly hiddenSize: number;
  readonly epsilon: number;
  /** Norms subtract the mean first. */
  readonly centredNorms?: true;
  /** The feed-forward network has the input of the attention. */
  readonly parallel?: true;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  /** Size of a value where it is not that of a key. */
  readonly valueSize?: number;
  /** Each head of queries comes with a gate: its rows are followed by those of the gate. */
  readonly gatedHeads?: true;
  /** Factor of the scores. */
  readonly scale: number;
  readonly scoreCap?: number;
  /** Factor of what the attention and the feed-forward network add; that of experts is part of their shares. */
  readonly addedScale?: number;
  /** Queries are multiplied by 1 + scale · ln(1 + ⌊position / length⌋). */
  readonly temperature?: { readonly scale: number; readonly length: number };
  /** Positions that a query sees, itself included; all earlier ones when absent. */
  readonly window?: number;
  /** Absent in layers without positions. */
  readonly rotation?: Rotation;
  /** Heads are normed after they are rotated. */
  readonly normsRotated?: true;
  /** Heads that are rotated are normed without weights. */
  readonly unitNorms?: true;
  /** Heads of values are normed without weights. */
  readonly unitValues?: true;
  /** Gates count by how far they are above the mean by so many standard deviations. */
  readonly gateDeviations?: number;
  /** Matrices for keys and values in a block that takes those of another: nothing uses them, and exports may need statistics of their inputs. */
  readonly unused?: readonly string[];
  /** What its states hold besides one hidden vector. */
  readonly carried?: BlockCarried;
  /** What takes a token's states from those of others, added up; none in a block that is only a feed-forward network. */
  readonly mixers: readonly Mixer[];
  readonly activation: ForwardTraits['activation'];
  /** Names of the norms after the attention, of what it adds, and before the feed-forward network. */
  readonly afterAttention?: string;
  readonly beforeFeedForward: string;
  readonly experts?: ExpertsShape;
  /** Shapes of its tensors. */
  readonly tensors: BlockTensors;
}

export type HeadSizes = Pick<BlockShape, 'heads' | 'kvHeads' | 'headSize'>;

export interface ExpertsShape {
  readonly count: number;
  readonly used: number;
  /** The shares of the chosen ones add up to 1. */
  readonly normalized: boolean;
  /** Scores of experts are sigmoids of their logits; softmax over all when absent. */
  readonly gating?: 'sigmoid';
  /** Inputs are multiplied by the shares instead of outputs. */
  readonly scaledInputs?: true;
  /** Factor of the shares. */
  readonly scale: number;
  /**
   * Equally many experts side by side are a group. Only experts of so many groups are chosen: those whose two best experts have the largest
   * sum of scores.
   */
  readonly groups?: { readonly count: number; readonly used: number };
}
