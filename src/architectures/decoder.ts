import { QuantscopeError } from '../model/errors';
import type { KeyValue } from '../model/keyValue';
import type { ConfigReader } from './configReader';
import type { Conversion, Instead, RowRange, Size, TensorRule, Unit } from './description';
import { f32, u32 } from './keyValues';
import { readRope, ropeKeyValues, type Rope } from './rope';

/** The numbers that nearly every decoder has, under llama's names in config.json. */
export interface Decoder {
  readonly blocks: number;
  readonly hiddenSize: number;
  readonly feedForwardSize: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  /** Whether config.json states the head size itself. */
  readonly headSizeStated: boolean;
  /** Dimensions of a head that rotary embedding turns. */
  readonly ropeDimensions: number;
  readonly contextLength: number;
  readonly rope: Rope;
  /** The output matrix is the embedding matrix. */
  readonly tied: boolean;
}

/** Defaults of the class for what config.json leaves out. */
export interface DecoderDefaults {
  readonly blocks?: number;
  readonly hiddenSize?: number;
  readonly feedForwardSize?: number;
  readonly heads?: number;
  /** For a config.json without the field; where it is null, there are as many as heads. */
  readonly kvHeads?: number;
  readonly contextLength?: number;
  readonly ropeTheta?: number;
  readonly headSize?: number;
  /** Share of a head that is rotated, where the architecture can rotate a part. */
  readonly partialRotary?: number;
  readonly tied?: boolean;
  /** Set where the architecture reads its rope, or `intermediate_size`, itself. */
  readonly rope?: Rope;
  readonly ownWidth?: number;
}

/** @throws QuantscopeError MODEL_FILE for a missing or impossible number, UNSUPPORTED for a rope scaling that GGUF cannot express. */
export function readDecoder(config: ConfigReader, defaults: DecoderDefaults = {}): Decoder {
  const heads = config.count('num_attention_heads', defaults.heads);
  const hiddenSize = config.integer('hidden_size', defaults.hiddenSize);
  const headSizeStated = config.has('head_dim') || defaults.headSize !== undefined;
  const headSize = headSizeStated ? config.integer('head_dim', defaults.headSize) : hiddenSize / heads;
  const share = rotatedShare(config, defaults.partialRotary);
  const ropeDimensions = Math.trunc(headSize * share);
  if (!Number.isInteger(headSize) || ropeDimensions % 2 !== 0)
    throw config.wrong(
      'num_attention_heads',
      `a head would have ${headSize} dimensions, of which ${ropeDimensions} are rotated; both must be whole and even`,
    );
  const contextLength = config.integer('max_position_embeddings', defaults.contextLength ?? 2048);
  return {
    blocks: config.layers('num_hidden_layers', defaults.blocks),
    hiddenSize,
    feedForwardSize: defaults.ownWidth ?? config.integer('intermediate_size', defaults.feedForwardSize),
    heads,
    kvHeads: config.count(
      'num_key_value_heads',
      config.isNull('num_key_value_heads') ? heads : (defaults.kvHeads ?? heads),
    ),
    headSize,
    headSizeStated,
    ropeDimensions,
    contextLength,
    rope: defaults.rope ?? readRope(config, ropeDimensions, contextLength, defaults.ropeTheta),
    tied: config.tied(defaults.tied ?? false),
  };
}

/**
 * The share of a head that is rotated, which transformers 5 keeps among the rope parameters.
 * @throws QuantscopeError UNSUPPORTED for another than all, where neither transformers nor llama.cpp have it.
 */
function rotatedShare(config: ConfigReader, usual?: number): number {
  const key = 'partial_rotary_factor';
  const fallback = usual ?? 1;
  const share = config.number(key, config.inner('rope_parameters')?.number(key, fallback) ?? fallback);
  if (share === 1 || usual !== undefined) return share;
  throw config.unsupported(`"${key}" is ${share}, but heads are rotated as a whole in this architecture.`);
}

/** The numbers of a decoder as key-values. */
export function decoderKeyValues(decoder: Decoder): KeyValue[] {
  const { headSize, headSizeStated } = decoder;
  return [
    u32('context_length', decoder.contextLength),
    u32('embedding_length', decoder.hiddenSize),
    u32('block_count', decoder.blocks),
    u32('feed_forward_length', decoder.feedForwardSize),
    u32('attention.head_count', decoder.heads),
    u32('attention.head_count_kv', decoder.kvHeads),
    ...(headSizeStated
      ? [u32('attention.key_length', headSize), u32('attention.value_length', headSize)]
      : []),
    u32('rope.dimension_count', decoder.ropeDimensions),
    ...ropeKeyValues(decoder.rope),
  ];
}

export const rmsEpsilon = (config: ConfigReader, fallback = 1e-6): KeyValue =>
  f32('attention.layer_norm_rms_epsilon', config.number('rms_norm_eps', fallback));
export const layerNormEpsilon = (config: ConfigReader, key: string, fallback = 1e-5): KeyValue =>
  f32('attention.layer_norm_epsilon', config.number(key, fallback));

