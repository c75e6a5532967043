import type { Value } from '../onnxWriter';
import type { BlockShape } from './blockShape';
import type { GraphParts } from './graphParts';
import { hiddenScore, Sequence, type KeysAndValues } from './sequence';
import type { Span } from './span';

/** What softmax attention depends on, besides its queries, keys and values. */
export type AttentionSizes = Pick<
  BlockShape,
  'index' | 'heads' | 'kvHeads' | 'headSize' | 'valueSize' | 'scale' | 'scoreCap' | 'window'
>;

/**
 * Queries that are processed at a time. Keys after the last of them are left out, so fewer queries save work, and memory of
 * the scores; from 256 on ONNX Runtime multiplies matrices at full speed.
 */
export const queriesAtOnce = 256;

/** Slicing to the end of an axis whose size only a run knows. */
const toTheEnd = 2 ** 31 - 1;

/**
 * Causal attention: queries `[windows, heads, length, headSize]` over keys `[windows, kvHeads, length, headSize]`, and those of earlier
 * tokens where there are any, → means of the values `[windows, heads, length, valueSize]`.
 */
export function attended(
  parts: GraphParts,
  sizes: AttentionSizes,
  tokens: Span | Sequence,
  query: Value,
  own: KeysAndValues,
): Value {
  return tokens instanceof Sequence
    ? overSequence(parts, sizes, tokens, query, own)
    : overSpan(parts, sizes, tokens, query, own);
}

function overSpan(
  parts: GraphParts,
  sizes: AttentionSizes,
  span: Span,
  query: Value,
  own: KeysAndValues,
): Value {
  const seen = withCache(parts, sizes, span, own);
  if (span.positions === undefined) return causal(parts, sizes, span, query, seen);
  return span.length === 1
    ? oneQuery(parts, sizes, query, seen)
    : laterQueries(parts, sizes, span, query, seen);
}

/** All queries at a time: how many there are is only known when the graph runs. */
function overSequence(
  parts: GraphParts,
  sizes: AttentionSizes,
  sequence: Sequence,
  query: Value,
  own: KeysAndValues,
): Value {
  const { key, value } = sequence.withPast(sizes, own);
  const transposed = parts.ops.transpose(key, [0, 1, 3, 2]);
  const hidden = sequence.hidden(sizes);
  return weigh(parts, sizes, query, transposed, value, (scores) =>
    hidden === undefined ? scores : parts.ops.add(scores, hidden),
  );
}

function withCache(
  { ops }: GraphParts,
  { kvHeads, headSize, valueSize = headSize }: AttentionSizes,
  { positions }: Span,
  own: KeysAndValues,
): KeysAndValues {
  if (positions === undefined) return own;
  const join = (name: 'key' | 'value', size: number): Value => {
    const past = ops.graph.input(`past_${name}`, [1, kvHeads, 'past', size]);
    const all = ops.concat([past, own[name]], 2);
    ops.graph.output(name, all, ['windows', kvHeads, 'positions', size]);
    return all;
  };
  return { key: join('key', headSize), value: join('value', valueSize) };
}

/** One query sees all positions, or the last ones where there is a window. */
function oneQuery(
  parts: GraphParts,
  sizes: AttentionSizes,
  query: Value,
  { key, value }: KeysAndValues,
): Value {
  const { ops } = parts;
  const { window } = sizes;
  const last = (x: Value): Value => (window === undefined ? x : ops.slice(x, 2, -window, toTheEnd));
  return weigh(parts, sizes, query, ops.transpose(last(key), [0, 1, 3, 2]), last(value), (scores) => scores);
}

/** Queries of the last tokens of a text: how many there are before them is only known when the graph runs. */
function laterQueries(
  parts: GraphParts,
  sizes: AttentionSizes,
  { length }: Span,
  query: Value,
  { key, value }: KeysAndValues,
): Value {
  const { ops } = parts;
  const { window } = sizes;
  const last = (x: Value): Value =>
    window === undefined ? x : ops.slice(x, 2, -(window + length - 1), toTheEnd);
  const keys = last(key);
  // Counted from the end, where the last key is that of the last query.
  const count = ops.size(keys, 2);
  const ofKeys = ops.sub(ops.sub(count, 1), ops.range(0, count));
  const ofQueries = ops.graph.floats(Array.from({ length }, (_, query) => length - 1 - query));
  const distance = ops.sub(ofKeys, ops.reshape(ofQueries, [-1, 1]));
  const later = ops.where(ops.greater(0, distance), hiddenScore, 0);
  const table =
    window === undefined ? later : ops.where(ops.greater(distance, window - 1), hiddenScore, later);
  return weigh(parts, sizes, query, ops.transpose(keys, [0, 1, 3, 2]), last(value), (scores) =>
    addToEach(parts, sizes, scores, length, table),
  );
}

