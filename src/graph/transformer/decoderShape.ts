import type { ConvertedTensor } from '../../architectures/convertedTensor';
import type { ForwardTraits } from '../../architectures/forward';
import type { GgufView } from '../../architectures/ggufView';
import { forwardOf } from '../../architectures/registry';
import { QuantscopeError } from '../../model/errors';
import { maxParts } from '../../model/limits';
import { checkHeads, checkParts, missing } from './blockTensors';
import type { Rotation } from './rotation';

/** A decoder as its forward pass needs it: sizes, and what each block is made of. */
export interface DecoderShape {
  readonly architecture: string;
  readonly hiddenSize: number;
  readonly vocabulary: number;
  readonly contextLength: number;
  readonly epsilon: number;
  readonly centredNorms?: true;
  /** Shapes of the weights of the last norm. */
  readonly lastNorm: ReadonlyMap<string, readonly number[]>;
  /** Embeddings are multiplied by it. */
  readonly embeddingScale: number;
  /** Factor of the logits, and then c of c · tanh(logit / c). */
  readonly logitScale?: number;
  readonly logitCap?: number;
  /** Name of the output matrix: a separate one, or the embedding. */
  readonly output: 'output.weight' | 'token_embd.weight';
  readonly blocks: readonly BlockShape[];
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
  readonly activation: ForwardTraits['activation'];
  /** Names of the norms after the attention, of what it adds, and before the feed-forward network. */
  readonly afterAttention?: string;
  readonly beforeFeedForward: string;
  readonly experts?: {
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
  };
  /** Shapes of its tensors. */
  readonly tensors: ReadonlyMap<string, readonly number[]>;
}

export type HeadSizes = Pick<BlockShape, 'heads' | 'kvHeads' | 'headSize'>;

/** A tensor of a model by name, in GGUF's view. */
export type Tensors = ReadonlyMap<string, ConvertedTensor>;

/**
 * @throws QuantscopeError UNSUPPORTED for an architecture or a tensor that cannot be run, MODEL_FILE for numbers that are missing or
 * that the tensors contradict.
 */
export function decoderShape(
  view: GgufView,
  tensors: Tensors,
  rotation: RotationOf,
  file: string,
): DecoderShape {
  const { architecture, window } = view;
  const traits = forwardOf(architecture, file);
  const number = numbersOf(view, file);
  const embedding = tensors.get('token_embd.weight');
  if (!embedding) throw missing('token_embd.weight', file);
  const [vocabulary = 0, hiddenSize = 0] = embedding.shape;
  const parts = partsByBlock(tensors);
  const decoder: Numbers = {
    ...{ traits, number, window, hiddenSize, file },
    isFlag: (key) => typeof view.value(`${architecture}.${key}`) === 'boolean',
    count: blockCount(view, parts.size, number, file),
    heads: countOf(view, 'attention.head_count', maxParts, file),
    epsilon: number(
      traits.centredNorms ? 'attention.layer_norm_epsilon' : 'attention.layer_norm_rms_epsilon',
    ),
  };
  const logitCap = number('final_logit_softcapping', 0);
  const divisor = traits.scalesLogits ? 1 / number('logit_scale') : scaleOf(decoder, 'logit_scale');
  return {
    architecture,
    hiddenSize,
    vocabulary,
    contextLength: Math.min(number('context_length'), traits.longestText ?? Infinity),
    epsilon: decoder.epsilon,
    ...(traits.centredNorms ? { centredNorms: true } : {}),
    lastNorm: lastNormOf(tensors, hiddenSize),
    embeddingScale: traits.scaledEmbedding
      ? Math.fround(Math.sqrt(hiddenSize))
      : (scaleOf(decoder, 'embedding_scale') ?? 1),
    ...(divisor === undefined ? {} : { logitScale: 1 / divisor }),
    ...(logitCap > 0 ? { logitCap } : {}),
    output: tensors.has('output.weight') ? 'output.weight' : 'token_embd.weight',
    blocks: Array.from({ length: decoder.count }, (_, index) =>
      blockShape(index, decoder, parts.get(index) ?? new Map<string, readonly number[]>(), rotation),
    ),
  };
}

