import { ggufView, type GgufView, type ModelHeaders } from '../../architectures/ggufView';
import { otherStates } from '../../architectures/otherStates';
import { architectures } from '../../architectures/registry';
import { QuantscopeError } from '../../model/errors';
import { greatestOf } from '../../protocol/extremes';
import type { CachedLayer, RuntimeShape } from '../../protocol/loadedModel';
import { said } from '../../protocol/said';
import { recurrentLayer } from './recurrentLayer';

/** What of a model's GGUF view decides it. */
export interface ShapeSource extends Pick<GgufView, 'architecture' | 'value'> {
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[] }[];
  readonly list?: GgufView['list'];
}

/**
 * Groups of layers in which all but the last see a window, of architectures that Quantscope has no description of (llama.cpp v0.5.0,
 * src/models). Those with a description have it in their forward pass.
 */
const windowPeriods: Readonly<Record<string, number>> = { cohere2: 4, 'gpt-oss': 2 };

/** Architectures whose windows llama.cpp ignores, whatever the file says. */
const withoutWindows: ReadonlySet<string> = new Set(['phi3', 'starcoder2']);

/** What decides the memory of a model at run time. @throws QuantscopeError as `ggufView` and `shapeOf`. */
export async function runtimeShape(model: ModelHeaders, signal?: AbortSignal): Promise<RuntimeShape> {
  return shapeOf(await ggufView(model, signal), model.description.path);
}

/**
 * @param file named in errors.
 * @throws QuantscopeError UNSUPPORTED for layers whose state is not known, MODEL_FILE for missing numbers.
 */
export function shapeOf(source: ShapeSource, file: string): RuntimeShape {
  const { tensors, architecture } = source;
  const number = numbersOf(source, file);
  refuseUnknownStates(source, file);
  const parts = new Map(tensors.map(({ name, shape }) => [name, shape]));
  const windows = windowsOf(source, number);
  const embeds = architectures.some(({ name, embeds: only }) => name === architecture && only);
  const [vocabulary = 0] = parts.get('token_embd.weight') ?? [];
  const blocks = number('block_count');
  if (blocks > tensors.length) {
    const message = said`The key "${architecture}.block_count" is ${blocks}, but the model has only ${tensors.length} tensors.`;
    throw new QuantscopeError('MODEL_FILE', message, { file });
  }
  // The last layers may take keys and values of earlier ones, whatever matrices they have (Gemma 3n and 4).
  const ownKeys = blocks - number('attention.shared_kv_layers', 0);
  const layers = Array.from({ length: blocks }, (_, index): CachedLayer => {
    if (embeds || index >= ownKeys) return { keys: 0, values: 0 };
    const window = windows.at(index);
    const states = recurrentLayer(index, parts, number)?.states;
    return {
      ...cacheOf(index, parts, number),
      ...(window === undefined ? {} : { window }),
      ...(states === undefined ? {} : { states }),
    };
  });
  const scanned = greatestOf(
    layers.map((_, index) => recurrentLayer(index, parts, number)?.perSequence ?? 0),
  );
  return {
    contextLength: number('context_length'),
    ...{ layers, vocabulary, hidden: number('embedding_length'), notes: windows.notes },
    activations: greatestOf(layers.map((_, index) => activationsOf(index, parts, number))),
    ...(scanned > 0 ? { scanned } : {}),
  };
}

