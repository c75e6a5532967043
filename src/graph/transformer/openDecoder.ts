import { refuseBidirectional } from '../../architectures/direction';
import { ggufView, type GgufView } from '../../architectures/ggufView';
import { attends } from '../../architectures/forward';
import { architectures, forwardOf } from '../../architectures/registry';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import type { OrtDevice } from '../session';
import { Decoder } from './decoder';
import { decoderShape, type DecoderShape, type Tensors } from './decoderShape';
import type { RotationOf } from './readBlock';
import { numbersOf, stretchFactor, type NumberOf } from './shapeNumbers';
import { GraphLoader, type Placement } from './graphLoader';
import { Graphs } from './graphs';
import { GraphSources, type RoundInputs } from './graphSources';
import { rotationOf, usualTurns, type RotationSettings } from './rotation';
import { Weights, type WeightChanges } from './weights';
import { said } from '../../protocol/said';

export interface DecoderOptions {
  readonly device: OrtDevice;
  /** Tokens of a window. */
  readonly length: number;
  /** All weights stay in memory; otherwise those of one block at a time. May depend on the model's size. */
  readonly keep: boolean | ((shape: DecoderShape) => boolean);
  readonly changes?: WeightChanges;
  /** How inputs of quantized matrices are rounded; not at all where it is absent. */
  readonly roundInputs?: RoundInputs;
  /** Where weights are while a graph runs; the device's default when absent. */
  readonly placement?: Placement;
  /** Approximate number of tokens that go through a graph at a time; the device's default when absent. */
  readonly tokensAtOnce?: number;
}

interface DescribeOptions {
  readonly length?: number | undefined;
  readonly changes?: WeightChanges | undefined;
}

/** What a model computes, and its weights. */
export interface DescribedDecoder {
  readonly shape: DecoderShape;
  readonly weights: Weights;
  /** Texts of more tokens are rotated by other factors than shorter ones (LongRoPE); the shape has those for `length`. */
  readonly shortLength?: number;
}

/**
 * The forward pass of a model that predicts tokens, by its description. Of weights only factors of its rotary embedding are read.
 * @param length tokens that a text has at most, where it is known: some models rotate longer texts in another way.
 * @throws QuantscopeError UNSUPPORTED for an architecture that cannot be run, MODEL_FILE for a model that lacks something.
 */
export async function describeDecoder(
  model: Model,
  options: DescribeOptions = {},
): Promise<DescribedDecoder> {
  refuseBidirectional(await ggufView(model), model.description.path);
  return describeBlocks(model, options);
}

/** The same for a model whose tokens may see later ones, too. */
export async function describeBlocks(
  model: Model,
  { length, changes }: DescribeOptions = {},
): Promise<DescribedDecoder> {
  const view = await ggufView(model);
  const { path } = model.description;
  const weights = new Weights(model, view, changes);
  const number = numbersOf(view, path);
  const divisors = await readDivisors(view, weights, length ?? number('context_length'), path);
  const rotation = attends(forwardOf(view.architecture, path))
    ? rotations(view, weights, divisors, path)
    : noRotation;
  const short = 'rope_factors_short.weight';
  const hasTwoSets = weights.tensors.has(short) || view.computed.some(({ to }) => to === short);
  return {
    shape: decoderShape(view, weights.tensors, rotation, path),
    weights,
    ...(hasTwoSets ? { shortLength: number('rope.scaling.original_context_length', 0) } : {}),
  };
}

/**
 * Makes a model ready to run: its forward pass by its description, its weights by `changes`. No weights are read yet.
 * @throws QuantscopeError as `describeDecoder`.
 */
export async function openDecoder(model: Model, options: DecoderOptions): Promise<Decoder> {
  const { shape, weights } = await describeDecoder(model, options);
  const { longest } = shape;
  if (longest && options.length > longest.tokens)
    throw new QuantscopeError(
      'UNSUPPORTED',
      said`Texts of more than ${longest.tokens} tokens cannot be run in this architecture: ${longest.reason}.`,
      { file: model.description.path },
    );
  // On the CPU ONNX Runtime uses this process's memory directly; a GPU should not be sent the weights with every run.
  const placement = options.placement ?? (options.device === 'ort-cpu' ? 'fed' : 'held');
  const keep = typeof options.keep === 'boolean' ? options.keep : options.keep(shape);
  const loader = new GraphLoader(weights, options.device, placement, keep);
  const sources = new GraphSources(shape, weights, options.roundInputs ?? false);
  const graphs = new Graphs(loader, keep);
  const { device, length, tokensAtOnce } = options;
  return new Decoder(shape, weights, graphs, sources, device, length, tokensAtOnce);
}

