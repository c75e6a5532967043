import { QuantscopeError } from '../model/errors';
import type { KeyValue } from '../model/keyValue';
import type { ConfigReader } from './configReader';
import { f32, u32 } from './keyValues';
import { readRope, ropeKeyValues, type Rope } from './rope';
import { said } from '../protocol/said';

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
  throw config.unsupported(
    said`"${key}" is ${share}, but heads are rotated as a whole in this architecture.`,
  );
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

/** @throws QuantscopeError UNSUPPORTED unless all heads together have the hidden size, as some loaders of llama.cpp assume. */
export function expectSquareAttention(config: ConfigReader, { heads, headSize, hiddenSize }: Decoder): void {
  if (heads * headSize === hiddenSize) return;
  throw config.unsupported(
    said`${heads} heads of size ${headSize} do not add up to the hidden size ${hiddenSize}, as llama.cpp requires for this architecture.`,
  );
}

/** @throws QuantscopeError MODEL_FILE unless the heads share the hidden size evenly. */
export function sharedHeadSize(config: ConfigReader, hiddenSize: number, heads: number): number {
  const size = hiddenSize / heads;
  if (Number.isInteger(size) && size % 2 === 0) return size;
  throw new QuantscopeError(
    'MODEL_FILE',
    said`${heads} heads share a hidden size of ${hiddenSize}; the size of a head must be whole and even.`,
    { file: config.file },
  );
}

/** @throws QuantscopeError UNSUPPORTED for activations other than GELU; llama.cpp takes its tanh form, at most 0.0005 off. */
export function expectGelu(config: ConfigReader, key: string, fallback: string): void {
  config.expect(key, fallback, 'gelu', 'gelu_new', 'gelu_fast', 'gelu_pytorch_tanh');
}
