import type { Value } from '../onnxWriter';
import { inRows, keysAndValues, meansFor, split } from './attention';
import type { BlockShape } from './blockShape';
import { placesIn } from './carriedShape';
import { gated } from './feedForward';
import type { GraphParts } from './graphParts';
import { separateKeys } from './projections';
import type { KeysAndValues } from './sequence';
import type { Span } from './span';
import { correctStreams, predictStreams } from './streams';

type CarryingBlock = BlockShape & Required<Pick<BlockShape, 'carried'>>;

/** A block whose states are as `CarriedShape` says: `[n, stateSize]`, whole windows one below the other, → alike. */
export function carriedBlock(parts: GraphParts, block: CarryingBlock, span: Span, x: Value): Value {
  const { ops } = parts;
  const { hiddenSize, carried } = block;
  const places = placesIn(hiddenSize, carried);
  const cut = (first: number, end: number): Value => ops.slice(x, -1, first, end);
  const { count, size } = carried.layers ?? { count: 0, size: 0 };
  const own = count > 0 ? cut(places.layers, places.layers + size) : undefined;
  const kept = carried.kept > 0 ? cut(places.kept, places.end) : undefined;
  const parted = { streams: cut(0, places.layers), own, kept };
  const { y, left } =
    carried.streams > 1 ? overStreams(parts, block, span, parted) : overOne(parts, block, span, parted);
  // The embedding of the next block moves to the front, so that blocks can share a graph.
  const later = count > 1 ? [cut(places.layers + size, places.kept)] : [];
  const unchanged = kept === undefined ? [] : [kept];
  return ops.concat([y, ...later, ...(own === undefined ? [] : [own]), ...(left ?? unchanged)], -1);
}

/** The parts of a state. */
interface Parted {
  readonly streams: Value;
  /** The embedding of this layer. */
  readonly own: Value | undefined;
  readonly kept: Value | undefined;
}

/** New states of the streams, and what the kept numbers become where the block changes them. */
interface Changed {
  readonly y: Value;
  readonly left: readonly Value[] | undefined;
}

function overOne(
  parts: GraphParts,
  block: CarryingBlock,
  span: Span,
  { streams: x, own, kept }: Parted,
): Changed {
  const input = parts.norm(x, 'attn_norm');
  const { change, left } = attentionOver(parts, block, span, input, kept);
  const activated = afterNetwork(parts, block, parts.ops.add(x, change));
  const whole = own === undefined ? activated : parts.ops.add(activated, byLayer(parts, activated, own));
  return { y: scaled(parts, whole), left };
}

/** Streams predict each other, the first goes through the block and corrects them, and the embedding of the layer changes all but the first. */
function overStreams(
  parts: GraphParts,
  block: CarryingBlock,
  span: Span,
  { streams: x, own, kept }: Parted,
): Changed {
  const { ops } = parts;
  const { hiddenSize, carried } = block;
  const count = carried.streams;
  const firstOf = (all: Value): Value => ops.reshape(ops.slice(all, 1, 0, 1), [-1, hiddenSize]);
  const before = ops.slice(x, -1, 0, hiddenSize);
  const predicted = predictStreams(parts, block, ops.reshape(x, [-1, count, hiddenSize]), before);
  const active = firstOf(predicted);
  const input = parts.sharedNorm(active, 'attn_norm');
  const { change, left } = attentionOver(parts, block, span, input, kept);
  const beside = parts.norm(parts.linear(parts.linear(input, 'laurel_l'), 'laurel_r'), 'laurel_post_norm');
  const sum = ops.add(ops.add(active, change), ops.add(input, beside));
  const activated = afterNetwork(parts, block, ops.mul(sum, Math.SQRT1_2));
  const corrected = correctStreams(parts, block, predicted, { active, activated });
  const first = firstOf(corrected);
  const further = ops.slice(corrected, 1, 1, count);
  const flat = (value: Value): Value => ops.reshape(value, [-1, (count - 1) * hiddenSize]);
  if (own === undefined) return { y: ops.concat([first, flat(further)], -1), left };
  const added = byLayer(parts, ops.mul(first, parts.weight('altup_correct_scale.weight')), own);
  const moved = ops.add(further, ops.reshape(added, [-1, 1, hiddenSize]));
  return { y: ops.concat([first, flat(moved)], -1), left };
}

/** What attention adds, over keys and values of its own or of an earlier block. */
function attentionOver(
  parts: GraphParts,
  block: CarryingBlock,
  span: Span,
  input: Value,
  kept: Value | undefined,
): { readonly change: Value; readonly left: readonly Value[] | undefined } {
  const { keys } = block.carried;
  const query = parts.linear(input, 'attn_q');
  parts.measureFor(input, block.unused ?? [], block.hiddenSize);
  const seen =
    keys?.role === 'taken'
      ? taken(parts, block, span, kept!)
      : keysAndValues(parts, block, span, separateKeys(parts, input));
  const output = parts.linear(meansFor(parts, block, span, query, seen), 'attn_output');
  return {
    change: parts.norm(output, 'post_attention_norm'),
    left: keys?.role === 'left' ? leaving(parts, block, kept!, seen) : undefined,
  };
}

/** Keys and values among the kept numbers. */
function taken(parts: GraphParts, block: CarryingBlock, span: Span, kept: Value): KeysAndValues {
  const { first, size } = block.carried.keys!;
  const at = (from: number): Value =>
    split(parts, block, span, parts.ops.slice(kept, -1, from, from + size), block.kvHeads);
  return { key: at(first), value: at(first + size) };
}

/** The kept numbers with those of a block. */
function leaving(parts: GraphParts, block: CarryingBlock, kept: Value, own: KeysAndValues): Value[] {
  const { keys, kept: all } = block.carried;
  const { first, size } = keys!;
  const end = first + 2 * size;
  const cut = (from: number, to: number): Value[] =>
    from === to ? [] : [parts.ops.slice(kept, -1, from, to)];
  const [key, value] = [own.key, own.value].map((heads) => inRows(parts, heads, size)) as [Value, Value];
  return [...cut(0, first), key, value, ...cut(end, all)];
}

/** With what the feed-forward network adds. */
function afterNetwork(parts: GraphParts, block: CarryingBlock, x: Value): Value {
  const names = { gate: 'ffn_gate', up: 'ffn_up', down: 'ffn_down' };
  const output = gated(parts, block, parts.norm(x, block.beforeFeedForward), names);
  return parts.ops.add(x, parts.norm(output, 'post_ffw_norm'));
}

/** What a block makes of its embedding `[n, size]`: by a gate of its states `[n, hidden]`. */
function byLayer(parts: GraphParts, x: Value, embedding: Value): Value {
  const { ops } = parts;
  const opened = ops.gelu(parts.linear(x, 'inp_gate'));
  return parts.norm(parts.linear(ops.mul(opened, embedding), 'proj'), 'post_norm');
}

/** States by the factor that a block may have for its output. */
export const scaled = (parts: GraphParts, x: Value): Value => {
  const factor = 'layer_output_scale.weight';
  return parts.has(factor) ? parts.ops.mul(x, parts.weight(factor)) : x;
};
