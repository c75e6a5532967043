import type { ConvertedTensor } from '../../architectures/convertedTensor';
import type { GgufView } from '../../architectures/ggufView';
import { attends } from '../../architectures/forward';
import { forwardOf } from '../../architectures/registry';
import { QuantscopeError } from '../../model/errors';
import { maxParts } from '../../model/limits';
import type { ForwardTraits } from '../../architectures/forward';
import type { BlockShape, BlockTensors } from './blockShape';
import { checkShape, missing } from './blockTensors';
import { withCarried, type EntryShape } from './carried';
import { placesIn, type CarriedShape } from './carriedShape';
import { readBlock, type RotationOf } from './readBlock';
import { countOf, numbersOf, scaleOf, type NumberOf, type Numbers } from './shapeNumbers';
import { said } from '../../protocol/said';

/** A decoder as its forward pass needs it: sizes, and what each block is made of. */
export interface DecoderShape {
  readonly architecture: string;
  readonly hiddenSize: number;
  /** Numbers of a token's state between blocks: the hidden size, or more where blocks hand on more. */
  readonly stateSize: number;
  readonly vocabulary: number;
  readonly contextLength: number;
  /** Longer texts cannot be run, and why, as part of a sentence. */
  readonly longest?: { readonly tokens: number; readonly reason: string };
  readonly epsilon: number;
  readonly centredNorms?: true;
  /** Name of the last norm, and shapes of its weights. */
  readonly lastNormName: string;
  readonly lastNorm: ReadonlyMap<string, readonly number[]>;
  /** Embeddings are multiplied by it. */
  readonly embeddingScale: number;
  /** Factor of the logits, and then c of c · tanh(logit / c). */
  readonly logitScale?: number;
  readonly logitCap?: number;
  /** Name of the output matrix: a separate one, or the embedding. */
  readonly output: 'output.weight' | 'token_embd.weight';
  readonly blocks: readonly BlockShape[];
  /** What states between blocks hold besides one hidden vector, and what makes them. */
  readonly carried?: CarriedShape;
  readonly entry?: EntryShape;
}

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
  const { architecture } = view;
  const traits = forwardOf(architecture, file);
  const embedding = tensors.get('token_embd.weight');
  if (!embedding) throw missing('token_embd.weight', file);
  const [vocabulary = 0, hiddenSize = 0] = embedding.shape;
  const parts = partsByBlock(tensors);
  const decoder = commonNumbers(view, traits, { hiddenSize, blocks: parts.size }, file);
  const read = Array.from({ length: decoder.count }, (_, index) =>
    readBlock(index, decoder, parts.get(index) ?? new Map<string, readonly number[]>(), rotation),
  );
  const { number } = decoder;
  const carrying = withCarried(read, decoder, tensors);
  const logitCap = number('final_logit_softcapping', 0);
  const divisor = traits.scalesLogits ? 1 / number('logit_scale') : scaleOf(decoder, 'logit_scale');
  const longest = longestOf(decoder);
  return {
    architecture,
    hiddenSize,
    stateSize: carrying.carried ? placesIn(hiddenSize, carrying.carried).end : hiddenSize,
    vocabulary,
    contextLength: Math.min(number('context_length'), longest?.tokens ?? Infinity),
    ...(longest ? { longest } : {}),
    epsilon: decoder.epsilon,
    ...(traits.centredNorms ? { centredNorms: true } : {}),
    ...lastNormOf(tensors, decoder),
    embeddingScale: traits.scaledEmbedding
      ? Math.fround(Math.sqrt(hiddenSize))
      : (scaleOf(decoder, 'embedding_scale') ?? 1),
    ...(divisor === undefined ? {} : { logitScale: 1 / divisor }),
    ...(logitCap > 0 ? { logitCap } : {}),
    output: outputOf(tensors, embedding.shape, file),
    ...carrying,
  };
}