/** Some queries at a time against the keys that they can see. */
function causal(
  parts: GraphParts,
  sizes: AttentionSizes,
  { length }: Span,
  query: Value,
  { key, value }: KeysAndValues,
): Value {
  const { ops } = parts;
  const { window = Infinity } = sizes;
  const transposed = ops.transpose(key, [0, 1, 3, 2]);
  const pieces: Value[] = [];
  for (let first = 0; first < length; first += queriesAtOnce) {
    const end = Math.min(length, first + queriesAtOnce);
    const firstKey = Math.max(0, first - window + 1);
    const cut = (x: Value, axis: number, from: number): Value =>
      from === 0 && end === length ? x : ops.slice(x, axis, from, end);
    pieces.push(
      weigh(
        parts,
        sizes,
        cut(query, 2, first),
        cut(transposed, 3, firstKey),
        cut(value, 2, firstKey),
        (scores) => hideUnseen(parts, sizes, scores, { first, end, firstKey, window }),
      ),
    );
  }
  return ops.concat(pieces, 2);
}

/**
 * softmax(scale · q kᵀ) v for queries `[windows, heads, count, headSize]`. Heads that share keys are multiplied together.
 * @param hide makes the scores of what a query does not see small: `[windows, kvHeads, heads / kvHeads · count, positions]`, the
 * queries of one head below those of the one before it.
 */
function weigh(
  parts: GraphParts,
  { heads, kvHeads, headSize, valueSize = headSize, scale, scoreCap }: AttentionSizes,
  query: Value,
  transposedKey: Value,
  value: Value,
  hide: (scores: Value) => Value,
): Value {
  const { ops } = parts;
  const grouped = ops.reshape(ops.mul(query, scale), [0, kvHeads, -1, headSize]);
  const products = ops.matmul(grouped, transposedKey);
  const scores = scoreCap === undefined ? products : ops.softcap(products, scoreCap);
  const seen = hide(scores);
  const shares = parts.has('attn_sinks.weight')
    ? withSinks(parts, { heads, kvHeads }, seen)
    : ops.softmax(seen);
  return ops.reshape(ops.matmul(shares, value), [0, heads, -1, valueSize]);
}

/**
 * Softmax over the scores and one more that each head has as a weight, its sink (gpt-oss): what falls to it is lost.
 * @param scores `[windows, kvHeads, heads / kvHeads · count, positions]`.
 */
function withSinks(
  parts: GraphParts,
  { heads, kvHeads }: Pick<AttentionSizes, 'heads' | 'kvHeads'>,
  scores: Value,
): Value {
  const { ops } = parts;
  const perKey = heads / kvHeads;
  const sinks = ops.reshape(parts.weight('attn_sinks.weight'), [1, kvHeads, perKey, 1]);
  // How many windows and queries there are is only known when the graph runs: the sinks are spread by adding zeros of that shape.
  const zeros = ops.mul(ops.reshape(ops.slice(scores, -1, 0, 1), [0, kvHeads, perKey, -1]), 0);
  const column = ops.reshape(ops.add(zeros, sinks), [0, kvHeads, -1, 1]);
  return ops.slice(ops.softmax(ops.concat([scores, column], -1)), -1, 0, -1);
}

/** Scores as `weigh` has them, of so many queries, with a table `[count, positions]` added for each head. */
function addToEach(
  { ops }: GraphParts,
  { heads, kvHeads }: AttentionSizes,
  scores: Value,
  count: number,
  table: Value,
): Value {
  const separate = ops.add(ops.reshape(scores, [0, heads, count, -1]), table);
  return ops.reshape(separate, [0, kvHeads, (heads / kvHeads) * count, -1]);
}

/** Scores of later positions, and of those before the window, become so small that softmax makes them 0. */
function hideUnseen(
  parts: GraphParts,
  sizes: AttentionSizes,
  scores: Value,
  { first, end, firstKey, window }: { first: number; end: number; firstKey: number; window: number },
): Value {
  const { ops } = parts;
  const added = (table: Value): Value => addToEach(parts, sizes, scores, end - first, table);
  const row = (from: number, to: number): Value =>
    ops.graph.floats(Array.from({ length: to - from }, (_, i) => from + i));
  const queries = ops.reshape(row(first, end), [-1, 1]);
  const keys = row(firstKey, end);
  // One table for all heads, computed when the session is made; adding it is faster than choosing by it.
  const later = ops.where(ops.greater(keys, queries), hiddenScore, 0);
  if (window >= end - firstKey) return added(later);
  const earlier = ops.greater(queries, ops.add(keys, window - 1));
  return added(ops.where(earlier, hiddenScore, later));
}