/** @throws QuantscopeError UNSUPPORTED for recurrent layers of an architecture that has no description with such layers. */
function refuseUnknownStates({ architecture, tensors }: ShapeSource, file: string): void {
  const indexer = tensors.find(({ name }) => /\.indexer\./.test(name));
  if (indexer) {
    const message = said`The memory of a model whose attention selects tokens is not known: its indexer has keys and buffers of its own.`;
    throw new QuantscopeError('UNSUPPORTED', message, { file, tensor: indexer.name });
  }
  const recurrent = tensors.find(({ name }) => /\.(ssm_|shortconv|time_mix)/.test(name));
  if (!recurrent) return;
  const known = architectures.some(
    ({ name, forward }) => name === architecture && otherStates(forward?.mixers ?? []) !== undefined,
  );
  if (known) return;
  const message = said`The memory of a model with recurrent layers of this architecture is not known: their states are not keys and values.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file, tensor: recurrent.name });
}

type NumberOf = (key: string, fallback?: number) => number;
type Parts = ReadonlyMap<string, readonly number[]>;

/** Hyper-parameters by their keys without the architecture's name. */
function numbersOf({ architecture, value }: ShapeSource, file: string): NumberOf {
  return (key, fallback) => {
    const found = Number(value(`${architecture}.${key}`) ?? fallback);
    if (Number.isInteger(found) && found >= 0) return found;
    const message = said`The key "${architecture}.${key}" is missing or not a whole number; the memory at run time depends on it.`;
    throw new QuantscopeError('MODEL_FILE', message, { file });
  };
}

/** Keys and values of a token, by the rows of the projections: these differ from layer to layer in some models. */
function cacheOf(index: number, parts: Parts, number: NumberOf): CachedLayer {
  const rows = (part: string): number | undefined => parts.get(`blk.${index}.${part}.weight`)?.[0];
  const [keyRows, valueRows] = [rows('attn_k'), rows('attn_v')];
  if (keyRows !== undefined) return { keys: keyRows, values: valueRows ?? keyRows };
  const isLatent = rows('attn_kv_a_mqa') !== undefined;
  const isNet = parts.has(`blk.${index}.ssm_conv1d.weight`);
  if (isNet || (!isLatent && rows('attn_qkv') === undefined)) return { keys: 0, values: 0 };
  const heads = number('attention.head_count');
  const size = number('attention.key_length', number('embedding_length') / heads);
  // Compressed keys are shared by all heads, and values are a part of them; older files have them decompressed.
  if (isLatent && number('attention.key_length_mla', 0) > 0) return { keys: size, values: 0 };
  const kvHeads = number('attention.head_count_kv', heads);
  return { keys: kvHeads * size, values: kvHeads * number('attention.value_length', size) };
}

/** Which layers see a window of how many tokens. */
function windowsOf({ architecture, value, list }: ShapeSource, number: NumberOf) {
  const size = number('attention.sliding_window', 0);
  const none = { at: (): number | undefined => undefined, notes: [] as string[] };
  if (size === 0 || withoutWindows.has(architecture)) return none;
  const described = architectures.find(({ name }) => name === architecture);
  const usual = described?.forward?.windowPeriod ?? windowPeriods[architecture];
  const key = `${architecture}.attention.sliding_window_pattern`;
  const flags = described?.forward?.statesLayers ? list?.(key) : undefined;
  if (flags) return { ...none, at: (layer: number) => (flags[layer] === true ? size : undefined) };
  const stated = value(key);
  if (usual === undefined) {
    // Of a list of layers, `value` gives the first.
    if (described && typeof stated !== 'boolean') return none;
    const note = said`Which layers of the architecture "${architecture}" see only a window of ${size} tokens is not known: all are counted with the whole context.`;
    return { ...none, notes: [note] };
  }
  const period = typeof stated === 'number' ? stated : usual;
  const slides = (layer: number): boolean => period === 0 || layer % period < period - 1;
  return { at: (layer: number) => (slides(layer) ? size : undefined), notes: [] };
}

/**
 * Numbers for each token that a block holds at once: four times the states (residual, norm, sums), and the inputs and outputs of attention
 * or of the feed-forward part (gate, up and their product; where both are one matrix, or there is no gate, half of that).
 */
function activationsOf(index: number, parts: Parts, number: NumberOf): number {
  const shapeAt = (part: string): readonly number[] => parts.get(`blk.${index}.${part}.weight`) ?? [];
  const rows = (part: string): number => shapeAt(part)[0] ?? 0;
  const [inner, shared] = [rows('ffn_up'), rows('ffn_up_shexp')];
  const ofExperts = number('expert_used_count', 0) * (shapeAt('ffn_up_exps')[1] ?? 0);
  const attention = rows('attn_q_a') + attentionWidth(shapeAt, number);
  const feedForward = (rows('ffn_gate') > 0 ? 3 : 1.5) * inner + 3 * (ofExperts + shared);
  const recurrent = recurrentLayer(index, parts, number)?.perToken ?? 0;
  return 4 * number('embedding_length') + Math.max(feedForward, attention, recurrent);
}

/** Queries, keys, values and outputs of attention; with compressed keys, queries also in their space. */
function attentionWidth(shapeAt: (part: string) => readonly number[], number: NumberOf): number {
  const rows = (part: string): number => shapeAt(part)[0] ?? 0;
  const queries = Math.max(rows('attn_q'), rows('attn_q_b'), rows('attn_qkv'));
  const latentHeads = rows('attn_k_b');
  if (latentHeads === 0) return 2 * queries + rows('attn_k') + rows('attn_v');
  return queries + latentHeads * (number('attention.key_length') + number('attention.value_length'));
}