/** @param held what the tensors say: the hidden size, and how many blocks have tensors. */
function commonNumbers(
  view: GgufView,
  traits: ForwardTraits,
  held: { readonly hiddenSize: number; readonly blocks: number },
  file: string,
): Numbers {
  const { architecture, window } = view;
  const number = numbersOf(view, file);
  return {
    ...{ traits, number, window, hiddenSize: held.hiddenSize, file },
    list: (key) => view.list(`${architecture}.${key}`),
    isFlag: (key) => typeof view.value(`${architecture}.${key}`) === 'boolean',
    text: (key) => {
      const found = view.value(`${architecture}.${key}`);
      return typeof found === 'string' ? found : undefined;
    },
    count: blockCount(view, held.blocks, number, file),
    heads: attends(traits) ? countOf(view, 'attention.head_count', maxParts, file) : 0,
    epsilon: number(
      traits.centredNorms ? 'attention.layer_norm_epsilon' : 'attention.layer_norm_rms_epsilon',
    ),
  };
}

/** @throws QuantscopeError MODEL_FILE for an output matrix that is not one of the vocabulary. */
function outputOf(tensors: Tensors, size: readonly number[], file: string): DecoderShape['output'] {
  if (!tensors.has('output.weight')) return 'token_embd.weight';
  checkShape(tensors, 'output.weight', size, file);
  return 'output.weight';
}

/** @throws QuantscopeError MODEL_FILE for weights of another shape. */
function lastNormOf(
  tensors: Tensors,
  { traits, hiddenSize, file }: Numbers,
): Pick<DecoderShape, 'lastNormName' | 'lastNorm'> {
  const lastNormName = traits.lastNorm ?? 'output_norm';
  const further = (traits.streams ?? 1) - 1;
  const names = [`${lastNormName}.weight`, `${lastNormName}.bias`].filter(
    (name) => name.endsWith('weight') || tensors.has(name),
  );
  const lastNorm = new Map<string, readonly number[]>(names.map((name) => [name, [hiddenSize]]));
  if (further > 0) lastNorm.set('altup_unembd_proj.weight', [further, hiddenSize, hiddenSize]);
  for (const [name, shape] of lastNorm) checkShape(tensors, name, shape, file);
  return { lastNormName, lastNorm };
}

/** Texts that are computed as described: those in which nothing is cut into chunks or left out. */
export function longestOf({ traits, number }: Pick<Numbers, 'traits' | 'number'>): DecoderShape['longest'] {
  if (traits.selectsTokens) {
    const reason = said`its queries see only some of the tokens, which an indexer selects`;
    return { tokens: number('attention.indexer.top_k'), reason };
  }
  const { longestText: tokens } = traits;
  return tokens === undefined ? undefined : { tokens, reason: said`its attention goes by chunks` };
}

/** Blocks that a text goes through: the last of a file may only predict further tokens, as GLM-4.5's in files of llama.cpp. */
function blockCount(view: GgufView, most: number, number: NumberOf, file: string): number {
  const all = countOf(view, 'block_count', most, file);
  const further = number('nextn_predict_layers', 0);
  if (Number.isInteger(further) && further >= 0 && further < all) return all - further;
  const message = said`The key "${view.architecture}.nextn_predict_layers" is ${further}; a whole number below the ${all} blocks is needed.`;
  throw new QuantscopeError('MODEL_FILE', message, { file });
}

/** Shapes of the tensors of every block, by what comes after "blk.N.". */
export function partsByBlock(tensors: Tensors): ReadonlyMap<number, BlockTensors> {
  const blocks = new Map<number, Map<string, readonly number[]>>();
  for (const { name, shape } of tensors.values()) {
    const [, number, part] = /^blk\.(\d+)\.(.+)$/.exec(name) ?? [];
    if (number === undefined || part === undefined) continue;
    const parts = blocks.get(Number(number)) ?? new Map<string, readonly number[]>();
    blocks.set(Number(number), parts.set(part, shape));
  }
  return blocks;
}
