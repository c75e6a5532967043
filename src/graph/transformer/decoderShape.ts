import type { ConvertedTensor } from '../../architectures/convertedTensor';
import type { ForwardTraits } from '../../architectures/forward';
import type { GgufView } from '../../architectures/ggufView';
import { forwardOf } from '../../architectures/registry';
import { QuantscopeError } from '../../model/errors';
import type { Rotation } from './rotation';

/** A decoder as its forward pass needs it: sizes, and what each block is made of. */
export interface DecoderShape {
  readonly architecture: string;
  readonly hiddenSize: number;
  readonly vocabulary: number;
  readonly contextLength: number;
  readonly epsilon: number;
  /** Embeddings are multiplied by it. */
  readonly embeddingScale: number;
  /** c of c · tanh(logit / c). */
  readonly logitCap?: number;
  /** Name of the output matrix: of its own, or the embedding's. */
  readonly output: 'output.weight' | 'token_embd.weight';
  readonly blocks: readonly BlockShape[];
}

/** One block. Tensors of a block are called by what comes after "blk.N.". */
export interface BlockShape {
  readonly index: number;
  readonly hiddenSize: number;
  readonly epsilon: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  /** Factor of the scores. */
  readonly scale: number;
  readonly scoreCap?: number;
  /** Positions that a query sees, itself included; all earlier ones when absent. */
  readonly window?: number;
  /** Absent in layers without positions. */
  readonly rotation?: Rotation;
  readonly activation: ForwardTraits['activation'];
  readonly experts?: {
    readonly count: number;
    readonly used: number;
    /** The shares of the chosen ones add up to 1. */
    readonly normalized: boolean;
    /** Factor of the shares. */
    readonly scale: number;
  };
  /** Shapes of its tensors. */
  readonly tensors: ReadonlyMap<string, readonly number[]>;
}

/** Tensors that a block may have; any other would change what it computes. */
const knownParts =
  /^(attn_(norm|q|k|v|qkv|output|q_norm|k_norm)|post_attention_norm|ffn_norm|post_ffw_norm|ffn_(gate|up|down)(_exps|_shexp)?|ffn_gate_inp(_shexp)?|rope_freqs)\.(weight|bias)$/;

/** A tensor of a model by name, in GGUF's view. */
export type Tensors = ReadonlyMap<string, ConvertedTensor>;

/** @throws QuantscopeError UNSUPPORTED for an architecture or a tensor that cannot be run, MODEL_FILE for missing numbers. */
export function decoderShape(
  view: GgufView,
  tensors: Tensors,
  rotation: RotationOf,
  file: string,
): DecoderShape {
  const { architecture } = view;
  const traits = forwardOf(architecture, file);
  const number = numbersOf(view, file);
  const embedding = tensors.get('token_embd.weight');
  if (!embedding) throw missing('token_embd.weight', file);
  const [vocabulary = 0, hiddenSize = 0] = embedding.shape;
  const decoder: Numbers = {
    traits,
    number,
    hiddenSize,
    count: number('block_count'),
    heads: number('attention.head_count'),
    epsilon: number('attention.layer_norm_rms_epsilon'),
  };
  const logitCap = number('final_logit_softcapping', 0);
  return {
    architecture,
    hiddenSize,
    vocabulary,
    contextLength: number('context_length'),
    epsilon: decoder.epsilon,
    embeddingScale: traits.scaledEmbedding ? Math.fround(Math.sqrt(hiddenSize)) : 1,
    ...(logitCap > 0 ? { logitCap } : {}),
    output: tensors.has('output.weight') ? 'output.weight' : 'token_embd.weight',
    blocks: Array.from({ length: decoder.count }, (_, index) =>
      blockShape(index, decoder, tensors, rotation, file),
    ),
  };
}

/** How a layer rotates; `local` for layers that see a window. */
export type RotationOf = (local: boolean) => Rotation;

type NumberOf = (key: string, fallback?: number) => number;

interface Numbers {
  readonly traits: ForwardTraits;
  readonly number: NumberOf;
  readonly hiddenSize: number;
  readonly count: number;
  readonly heads: number;
  readonly epsilon: number;
}

/** Hyper-parameters by their keys without the architecture's name. */
export function numbersOf({ architecture, value }: GgufView, file: string): NumberOf {
  return (key, fallback) => {
    const found = value(`${architecture}.${key}`);
    if (found === undefined && fallback !== undefined) return fallback;
    const number = Number(found);
    if (found !== undefined && Number.isFinite(number)) return number;
    const message = `The key "${architecture}.${key}" is ${found === undefined ? 'missing' : String(found)}; without the number the model cannot be run.`;
    throw new QuantscopeError('MODEL_FILE', message, { file });
  };
}

