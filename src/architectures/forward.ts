/**
 * Between the two matrices of a gated feed-forward network, for the products g and u: silu(g) · u, gelu(g) · u, max(g, 0)² · u, or
 * gpt-oss's g · σ(1.702 g) · (u + 1) with g at most 7 and u from −7 to 7. Without a gate, the same of u alone.
 */
export type Activation = 'silu' | 'gelu' | 'squaredRelu' | 'clamped';

/**
 * `attn_sinks.weight`: one more score of each head, whose share is lost. `exp_probs_b.bias`: added to the scores of experts where they are
 * compared. `indexer.*`: what selects the tokens that queries see.
 * `ffn_norm`: that norm without the usual suffix.
 */
export type OwnPart =
  | 'attn_sinks.weight'
  | 'exp_probs_b.bias'
  | 'ffn_norm'
  | `indexer.${'attn_q_b' | 'attn_k' | 'k_norm' | 'proj'}.weight`
  | 'indexer.k_norm.bias'
  | LayerPart
  | BesidePart
  | StreamPart;

/** What a block makes of its own embedding, and a factor of its output (Gemma 3n and 4). */
type LayerPart = 'inp_gate.weight' | 'proj.weight' | 'post_norm.weight' | 'layer_output_scale.weight';

/** Norms around experts beside a feed-forward network, and of what their router scores (Gemma 4). */
type BesidePart =
  'post_ffw_norm_1.weight' | 'pre_ffw_norm_2.weight' | 'post_ffw_norm_2.weight' | 'ffn_gate_inp.scale';

/** Streams of states that predict each other, and a path of low rank beside the attention (Gemma 3n). */
type StreamPart =
  | `altup_${'correct_coef' | 'correct_scale' | 'predict_coef' | 'router' | 'router_norm'}.weight`
  | `laurel_${'l' | 'r' | 'post_norm'}.weight`;

/** A part of a block in which a token's states depend on those of earlier ones. */
export type MixerKind = 'attention' | 'latentAttention' | 'shortConvolution' | 'gatedDelta' | 'mamba2';

/**
 * How the forward pass of an architecture differs from llama's, in GGUF's view. Everything else follows from the
 * key-values and from which tensors exist: biases, norms of heads, norms before and after a part, experts, fused matrices.
 */
export interface ForwardTraits {
  /** Which dimensions of a head rotary embedding turns together in GGUF's order of rows: neighbours, or those half a head apart. */
  readonly rotation: 'pairs' | 'halves';
  readonly activation: Activation;
  /**
   * What its blocks have: attention, unless it is stated. Where there are several, the tensors of a block say which it has; those of one are
   * added up, and a block may have no feed-forward network.
   */
  readonly mixers?: readonly MixerKind[];
  /** Each block is a mixer or a feed-forward network. */
  readonly soleParts?: true;
  /** What a head gives is multiplied by the sigmoid of a gate, whose rows follow those of its query. */
  readonly gatedHeads?: true;
  /** Embeddings are multiplied by √(hidden size). */
  readonly scaledEmbedding?: true;
  /** Scores are multiplied by it instead of 1/√(head size). */
  readonly scoreScale?: number;
  /** Heads of values are normed without weights. */
  readonly unitValues?: true;
  /** A layer without a matrix of values takes its keys, before their norm. */
  readonly keysAsValues?: true;
  /** Files say layer by layer how many heads keys have, and whether it sees a window; its heads may have another size then. */
  readonly statesLayers?: true;
  /**
   * Layers from this one on take keys and values of the last earlier layer that sees a window as they do, or none as they do: in all models,
   * or as many layers as a key states.
   */
  readonly firstSharing?: number | 'stated';
  /** States are so many streams, each as wide as the hidden states; blocks compute with the first. */
  readonly streams?: number;
  /** In so many first layers, gates count by how far they are above the mean by so many standard deviations of all gates of a token. */
  readonly sparseGates?: { readonly layers: number; readonly deviations: number };
  /** A model of so many blocks divides scores by √(hidden size / heads) instead of √(head size). */
  readonly largeBlocks?: number;
  /** Layers attend to a window where the file has one: all of each group of so many but the last, unless a key says otherwise. */
  readonly windowPeriod?: number;
  /** Keys state factors of embeddings, of scores, of what each part of a block adds, and a divisor of the logits (Granite). */
  readonly scales?: true;
  /** A key states a factor of the logits (Cohere). */
  readonly scalesLogits?: true;
  /** Norms subtract the mean first, and may have a bias (layer norms). */
  readonly centredNorms?: true;
  /** Attention and feed-forward network have the same input, and both are added to that of the block. */
  readonly parallel?: true;
  /** The last of each group of so many layers has no rotary embedding. */
  readonly rotationPeriod?: number;
  /** Where some layers have a window, the others have no rotary embedding. */
  readonly rotatesInWindows?: true;
  /** Heads of queries and keys are normed after they are rotated. */
  readonly normsRotated?: true;
  /** The norm before the feed-forward network under another name than "ffn_norm". */
  readonly feedForwardNorm?: 'post_attention_norm' | 'attn_norm';
  /** The norm after the last block under another name than "output_norm". */
  readonly lastNorm?: 'token_embd_norm';
  /** Tensors of a block that other architectures do not have, by what comes after "blk.N.". */
  readonly ownParts?: readonly OwnPart[];
  /** Heads of queries and keys are normed without weights after they are rotated, but not in a model of so many experts. */
  readonly rotatedNorms?: { readonly unlessExperts: number };
  /** Longer texts are computed in a way that is not described here. */
  readonly longestText?: number;
  /** Queries see only so many tokens as a key states, which an indexer selects: shorter texts are computed as if it were not there. */
  readonly selectsTokens?: true;
  /** An expert's input is multiplied by its share, instead of its output. */
  readonly scaledInputs?: true;
  /** How experts are scored in files that do not say it. */
  readonly gating?: 'sigmoid';
  /** The weights of the chosen experts are normalized to add up to 1, whatever a file says. */
  readonly normalizedExperts?: true;
}

/** Whether it is softmax attention, whose heads have positions. */
export const isAttention = (kind: MixerKind): boolean => kind === 'attention' || kind === 'latentAttention';

/** Whether any block has softmax attention. */
export const attends = ({ mixers = ['attention'] }: ForwardTraits): boolean => mixers.some(isAttention);

/** How an encoder, a model that embeds whole texts, computes. Everything else follows from the key-values and the tensors. */
export interface EncoderTraits {
  /** Of the feed-forward network, unless the key "hidden_activation" says otherwise. */
  readonly activation: 'gelu' | 'silu';
  /** Norms come after what the attention and the feed-forward network are added to, not before them. */
  readonly normsAfter?: true;
}
