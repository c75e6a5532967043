import { gatingFunctions } from '../../architectures/keyValues';
import { QuantscopeError } from '../../model/errors';
import { isAttention, type ForwardTraits } from '../../architectures/forward';
import type { BlockShape, BlockTensors, ExpertsShape } from './blockShape';
import { checkParts, missing } from './blockTensors';
import { firstSharingOf } from './carried';
import { mixersOf, partsOfMixers } from './mixerShapes';
import type { Rotation } from './rotation';
import { scoredOfGroup } from './routing';
import { scaleOf, type Numbers } from './shapeNumbers';
import { said } from '../../protocol/said';

/** How a layer rotates; `local` for layers that see a window. */
export type RotationOf = (local: boolean) => Rotation;

/**
 * One block of a decoder.
 * @throws QuantscopeError UNSUPPORTED for a tensor or a setting that cannot be run, MODEL_FILE for numbers that the tensors contradict.
 */
export function readBlock(
  index: number,
  decoder: Numbers,
  given: BlockTensors,
  rotation: RotationOf,
): BlockShape {
  const { traits, number, text, hiddenSize, heads, epsilon, file } = decoder;
  const hasKeys = index < firstSharingOf(decoder);
  const parts = hasKeys ? given : withoutKeys(given);
  const unused = [...given.keys()].filter((part) => !parts.has(part) && !part.includes('norm'));
  checkParts(index, parts, [...(traits.ownParts ?? []), ...partsOfMixers(traits.mixers)], file);
  const hasNetwork = parts.has('ffn_down.weight') || parts.has('ffn_down_exps.weight');
  if (!hasNetwork && !traits.mixers) throw missing(`blk.${index}.ffn_down.weight`, file);
  const window = windowAt(index, decoder);
  const usualSize = number('attention.key_length', heads === 0 ? 0 : hiddenSize / heads);
  const headSize =
    traits.statesLayers && window !== undefined ? number('attention.key_length_swa', usualSize) : usualSize;
  const gates = traits.gatedHeads ? { gatedHeads: true as const } : {};
  const sizes = { heads, kvHeads: keyHeads(index, decoder, parts, headSize), headSize, ...gates };
  const needs = { keys: hasKeys, values: hasKeys && !traits.keysAsValues };
  const source = { index, hiddenSize, parts, number, text, file, needs, ...sizes };
  const mixers = mixersOf(source, traits.mixers ?? ['attention'], traits.soleParts === true && hasNetwork);
  const rotates = mixers.some(({ kind }) => isAttention(kind)) && rotatesAt(index, decoder, window);
  const addedScale = scaleOf(decoder, 'residual_scale');
  return {
    ...{ index, hiddenSize, epsilon, ...sizes },
    mixers,
    ...scoresOf(decoder, headSize),
    ...(addedScale === undefined ? {} : { addedScale }),
    ...(window === undefined ? {} : { window }),
    ...(rotates ? { rotation: rotation(window !== undefined) } : {}),
    ...(unused.length > 0 ? { unused } : {}),
    activation: traits.activation,
    ...(traits.sparseGates && index < traits.sparseGates.layers
      ? { gateDeviations: traits.sparseGates.deviations }
      : {}),
    ...(traits.parallel ? { parallel: true } : {}),
    ...normsOf(decoder),
    ...(parts.has('ffn_down_exps.weight') ? { experts: expertsOf(decoder, parts) } : {}),
    tensors: parts,
  };
}

/** Heads of keys: by the rows of their matrix where a file states them layer by layer, since not all layers have attention. */
function keyHeads(
  index: number,
  { traits, number, list, heads }: Numbers,
  parts: BlockTensors,
  headSize: number,
): number {
  const rows = traits.mixers && parts.get('attn_k.weight')?.[0];
  if (rows !== undefined) return rows / headSize;
  const key = 'attention.head_count_kv';
  const stated = traits.statesLayers ? list(key)?.[index] : undefined;
  return stated === undefined ? number(key, heads) : Number(stated);
}

/** A block that takes keys and values of another may have matrices for its own, which nothing uses. */
const withoutKeys = (parts: BlockTensors): BlockTensors =>
  new Map([...parts].filter(([part]) => !/^attn_(k|v|k_norm)\.weight$/.test(part)));

function rotatesAt(index: number, { traits, number }: Numbers, window: number | undefined): boolean {
  const { scales, rotationPeriod, rotatesInWindows } = traits;
  if (scales && number('rope.scaling.finetuned', 1) === 0) return false;
  if (rotationPeriod !== undefined && (index + 1) % rotationPeriod === 0) return false;
  return !rotatesInWindows || window !== undefined || number('attention.sliding_window', 0) === 0;
}