function lastNormOf(tensors: Tensors, hiddenSize: number): DecoderShape['lastNorm'] {
  const names = ['output_norm.weight', 'output_norm.bias'].filter(
    (name) => name.endsWith('weight') || tensors.has(name),
  );
  return new Map(names.map((name) => [name, [hiddenSize]]));
}

/** A factor that a key states, where the architecture has such keys; llama.cpp ignores one that is 0. */
function scaleOf({ traits, number }: Pick<Numbers, 'traits' | 'number'>, key: string): number | undefined {
  const scale = traits.scales ? number(key, 0) : 0;
  return scale === 0 ? undefined : scale;
}

/** Blocks that a text goes through: the last of a file may only predict further tokens, as GLM-4.5's in files of llama.cpp. */
function blockCount(view: GgufView, most: number, number: NumberOf, file: string): number {
  const all = countOf(view, 'block_count', most, file);
  const further = number('nextn_predict_layers', 0);
  if (Number.isInteger(further) && further >= 0 && further < all) return all - further;
  const message = `The key "${view.architecture}.nextn_predict_layers" is ${further}; a whole number below the ${all} blocks is needed.`;
  throw new QuantscopeError('MODEL_FILE', message, { file });
}

/** A count stated by a key, limited by how many there can be. */
function countOf(view: GgufView, key: string, most: number, file: string): number {
  const count = numbersOf(view, file)(key);
  if (Number.isInteger(count) && count >= 1 && count <= most) return count;
  const message = `The key "${view.architecture}.${key}" is ${count}; a whole number from 1 to ${most} is needed.`;
  throw new QuantscopeError('MODEL_FILE', message, { file });
}

/** How a layer rotates; `local` for layers that see a window. */
export type RotationOf = (local: boolean) => Rotation;

type NumberOf = (key: string, fallback?: number) => number;

interface Numbers {
  readonly file: string;
  readonly isFlag: (key: string) => boolean;
  readonly traits: ForwardTraits;
  readonly number: NumberOf;
  /** Where the checkpoint says which layers see a window, and the file will not. */
  readonly window: GgufView['window'];
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
    const message = `The key "${architecture}.${key}" is ${found === undefined ? 'missing' : String(found)}; the model cannot be run without this number.`;
    throw new QuantscopeError('MODEL_FILE', message, { file });
  };
}

type Parts = ReadonlyMap<string, readonly number[]>;

function blockShape(index: number, decoder: Numbers, parts: Parts, rotation: RotationOf): BlockShape {
  const { traits, number, hiddenSize, heads, count, epsilon, file } = decoder;
  checkParts(index, parts, traits, file);
  const headSize = number('attention.key_length', hiddenSize / heads);
  const kvHeads = number('attention.head_count_kv', heads);
  checkHeads(index, parts, { heads, kvHeads, headSize }, file);
  const window = windowAt(index, decoder);
  const scoreCap = number('attn_logit_softcapping', 0);
  const addedScale = scaleOf(decoder, 'residual_scale');
  return {
    ...{ index, hiddenSize, epsilon, heads, kvHeads, headSize },
    scale:
      scaleOf(decoder, 'attention.scale') ??
      1 / Math.sqrt(count === traits.largeBlocks ? Math.trunc(hiddenSize / heads) : headSize),
    ...(addedScale === undefined ? {} : { addedScale }),
    ...(scoreCap > 0 ? { scoreCap } : {}),
    ...temperatureOf(decoder),
    ...(window === undefined ? {} : { window }),
    ...(rotatesAt(index, decoder, window) ? { rotation: rotation(window !== undefined) } : {}),
    ...(traits.normsRotated ? { normsRotated: true } : {}),
    ...(traits.rotatedNorms && number('expert_count', 0) !== traits.rotatedNorms.unlessExperts
      ? { unitNorms: true }
      : {}),
    activation: traits.activation,
    ...(traits.centredNorms ? { centredNorms: true } : {}),
    ...(traits.parallel ? { parallel: true } : {}),
    ...normNames(traits),
    ...(parts.has('ffn_gate_exps.weight') ? { experts: expertsOf(decoder, parts) } : {}),
    tensors: parts,
  };
}