function blockShape(
  index: number,
  decoder: Numbers,
  tensors: Tensors,
  rotation: RotationOf,
  file: string,
): BlockShape {
  const { traits, number, hiddenSize, heads, count, epsilon } = decoder;
  const parts = partsOf(index, tensors, file);
  const headSize = number('attention.key_length', hiddenSize / heads);
  const slides = slidesAt(index, decoder);
  const scoreCap = number('attn_logit_softcapping', 0);
  const rotates = traits.rotationPeriod === undefined || (index + 1) % traits.rotationPeriod !== 0;
  return {
    ...{ index, hiddenSize, epsilon, heads, headSize },
    kvHeads: number('attention.head_count_kv', heads),
    scale: 1 / Math.sqrt(count === traits.largeBlocks ? Math.trunc(hiddenSize / heads) : headSize),
    ...(scoreCap > 0 ? { scoreCap } : {}),
    ...(slides ? { window: number('attention.sliding_window') } : {}),
    ...(rotates ? { rotation: rotation(slides) } : {}),
    activation: traits.activation,
    ...(parts.has('ffn_gate_exps.weight') ? { experts: expertsOf(decoder) } : {}),
    tensors: parts,
  };
}

function slidesAt(index: number, { traits, number }: Numbers): boolean {
  if (traits.windowPeriod === undefined || number('attention.sliding_window', 0) === 0) return false;
  const period = number('attention.sliding_window_pattern', traits.windowPeriod);
  return period === 0 || index % period < period - 1;
}

function expertsOf({ traits, number }: Numbers): NonNullable<BlockShape['experts']> {
  const scale = number('expert_weights_scale', 0);
  return {
    count: number('expert_count'),
    used: number('expert_used_count'),
    normalized: traits.normalizedExperts === true,
    scale: scale === 0 ? 1 : scale,
  };
}

function partsOf(index: number, tensors: Tensors, file: string): ReadonlyMap<string, readonly number[]> {
  const prefix = `blk.${index}.`;
  const parts = new Map<string, readonly number[]>();
  for (const { name, shape } of tensors.values()) {
    if (!name.startsWith(prefix)) continue;
    const part = name.slice(prefix.length);
    if (!knownParts.test(part)) {
      const message = 'The forward pass has no place for this tensor.';
      throw new QuantscopeError('UNSUPPORTED', message, { file, tensor: name });
    }
    parts.set(part, shape);
  }
  const needed = parts.has('attn_qkv.weight')
    ? ['attn_output']
    : ['attn_q', 'attn_k', 'attn_v', 'attn_output'];
  for (const part of needed) if (!parts.has(`${part}.weight`)) throw missing(`${prefix}${part}.weight`, file);
  return parts;
}

function missing(tensor: string, file: string): QuantscopeError {
  return new QuantscopeError('MODEL_FILE', 'The model lacks this tensor.', { file, tensor });
}

/** Bytes of the weights that a block computes with at a time, in float32: of its experts those of one. */
export const blockBytes = (block: BlockShape): number => weightBytes(block, 1);

/** Bytes of all weights in float32, without the embedding matrix, of which rows are looked up. */
export function modelBytes({ blocks, vocabulary, hiddenSize }: DecoderShape): number {
  const all = blocks.map((block) => weightBytes(block, block.experts?.count ?? 1));
  return all.reduce((sum, bytes) => sum + bytes, 4 * vocabulary * hiddenSize);
}

/** Bytes of the weights in float32 that one more token of a text goes through: of the experts those that are chosen. */
export function bytesPerToken({ blocks, vocabulary, hiddenSize }: DecoderShape): number {
  const all = blocks.map((block) => weightBytes(block, block.experts?.used ?? 1));
  return all.reduce((sum, bytes) => sum + bytes, 4 * vocabulary * hiddenSize);
}

/** @param ofExperts so many of the experts count. */
function weightBytes({ tensors, experts }: BlockShape, ofExperts: number): number {
  return [...tensors].reduce((sum, [part, shape]) => {
    const bytes = shape.reduce((product, size) => product * size, 4);
    return sum + (experts && part.includes('_exps.') ? (bytes * ofExperts) / experts.count : bytes);
  }, 0);
}