/** How scores are made of the products of queries and keys. */
function scoresOf(
  decoder: Numbers,
  headSize: number,
): Pick<BlockShape, 'scale' | 'scoreCap' | 'temperature'> {
  const { traits, number, hiddenSize, heads, count } = decoder;
  const scoreCap = number('attn_logit_softcapping', 0);
  return {
    scale:
      traits.scoreScale ??
      scaleOf(decoder, 'attention.scale') ??
      1 / Math.sqrt(count === traits.largeBlocks ? Math.trunc(hiddenSize / heads) : headSize),
    ...(scoreCap > 0 ? { scoreCap } : {}),
    ...temperatureOf(decoder),
  };
}

type Norms = Pick<
  BlockShape,
  'centredNorms' | 'normsRotated' | 'unitNorms' | 'unitValues' | 'afterAttention' | 'beforeFeedForward'
>;

const normsOf = ({ traits, number }: Numbers): Norms => ({
  ...(traits.centredNorms ? { centredNorms: true } : {}),
  ...(traits.normsRotated ? { normsRotated: true } : {}),
  ...(traits.rotatedNorms && number('expert_count', 0) !== traits.rotatedNorms.unlessExperts
    ? { unitNorms: true }
    : {}),
  ...(traits.unitValues ? { unitValues: true } : {}),
  ...normNames(traits),
});

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
  const message = said`Queries are scaled by position ("attention.temperature_scale"), but the file does not say from which length on.`;
  throw new QuantscopeError('MODEL_FILE', message, { file });
}

/** Positions that a layer sees: by the checkpoint, else by the keys of the architectures whose windows GGUF expresses. */
function windowAt(index: number, { traits, number, isFlag, list, window }: Numbers): number | undefined {
  if (window) return window.layers[index] ? window.size : undefined;
  const size = number('attention.sliding_window', 0);
  const key = 'attention.sliding_window_pattern';
  const stated = traits.statesLayers && list(key);
  if (stated) return stated[index] === true && size > 0 ? size : undefined;
  if (traits.windowPeriod === undefined || size === 0) return undefined;
  // llama.cpp reads a number only; where a file has a flag for each layer, it takes what is usual.
  const period = isFlag(key) ? traits.windowPeriod : number(key, traits.windowPeriod);
  return period === 0 || index % period < period - 1 ? size : undefined;
}

/** Scores of experts that are computed; 0 in a file is what is usual. */
const gatings: readonly number[] = [gatingFunctions.softmax, gatingFunctions.sigmoid];

/** @throws QuantscopeError UNSUPPORTED for other scores; MODEL_FILE for counts that the tensors contradict, and groups that cannot be. */
function expertsOf({ traits, number, file }: Numbers, parts: BlockTensors): ExpertsShape {
  const unsupported = (what: string) =>
    new QuantscopeError('UNSUPPORTED', said`${what} cannot be run.`, { file });
  const scale = number('expert_weights_scale', 0);
  const gating = number('expert_gating_func', 0) || gatingFunctions[traits.gating ?? 'softmax'];
  if (!gatings.includes(gating))
    throw unsupported(`Experts that are scored by the function ${gating} ("expert_gating_func")`);
  const [count, used] = [number('expert_count'), number('expert_used_count')];
  const [held = 0] = parts.get('ffn_down_exps.weight') ?? [];
  if (count !== held || !isCount(used, count)) {
    const message = said`The file states ${count} experts and uses ${used} of them; its tensors hold ${held}.`;
    throw new QuantscopeError('MODEL_FILE', message, { file });
  }
  const added = scaleOf({ traits, number }, 'residual_scale') ?? 1;
  return {
    ...{ count, used },
    normalized: traits.normalizedExperts === true || number('expert_weights_norm', 0) === 1,
    scale: added * (scale === 0 ? 1 : scale),
    ...(gating === gatingFunctions.sigmoid ? { gating: 'sigmoid' } : {}),
    ...(traits.scaledInputs ? { scaledInputs: true } : {}),
    ...groupsOf(number, { count, used }, file),
  };
}

/** @throws QuantscopeError MODEL_FILE for groups that experts cannot be in. */
function groupsOf(
  number: Numbers['number'],
  experts: Pick<ExpertsShape, 'count' | 'used'>,
  file: string,
): Pick<ExpertsShape, 'groups'> {
  const count = number('expert_group_count', 0);
  if (count <= 1) return {};
  const used = number('expert_group_used_count', 0);
  const size = experts.count / count;
  if (Number.isInteger(size) && size >= scoredOfGroup && isCount(used, count) && used * size >= experts.used)
    return { groups: { count, used } };
  const message = said`${experts.count} experts in ${count} groups, of which ${used} are used for ${experts.used} experts, cannot be.`;
  throw new QuantscopeError('MODEL_FILE', message, { file });
}

const isCount = (value: number, most: number): boolean =>
  Number.isInteger(value) && value >= 1 && value <= most;