function rotatesAt(index: number, { traits, number }: Numbers, window: number | undefined): boolean {
  const { scales, rotationPeriod, rotatesInWindows } = traits;
  if (scales && number('rope.scaling.finetuned', 1) === 0) return false;
  if (rotationPeriod !== undefined && (index + 1) % rotationPeriod === 0) return false;
  return !rotatesInWindows || window !== undefined || number('attention.sliding_window', 0) === 0;
}

const normNames = ({
  feedForwardNorm,
}: ForwardTraits): Pick<BlockShape, 'afterAttention' | 'beforeFeedForward'> =>
  feedForwardNorm === undefined
    ? { afterAttention: 'post_attention_norm', beforeFeedForward: 'ffn_norm' }
    : { beforeFeedForward: feedForwardNorm };

/** @throws QuantscopeError MODEL_FILE for a factor of queries without the length that it depends on. */
function temperatureOf({ number, file }: Numbers): Pick<BlockShape, 'temperature'> {
  const scale = number('attention.temperature_scale', 0);
  if (scale === 0) return {};
  const length = number('attention.temperature_length', number('rope.scaling.original_context_length', 0));
  if (length > 0) return { temperature: { scale, length } };
  const message =
    'Queries are scaled by position ("attention.temperature_scale"), but the file does not say from which length on.';
  throw new QuantscopeError('MODEL_FILE', message, { file });
}

/** Positions that a layer sees: by the checkpoint, else by the keys of the architectures whose windows GGUF expresses. */
function windowAt(index: number, { traits, number, isFlag, window }: Numbers): number | undefined {
  if (window) return window.layers[index] ? window.size : undefined;
  const size = number('attention.sliding_window', 0);
  if (traits.windowPeriod === undefined || size === 0) return undefined;
  const key = 'attention.sliding_window_pattern';
  // llama.cpp reads a number only; where a file has a flag for each layer, it takes what is usual.
  const period = isFlag(key) ? traits.windowPeriod : number(key, traits.windowPeriod);
  return period === 0 || index % period < period - 1 ? size : undefined;
}

/** Values of `expert_gating_func` in GGUF; 0 is what is usual. */
const gatings = { softmax: 1, sigmoid: 2 };

/** @throws QuantscopeError UNSUPPORTED for other scores, and a choice by groups; MODEL_FILE for counts that the tensors contradict. */
function expertsOf({ traits, number, file }: Numbers, parts: Parts): NonNullable<BlockShape['experts']> {
  const unsupported = (what: string) =>
    new QuantscopeError('UNSUPPORTED', `${what} cannot be run.`, { file });
  const scale = number('expert_weights_scale', 0);
  if (number('expert_group_count', 1) > 1) throw unsupported('Experts that are chosen by groups');
  const gating = number('expert_gating_func', 0) || gatings[traits.gating ?? 'softmax'];
  if (!Object.values(gatings).includes(gating))
    throw unsupported(`Experts that are scored by the function ${gating} ("expert_gating_func")`);
  const [count, used] = [number('expert_count'), number('expert_used_count')];
  const [held = 0] = parts.get('ffn_gate_exps.weight') ?? [];
  if (count !== held || !Number.isInteger(used) || used < 1 || used > count) {
    const message = `The file states ${count} experts and uses ${used} of them; its tensors hold ${held}.`;
    throw new QuantscopeError('MODEL_FILE', message, { file });
  }
  const added = scaleOf({ traits, number }, 'residual_scale') ?? 1;
  return {
    ...{ count, used },
    normalized: traits.normalizedExperts === true || number('expert_weights_norm', 0) === 1,
    scale: added * (scale === 0 ? 1 : scale),
    ...(gating === gatings.sigmoid ? { gating: 'sigmoid' } : {}),
    ...(traits.scaledInputs ? { scaledInputs: true } : {}),
  };
}

/** Shapes of the tensors of every block, by what comes after "blk.N.". */
export function partsByBlock(tensors: Tensors): ReadonlyMap<number, Parts> {
  const blocks = new Map<number, Map<string, readonly number[]>>();
  for (const { name, shape } of tensors.values()) {
    const [, number, part] = /^blk\.(\d+)\.(.+)$/.exec(name) ?? [];
    if (number === undefined || part === undefined) continue;
    const parts = blocks.get(Number(number)) ?? new Map<string, readonly number[]>();
    blocks.set(Number(number), parts.set(part, shape));
  }
  return blocks;
}
