import type { EncoderTraits } from '../../../architectures/forward';
import type { GgufView } from '../../../architectures/ggufView';
import { poolingOf, type Pooling } from '../../../architectures/pooling';
import { QuantscopeError } from '../../../model/errors';
import { checkHeads, missing } from '../blockTensors';
import { partsByBlock, type Tensors } from '../decoderShape';
import { numbersOf } from '../shapeNumbers';
import { rotationOf, type Rotation } from '../rotation';
import { said } from '../../../protocol/said';

/** An encoder as its forward pass needs it. */
export interface EncoderShape {
  readonly hiddenSize: number;
  readonly contextLength: number;
  readonly epsilon: number;
  readonly pooling: Pooling;
  readonly blocks: readonly EncoderBlock[];
}

/** One block; its tensors are called by what comes after "blk.N.". */
export interface EncoderBlock {
  readonly index: number;
  readonly hiddenSize: number;
  readonly epsilon: number;
  readonly centredNorms: true;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly activation: EncoderTraits['activation'];
  readonly normsAfter: boolean;
  /** Positions before and after a query that it sees; all when absent. */
  readonly reach?: number;
  readonly rotation?: Rotation;
  readonly tensors: ReadonlyMap<string, readonly number[]>;
}

/** Tensors that a block may have; any other would change what it computes. */
const knownParts =
  /^(attn_(norm|q|k|v|qkv|output|output_norm)|ffn_(norm|up|gate|down)|layer_output_norm)\.(weight|bias)$/;

/** @throws QuantscopeError UNSUPPORTED for a tensor or a setting that cannot be run, MODEL_FILE for numbers that are missing or wrong. */
export function encoderShape(
  view: GgufView,
  traits: EncoderTraits,
  tensors: Tensors,
  file: string,
): EncoderShape {
  const number = numbersOf(view, file);
  const hiddenSize = tensors.get('token_embd.weight')?.shape[1];
  if (hiddenSize === undefined) throw missing('token_embd.weight', file);
  const heads = number('attention.head_count');
  const headSize = hiddenSize / heads;
  const parts = partsByBlock(tensors);
  const count = number('block_count');
  if (!(Number.isInteger(headSize) && headSize % 2 === 0) || count !== parts.size) {
    const message = said`${heads} heads with a hidden size of ${hiddenSize}, or ${count} blocks with tensors of ${parts.size}, are not possible.`;
    throw new QuantscopeError('MODEL_FILE', message, { file });
  }
  const epsilon = number('attention.layer_norm_epsilon');
  const alike = {
    ...{ hiddenSize, epsilon, heads, headSize, kvHeads: heads, centredNorms: true as const },
    activation: activationOf(view, traits, file),
    normsAfter: traits.normsAfter === true,
  };
  const rotation = rotationsOf(view, number, headSize, !tensors.has('position_embd.weight'));
  const blocks = Array.from({ length: count }, (_, index): EncoderBlock => {
    const own = parts.get(index);
    if (!own) throw missing(`blk.${index}.attn_output.weight`, file);
    checkBlock(index, own, file);
    checkHeads(index, own, alike, file);
    const reach = reachAt(index, view, number);
    const turns = rotation(reach !== undefined);
    return {
      ...{ index, ...alike, tensors: own },
      ...(reach === undefined ? {} : { reach }),
      ...(turns ? { rotation: turns } : {}),
    };
  });
  const pooling = poolingOf(view, file) ?? 'mean';
  return { hiddenSize, contextLength: number('context_length'), epsilon, pooling, blocks };
}

type NumberOf = ReturnType<typeof numbersOf>;

/** @param rotates whether there is no table of positions. */
function rotationsOf(
  { architecture, value }: GgufView,
  number: NumberOf,
  headSize: number,
  rotates: boolean,
): (near: boolean) => Rotation | undefined {
  if (!rotates) return () => undefined;
  const theta = number('rope.freq_base', 10_000);
  const of = (base: number): Rotation =>
    rotationOf({ order: 'halves', dimensions: headSize, theta: base, scaling: undefined });
  const hasOwn = value(`${architecture}.rope.freq_base_swa`) !== undefined;
  const [far, near] = [of(theta), of(hasOwn ? number('rope.freq_base_swa') : theta)];
  return (isNear) => (isNear ? near : far);
}

const usualPeriod = 3;

/** One layer of each group of so many sees everything, beginning with the first; the window reaches to both sides. */
function reachAt(index: number, { architecture, value }: GgufView, number: NumberOf): number | undefined {
  const size = number('attention.sliding_window', 0);
  const key = 'attention.sliding_window_pattern';
  // llama.cpp reads a number only; where a file has a flag for each layer, it takes what is usual.
  const period =
    typeof value(`${architecture}.${key}`) === 'boolean' ? usualPeriod : number(key, usualPeriod);
  return size === 0 || index % period === 0 ? undefined : Math.floor(size / 2);
}

/** @throws QuantscopeError UNSUPPORTED for an activation that is not known here. */
function activationOf(
  { architecture, value }: GgufView,
  { activation }: EncoderTraits,
  file: string,
): EncoderTraits['activation'] {
  const key = `${architecture}.hidden_activation`;
  const stated = value(key);
  if (stated === undefined) return activation;
  if (stated === 'silu') return 'silu';
  if (typeof stated === 'string' && stated.startsWith('gelu')) return 'gelu';
  const message = said`The key "${key}" is ${JSON.stringify(stated)}, which cannot be run; "gelu" and "silu" can.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file });
}

function checkBlock(index: number, parts: ReadonlyMap<string, readonly number[]>, file: string): void {
  const stranger = [...parts.keys()].find((part) => !knownParts.test(part));
  if (stranger !== undefined) {
    const message = said`The forward pass does not know this tensor.`;
    throw new QuantscopeError('UNSUPPORTED', message, { file, tensor: `blk.${index}.${stranger}` });
  }
  const inputs = parts.has('attn_qkv.weight') ? ['attn_qkv'] : ['attn_q', 'attn_k', 'attn_v'];
  for (const part of [...inputs, 'attn_output', 'ffn_up', 'ffn_down'])
    if (!parts.has(`${part}.weight`)) throw missing(`blk.${index}.${part}.weight`, file);
}