/** A part of a block, or of the model: `from.weight` becomes `to.weight`, and so does its bias. */
export interface Part {
  readonly from: string | readonly string[];
  readonly to: string;
  /** Shape of the weight in GGUF. */
  readonly shape: readonly Size[];
  /** `optional` where only some checkpoints have it. It has one entry for each row of the weight. */
  readonly bias?: 'required' | 'optional';
  /** "weight" is missing from some files (a tied output). */
  readonly optional?: boolean;
  /** Names are whole: "weight" is not appended. */
  readonly exact?: boolean;
  readonly rule?: Partial<Pick<TensorRule, 'rows' | 'unit' | 'add' | 'map' | 'factors' | 'sourceShape'>>;
  /** Another layout of the weight; names with their suffix. */
  readonly instead?: Instead;
}

/** Some checkpoints have biases that config.json does not mention. */
export const biasIf = (config: ConfigReader, key: string): Part['bias'] =>
  config.flag(key, false) ? 'required' : 'optional';

/** Rules of parts outside the blocks. */
export function partRules(parts: readonly Part[]): TensorRule[] {
  return parts.flatMap(({ from, to, shape, bias, optional, exact, rule, instead }) => {
    const sources = typeof from === 'string' ? [from] : from;
    const named = (suffix: string) => ({
      to: `${to}.${suffix}`,
      from: sources.map((name) => `${name}.${suffix}`),
    });
    const weight: TensorRule = {
      ...(exact ? { to, from: sources } : named('weight')),
      shape,
      ...(optional ? { optional } : {}),
      ...(instead ? { instead } : {}),
      ...rule,
    };
    if (bias === undefined) return [weight];
    const rows = rule?.sourceShape?.slice(0, 1);
    // A bias goes with the rows of the product: transposing the weight does not move it.
    const unit: { unit?: Unit } = rule?.unit?.order === 'interleave' ? { unit: rule.unit } : {};
    const biasRule: TensorRule = {
      ...named('bias'),
      shape: shape.slice(0, 1),
      ...(bias === 'optional' || optional ? { optional: true } : {}),
      ...(rule?.rows ? { rows: rule.rows } : {}),
      ...(rows && rule?.unit?.order !== 'transpose' ? { sourceShape: rows } : {}),
      ...unit,
    };
    return [weight, biasRule];
  });
}

/** Rules of the parts of every block, one block at a time: `prefix` and `.N.` go before `from`, `blk.N.` before `to`. */
export function* blockRules(
  prefix: string,
  blocks: number,
  parts: (block: number) => readonly Part[],
): Generator<TensorRule> {
  for (let block = 0; block < blocks; block++) {
    const named = (names: readonly string[]) => names.map((name) => `${prefix}.${block}.${name}`);
    yield* partRules(
      parts(block).map(({ from, to, instead, ...part }) => ({
        ...part,
        from: named(typeof from === 'string' ? [from] : from),
        to: `blk.${block}.${to}`,
        ...(instead ? { instead: { ...instead, from: named(instead.from) } } : {}),
      })),
    );
  }
}

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

/** A gated feed-forward network under llama's names. */
export function gatedParts({ hiddenSize, feedForwardSize }: Decoder, bias?: Part['bias']): Part[] {
  const withBias = bias === undefined ? {} : { bias };
  return [
    { from: 'mlp.gate_proj', to: 'ffn_gate', shape: [feedForwardSize, hiddenSize], ...withBias },
    { from: 'mlp.up_proj', to: 'ffn_up', shape: [feedForwardSize, hiddenSize], ...withBias },
    { from: 'mlp.down_proj', to: 'ffn_down', shape: [hiddenSize, feedForwardSize], ...withBias },
  ];
}

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

/** @throws QuantscopeError UNSUPPORTED unless all heads together have the hidden size, as some loaders of llama.cpp assume. */
export function expectSquareAttention(config: ConfigReader, { heads, headSize, hiddenSize }: Decoder): void {
  if (heads * headSize === hiddenSize) return;
  throw config.unsupported(
    `${heads} heads of size ${headSize} do not add up to the hidden size ${hiddenSize}, as llama.cpp requires for this architecture.`,
  );
}

/** @throws QuantscopeError MODEL_FILE unless the heads share the hidden size evenly. */
export function sharedHeadSize(config: ConfigReader, hiddenSize: number, heads: number): number {
  const size = hiddenSize / heads;
  if (Number.isInteger(size) && size % 2 === 0) return size;
  throw new QuantscopeError(
    'MODEL_FILE',
    `${heads} heads share a hidden size of ${hiddenSize}; the size of a head must be whole and even.`,
    { file: config.file },
  );
}

/** @throws QuantscopeError UNSUPPORTED for activations other than GELU; llama.cpp takes its tanh form, at most 0.0005 off. */
export function expectGelu(config: ConfigReader, key: string, fallback: string): void {
  config.expect(key, fallback, 'gelu', 'gelu_new', 'gelu_fast', 'gelu_pytorch_tanh');
}

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