interface Divisors {
  readonly values: Float32Array;
  /** Where they are a tensor of a file: its name. */
  readonly tensor?: string;
}

/** Divisors of rotary frequencies: the model's, or of two sets those for texts of this length. */
async function readDivisors(
  view: GgufView,
  weights: Weights,
  length: number,
  file: string,
): Promise<Divisors | undefined> {
  if (view.divisors) return { values: view.divisors };
  const original = numbersOf(view, file)('rope.scaling.original_context_length', 0);
  const stretched = length > original ? 'rope_factors_long.weight' : 'rope_factors_short.weight';
  for (const name of ['rope_freqs.weight', stretched]) {
    const computed = view.computed.find(({ to }) => to === name);
    if (computed) return { values: computed.values, tensor: name };
    const tensor = weights.tensors.get(name);
    if (!tensor) continue;
    const values = new Float32Array(tensor.shape.reduce((product, size) => product * size, 1));
    await weights.load(name, values);
    return { values, tensor: name };
  }
  return undefined;
}

/** What is computed for each dimension of a head is bounded by the tensors, not by a number of the file. */
function largestSize(tensors: Tensors): number {
  let most = 0;
  for (const { shape } of tensors.values()) for (const size of shape) most = Math.max(most, size);
  return most;
}

function noRotation(): never {
  throw new RangeError('no block has attention');
}

function rotations(
  view: GgufView,
  weights: Weights,
  divisors: Divisors | undefined,
  file: string,
): RotationOf {
  const number = numbersOf(view, file);
  const heads = number('attention.head_count');
  const headSize = number('attention.key_length', number('embedding_length') / heads);
  const most = largestSize(weights.tensors);
  const dimensionsOf = (key: string, usual: number, size: number): number => {
    const dimensions = number(key, usual);
    checkDimensions(`${view.architecture}.${key}`, dimensions, size, most, file);
    return dimensions;
  };
  const dimensions = dimensionsOf('rope.dimension_count', headSize, headSize);
  checkDivisors(divisors, dimensions, file);
  refuseYarnKeys(view, file);
  const attentionFactor = number('rope.scaling.attn_factor', 1) / yarnDivisor(view, number, file);
  const settings: RotationSettings = {
    order: weights.halvesRotate ? 'halves' : forwardOf(view.architecture, file).rotation,
    dimensions,
    theta: number('rope.freq_base', 10_000),
    scaling: scalingOf(view, number),
    factors: divisors?.values,
    ...(attentionFactor > 0 ? { attentionFactor } : {}),
  };
  const global = rotationOf(settings);
  const usual = localThetas[view.architecture] ?? 0;
  const localTheta = number('rope.freq_base_swa', usual === 'same' ? settings.theta : usual);
  if (localTheta === 0) return () => global;
  const { order } = settings;
  const localSize = number('attention.key_length_swa', headSize);
  const local = rotationOf({
    ...{ order, theta: localTheta, scaling: undefined, factors: undefined },
    dimensions: dimensionsOf('rope.dimension_count_swa', Math.min(dimensions, localSize), localSize),
  });
  return (isLocal) => (isLocal ? local : global);
}

/** @throws QuantscopeError MODEL_FILE for a number of rotated dimensions that a head of this size, or no tensor, can have. */
function checkDimensions(key: string, dimensions: number, size: number, most: number, file: string): void {
  if (!(dimensions >= 2 && dimensions <= size && dimensions % 2 === 0)) {
    const message = said`The key "${key}" is ${dimensions}; it must be even and at most the head size ${size}.`;
    throw new QuantscopeError('MODEL_FILE', message, { file });
  }
  if (dimensions <= most) return;
  const message = said`${dimensions} dimensions of a head would be rotated ("${key}"), but no tensor is larger than ${most}.`;
  throw new QuantscopeError('MODEL_FILE', message, { file });
}

