import type { ConfigReader } from '../configReader';
import { readDecoder, type Decoder } from '../decoder';
import type { PerLayer } from './perLayerParts';
import { ropeKind } from '../rope';
import { slidingLayers } from '../slidingWindow';
import { said } from '../../protocol/said';

/** Heads of one kind of layers. */
export interface HeadsOfKind {
  readonly headSize: number;
  readonly kvHeads: number;
  readonly theta: number;
  /** Values are the keys before their norm. */
  readonly sameValues: boolean;
}

export interface Gemma4 extends Decoder {
  readonly vocabulary: number;
  readonly sliding: HeadsOfKind;
  readonly full: HeadsOfKind;
  readonly layers: readonly Gemma4Layer[];
  /** What each rotary frequency of layers without a window is divided by; huge for pairs that are not rotated. */
  readonly divisors: Float32Array;
  readonly perLayer?: PerLayer;
  readonly experts?: { readonly count: number; readonly used: number; readonly size: number };
}

export interface Gemma4Layer {
  /** It sees a window only. */
  readonly slides: boolean;
  /** It takes keys and values of the last layer of its kind that has its own. */
  readonly isShared: boolean;
  readonly feedForwardSize: number;
}

/** Every sixth layer attends to everything, unless config.json lists them. */
const usualPeriod = 6;

/** A divisor that leaves no rotation. */
const unrotated = 1e30;

/**
 * The numbers of Gemma 4, with the defaults of transformers' class.
 * @throws QuantscopeError UNSUPPORTED for what llama.cpp does not read, MODEL_FILE for impossible numbers.
 */
export function readGemma4(config: ConfigReader, tied: boolean): Gemma4 {
  config.expect('hidden_activation', 'gelu_pytorch_tanh', 'gelu_pytorch_tanh');
  config.expect('attention_bias', false, false);
  // Tokens of images see later ones; texts do not.
  config.expect('use_bidirectional_attention', null, null, 'vision');
  if (config.has('per_layer_config'))
    throw config.unsupported(said`Settings of single layers ("per_layer_config") cannot be exported.`);
  const { theta, localTheta, factor, share } = readRopes(config);
  const decoder = readDecoder(config, {
    blocks: 30,
    hiddenSize: 2304,
    feedForwardSize: 9216,
    heads: 8,
    kvHeads: 4,
    headSize: 256,
    contextLength: 131_072,
    rope: { theta, scaling: { kind: 'none' } },
    partialRotary: 1,
    tied,
  });
  const vocabulary = config.integer('vocab_size', 262_144);
  const size = config.isNull('hidden_size_per_layer_input')
    ? 0
    : config.integer('hidden_size_per_layer_input', 256, 0);
  const tokens = config.integer('vocab_size_per_layer_input', 262_144, 1, size > 0 ? vocabulary : undefined);
  const sameValues = config.flag('attention_k_eq_v', false);
  const headSize = config.integer('global_head_dim', 512, 2);
  config.known('num_global_key_value_heads');
  const kvHeads = sameValues ? config.count('num_global_key_value_heads', decoder.kvHeads) : decoder.kvHeads;
  const experts = readExperts(config);
  return {
    ...decoder,
    vocabulary,
    sliding: { headSize: decoder.headSize, kvHeads: decoder.kvHeads, theta: localTheta, sameValues: false },
    full: { headSize, kvHeads, theta, sameValues },
    layers: readLayers(config, decoder),
    divisors: Float32Array.from({ length: headSize / 2 }, (_, pair) =>
      pair < Math.trunc((share * headSize) / 2) ? factor : unrotated,
    ),
    ...(size > 0 ? { perLayer: { size, tokens } } : {}),
    ...(experts ? { experts } : {}),
  };
}

function readLayers(config: ConfigReader, { blocks, feedForwardSize }: Decoder): Gemma4Layer[] {
  const slides = slidingLayers(config, blocks, (layer) => (layer + 1) % usualPeriod !== 0);
  // transformers makes it one that attends to everything, whatever the list says.
  slides[blocks - 1] = false;
  const shared = config.integer('num_kv_shared_layers', 0, 0, blocks - 1);
  const first = blocks - shared;
  // llama.cpp takes the last but one layer before them for those with a window, and the last one for the others.
  if (shared > 0 && (slides[first - 1] !== false || slides[first - 2] !== true))
    throw config.unsupported(
      said`Before the layers that share keys and values ("num_kv_shared_layers"), llama.cpp needs one with a sliding window and then one without.`,
    );
  const width = config.flag('use_double_wide_mlp', false) ? 2 : 1;
  return slides.map((slides, layer) => ({
    slides,
    isShared: layer >= first,
    feedForwardSize: feedForwardSize * (layer >= first ? width : 1),
  }));
}

function readExperts(config: ConfigReader): Gemma4['experts'] {
  const keys = ['num_experts', 'top_k_experts', 'moe_intermediate_size', 'expert_intermediate_size'] as const;
  if (!config.flag('enable_moe_block', false)) {
    config.known(...keys);
    return undefined;
  }
  return {
    count: config.count('num_experts'),
    used: config.count('top_k_experts'),
    size: config.integer(config.spelled('moe_intermediate_size', 'expert_intermediate_size')),
  };
}

/** Rotary settings of each kind of layer: those without a window rotate a share of their pairs, the fastest ones. */
function readRopes(config: ConfigReader) {
  const parameters = config.inner('rope_parameters');
  const [full, sliding] = [parameters?.inner('full_attention'), parameters?.inner('sliding_attention')];
  if (parameters && !(full && sliding))
    throw config.unsupported(said`"rope_parameters" lack those of one kind of layer.`);
  if (full && ropeKind(full) !== 'proportional')
    throw full.unsupported(
      said`Rope of type ${JSON.stringify(ropeKind(full))} cannot be exported for layers without a window; the supported type is proportional.`,
    );
  if (sliding && (ropeKind(sliding) !== 'default' || sliding.number('partial_rotary_factor', 1) !== 1))
    throw sliding.unsupported(
      said`Layers with a sliding window have a rope scaling, which GGUF cannot express.`,
    );
  return {
    theta: full?.number('rope_theta', 1_000_000) ?? 1_000_000,
    localTheta: sliding?.number('rope_theta', 10_000) ?? 10_000,
    factor: full?.number('factor', 1) ?? 1,
    share: full?.number('partial_rotary_factor', 1) ?? 0.25,
  };
}
