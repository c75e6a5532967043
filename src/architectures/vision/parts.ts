import type { KeyValue } from '../../model/keyValue';
import type { ConfigReader } from '../configReader';
import { blockRules, partRules, type Part } from '../partRules';
import type { TensorRule } from '../description';
import { bool, f32, u32 } from '../keyValues';
import { said } from '../../protocol/said';

/** The numbers of an encoder of patches. */
export interface Encoder {
  readonly width: number;
  readonly heads: number;
  /** Width of the feed-forward network. */
  readonly inner: number;
  readonly blocks: number;
  /** Pixels of a side of a patch. */
  readonly patch: number;
  /** Pixels of a side of the images that it was trained on. */
  readonly image: number;
  /** Of all norms. */
  readonly epsilon: number;
  /** Width of the language part. */
  readonly out: number;
}

/** @throws QuantscopeError MODEL_FILE for heads that do not divide the width into as many even pairs as `multiple` says. */
export function checkHeads(config: ConfigReader, { width, heads }: Encoder, key: string, multiple = 1): void {
  if (width % (heads * multiple) === 0) return;
  throw config.wrong(key, `${width} must be a multiple of ${multiple} times the number of heads`);
}

export const encoderKeyValues = (encoder: Encoder): KeyValue[] => [
  u32('vision.image_size', encoder.image),
  u32('vision.patch_size', encoder.patch),
  u32('vision.embedding_length', encoder.width),
  u32('vision.feed_forward_length', encoder.inner),
  u32('vision.block_count', encoder.blocks),
  u32('vision.attention.head_count', encoder.heads),
  f32('vision.attention.layer_norm_epsilon', encoder.epsilon),
  u32('vision.projection_dim', encoder.out),
];

/** Functions of the feed-forward networks as llama.cpp names them. It computes `gelu` by the approximation with tanh. */
const activations: Readonly<Record<string, readonly KeyValue[]>> = {
  quick_gelu: [],
  gelu: [bool('use_gelu', true)],
  gelu_pytorch_tanh: [bool('use_gelu', true)],
  silu: [bool('use_silu', true)],
};

/** @throws QuantscopeError UNSUPPORTED for a function that is not one of `allowed`. */
export function activationKeyValues(
  config: ConfigReader,
  fallback: string,
  ...allowed: readonly (keyof typeof activations)[]
): readonly KeyValue[] {
  config.expect('hidden_act', fallback, ...allowed);
  return activations[config.text('hidden_act', fallback)]!;
}

/** Rules of parts outside the blocks. */
export const outerRules = (parts: readonly Part[]): TensorRule[] => partRules(parts);

/** Rules of the parts of every block of an encoder: `prefix` and `.N.` go before `from`, `v.blk.N.` before `to`. */
export function* encoderBlocks(
  prefix: string,
  blocks: number,
  parts: readonly Part[],
): Generator<TensorRule> {
  for (const rule of blockRules(prefix, blocks, () => parts)) yield { ...rule, to: `v.${rule.to}` };
}

/** Weights `[out, in]`, with a bias. */
export const linear = (from: string, to: string, out: number, inputs: number): Part => ({
  ...{ from, to, shape: [out, inputs], bias: 'required' },
});

/** Weight and bias of a layer norm. */
export const layerNorm = (from: string, to: string, size: number): Part => ({
  ...{ from, to, shape: [size], bias: 'required' },
});

/**
 * llama.cpp takes the wider matrix of a feed-forward network for the one that opens it, whatever its name, for projectors with older files.
 * @throws QuantscopeError UNSUPPORTED where both are equally wide, which it would exchange.
 */
export function expectWiderNetwork(config: ConfigReader, { width, inner }: Encoder): void {
  if (width !== inner) return;
  throw config.unsupported(
    said`The feed-forward networks of the vision part are as wide (${inner}) as its states: llama.cpp would exchange their two matrices.`,
  );
}