/** @throws QuantscopeError MODEL_FILE for another number of divisors than of frequencies. */
function checkDivisors(divisors: Divisors | undefined, dimensions: number, file: string): void {
  const count = divisors?.values.length ?? 0;
  if (divisors?.tensor === undefined || count === dimensions / 2) return;
  const message = said`The tensor has ${count} divisors of frequencies; ${dimensions} rotated dimensions need ${dimensions / 2}.`;
  throw new QuantscopeError('MODEL_FILE', message, { file, tensor: divisors.tensor });
}

/**
 * Newer versions of llama.cpp read how much of YaRN counts, and another factor of its magnitude.
 * @throws QuantscopeError UNSUPPORTED for other values than those that mean the usual.
 */
function refuseYarnKeys({ architecture, value }: GgufView, file: string): void {
  const isYarn = value(`${architecture}.rope.scaling.type`) === 'yarn';
  const usual = { yarn_ext_factor: [-1, isYarn ? 1 : 0], yarn_attn_factor: [1] };
  for (const [name, values] of Object.entries(usual)) {
    const key = `${architecture}.rope.scaling.${name}`;
    const stated = value(key);
    if (stated === undefined || values.includes(Number(stated))) continue;
    throw new QuantscopeError(
      'UNSUPPORTED',
      said`The key "${key}" is ${String(stated)}; only models with ${values.join(' or ')} can be run.`,
      { file },
    );
  }
}

/** What llama.cpp divides the magnitude of YaRN by: that of another factor of its logarithm (DeepSeek's generalisation). */
function yarnDivisor({ architecture, value }: GgufView, number: NumberOf, file: string): number {
  const factor = stretchFactor(number);
  const stated = number('rope.scaling.yarn_log_multiplier', 0);
  const isLatent = latentArchitectures.has(architecture);
  // With another factor than the usual one, llama.cpp changes the magnitude in all architectures but DeepSeek's first.
  if (isLatent && architecture !== 'deepseek2' && stated !== 0 && Math.abs(stated - 0.1) > 1e-6)
    throw new QuantscopeError(
      'UNSUPPORTED',
      said`The key "${architecture}.rope.scaling.yarn_log_multiplier" is ${stated}; only 0.1 can be run.`,
      { file },
    );
  // With latent attention it is a factor of scores only: the two factors that DeepSeek has are taken to be equal.
  const multiplier = stated !== 0 && isLatent ? 1 : stated;
  if (value(`${architecture}.rope.scaling.type`) !== 'yarn' || multiplier === 0 || factor <= 1) return 1;
  return 1 + 0.1 * multiplier * Math.log(factor);
}

const latentArchitectures: ReadonlySet<string> = new Set(
  architectures.filter(({ forward }) => forward?.mixers?.includes('latentAttention')).map(({ name }) => name),
);

/** Theta of layers with a window, where files of an architecture need not say it: they are not scaled. */
const localThetas: Readonly<Record<string, number | 'same'>> = {
  ...{ gemma3: 10_000, gemma3n: 10_000, gemma4: 'same', 'gemma-embedding': 10_000, olmo2: 'same' },
};

/** Architectures of whose files llama.cpp reads where the ramp of YaRN begins and ends. */
const statedRamps: ReadonlySet<string> = new Set(['mistral3']);

function scalingOf({ architecture, value }: GgufView, number: NumberOf): RotationSettings['scaling'] {
  const kind = value(`${architecture}.rope.scaling.type`);
  const factor = stretchFactor(number);
  if (kind === 'yarn') {
    const context = number('rope.scaling.original_context_length', number('context_length', 2048));
    if (!statedRamps.has(architecture)) return { kind, factor, context };
    const fast = number('rope.scaling.yarn_beta_fast', usualTurns.fast);
    const slow = number('rope.scaling.yarn_beta_slow', usualTurns.slow);
    return { kind, factor, context, fast, slow };
  }
  // llama.cpp assumes linear scaling for a file without a type.
  return kind === 'none' || factor === 1 ? undefined : { kind: 'linear', factor };
}
