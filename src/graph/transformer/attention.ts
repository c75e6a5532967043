import type { Value } from '../onnxWriter';
import type { BlockShape, HeadSizes } from './blockShape';
import type { GraphParts } from './graphParts';
import { rotationTables } from './rotation';
import { hiddenScore, Sequence, type KeysAndValues } from './sequence';

/** Which tokens a graph takes at a time. */
export interface Span {
  /** Tokens of a window that go in together. */
  readonly length: number;
  /**
   * Present for a graph that takes one more token of a text (`length` 1) at input `position`, with the keys and values of all
   * earlier ones (`past_key`, `past_value`), and gives those joined with its own (`key`, `value`). Positions are below it.
   */
  readonly positions?: number;
}

/**
 * Queries that are processed at a time. Keys after the last of them are left out, so fewer queries save work, and memory of
 * the scores; from 256 on ONNX Runtime multiplies matrices at full speed.
 */
const queriesAtOnce = 256;

/** Slicing to the end of an axis whose size only a run knows. */
const toTheEnd = 2 ** 31 - 1;

/**
 * Causal attention with grouped queries: `[n, hidden]`, whole windows (in a graph of a whole model: texts) one below the other, →
 * `[n, heads · headSize]`.
 */
export function attention(parts: GraphParts, block: BlockShape, tokens: Span | Sequence, x: Value): Value {
  const { ops } = parts;
  const { heads, kvHeads, headSize } = block;
  const projected = projections(parts, block, x);
  const turned = (value: Value, count: number, norm: string): Value => {
    const separate = split(parts, block, tokens, value, count, block.normsRotated ? undefined : norm);
    const rotated =
      tokens instanceof Sequence
        ? tokens.rotate(separate, block)
        : rotate(parts, block, tokens, separate, count);
    if (block.unitNorms && block.rotation) return unitNorm(parts, block, rotated);
    return block.normsRotated ? parts.norm(rotated, norm) : rotated;
  };
  const query = tempered(parts, block, tokens, turned(projected.query, heads, 'attn_q_norm'));
  const key = turned(projected.key, kvHeads, 'attn_k_norm');
  const value = split(parts, block, tokens, projected.value, kvHeads);
  const attended =
    tokens instanceof Sequence
      ? overSequence(parts, block, tokens, query, { key, value })
      : overSpan(parts, block, tokens, query, { key, value });
  const joined = ops.reshape(ops.transpose(attended, [0, 2, 1, 3]), [-1, heads * headSize]);
  return heads === block.kvHeads ? givenByValues(parts, block, joined) : joined;
}

/** RMS norm of each head, without weights. */
function unitNorm(parts: GraphParts, { headSize, epsilon }: BlockShape, x: Value): Value {
  const [ones] = parts.once('ones', () => [
    parts.ops.graph.floats(Array.from({ length: headSize }, () => 1)),
  ]);
  return parts.ops.rmsNorm(x, ones!, epsilon);
}

/** Queries `[windows, heads, length, headSize]` times the factor of their position, where any position has another than 1. */
function tempered(
  parts: GraphParts,
  { temperature }: BlockShape,
  tokens: Span | Sequence,
  query: Value,
): Value {
  if (!temperature) return query;
  const { ops } = parts;
  const { scale, length } = temperature;
  const factors = (positions: number): Float32Array =>
    Float32Array.from(
      { length: positions },
      (_, position) => 1 + scale * Math.log(1 + Math.floor(position / length)),
    );
  if (tokens instanceof Sequence)
    return ops.mul(query, tokens.byPosition(`temperature ${scale} ${length}`, factors));
  const positions = tokens.positions ?? tokens.length;
  if (positions <= length) return query;
  const [table] = parts.once('temperature', () => [
    ops.graph.table('temperature', [positions, 1], factors(positions)),
  ]);
  if (tokens.positions === undefined) return ops.mul(query, table!);
  return ops.mul(query, ops.graph.node('Gather', [table!, positionOf(parts)], { axis: 0 }));
}

/** Input of a graph that takes one more token. */
const positionOf = (parts: GraphParts): Value =>
  parts.once('position', () => [parts.ops.graph.input('position', [1], 'I64')])[0]!;

/** Each channel of the result is a weighted mean of a channel of the values, where no heads share them. */
function givenByValues(parts: GraphParts, { heads, kvHeads, headSize }: HeadSizes, x: Value): Value {
  return parts.has('attn_qkv.weight')
    ? parts.given(x, 'attn_qkv.weight', (heads + kvHeads) * headSize)
    : parts.given(x, 'attn_v.weight');
}

function overSpan(parts: GraphParts, block: BlockShape, span: Span, query: Value, own: KeysAndValues): Value {
  const seen = withCache(parts, block, span, own);
  return span.positions === undefined
    ? causal(parts, block, span, query, seen)
    : oneQuery(parts, block, query, seen);
}

/** All queries at a time: how many there are is only known when the graph runs. */
function overSequence(
  parts: GraphParts,
  block: BlockShape,
  sequence: Sequence,
  query: Value,
  own: KeysAndValues,
): Value {
  const { key, value } = sequence.withPast(block, own);
  const transposed = parts.ops.transpose(key, [0, 1, 3, 2]);
  return weigh(parts, block, query, transposed, value, (scores) =>
    parts.ops.add(scores, sequence.hidden(block)),
  );
}

/** Queries, keys and values of inputs `[n, hidden]`, `[n, heads · headSize]` each. */
export function projections(parts: GraphParts, { heads, kvHeads, headSize }: HeadSizes, x: Value) {
  if (!parts.has('attn_qkv.weight'))
    return {
      query: parts.linear(x, 'attn_q'),
      key: parts.linear(x, 'attn_k'),
      value: parts.linear(x, 'attn_v'),
    };
  const all = parts.linear(x, 'attn_qkv');
  const part = (first: number, count: number): Value =>
    parts.ops.slice(all, -1, first * headSize, (first + count) * headSize);
  return { query: part(0, heads), key: part(heads, kvHeads), value: part(heads + kvHeads, kvHeads) };
}

/** `[n, heads · headSize]` → `[windows, heads, length, headSize]`, normed where there is a norm of heads or of all together. */
function split(
  parts: GraphParts,
  { headSize }: BlockShape,
  tokens: Span | Sequence,
  x: Value,
  heads: number,
  norm?: string,
): Value {
  const { ops } = parts;
  const [size, ownSize] =
    norm !== undefined && parts.has(`${norm}.weight`) ? parts.shape(`${norm}.weight`) : [];
  const isOfAll = norm !== undefined && ownSize === undefined && size !== headSize;
  const together = isOfAll ? parts.norm(x, norm) : x;
  const separate =
    tokens instanceof Sequence
      ? tokens.separate(together, [heads, headSize])
      : ops.reshape(together, [-1, tokens.length, heads, headSize]);
  const each = norm === undefined || isOfAll ? separate : parts.normEach(separate, norm);
  return ops.transpose(each, [0, 2, 1, 3]);
}

function rotate(parts: GraphParts, block: BlockShape, span: Span, x: Value, heads: number): Value {
  const { rotation, headSize } = block;
  if (!rotation) return x;
  const { graph } = parts.ops;
  const positions = span.positions ?? span.length;
  const { cos, sin } = rotationTables(rotation, positions);
  const dims = [positions, rotation.dimensions / 2];
  const tables = parts.once('rotation', () => [graph.table('cos', dims, cos), graph.table('sin', dims, sin)]);
  const start = span.positions !== undefined ? positionOf(parts) : graph.ints([0]);
  return graph.node(
    'RotaryEmbedding',
    [x, start, ...tables],
    {
      interleaved: rotation.order === 'pairs' ? 1 : 0,
      ...(rotation.dimensions === headSize
        ? {}
        : { rotary_embedding_dim: rotation.dimensions, num_heads: heads }),
    },
    'contrib',
  );
}

function withCache(
  { ops }: GraphParts,
  { kvHeads, headSize }: BlockShape,
  { positions }: Span,
  own: KeysAndValues,
): KeysAndValues {
  if (positions === undefined) return own;
  const join = (name: 'key' | 'value'): Value => {
    const past = ops.graph.input(`past_${name}`, [1, kvHeads, 'past', headSize]);
    return ops.concat([past, own[name]], 2);
  };
  const all = { key: join('key'), value: join('value') };
  for (const name of ['key', 'value'] as const)
    ops.graph.output(name, all[name], ['windows', kvHeads, 'positions', headSize]);
  return all;
}

/** One query sees all positions, or the last ones where there is a window. */
function oneQuery(parts: GraphParts, block: BlockShape, query: Value, { key, value }: KeysAndValues): Value {
  const { ops } = parts;
  const { window } = block;
  const last = (x: Value): Value => (window === undefined ? x : ops.slice(x, 2, -window, toTheEnd));
  return weigh(parts, block, query, ops.transpose(last(key), [0, 1, 3, 2]), last(value), (scores) => scores);
}

/** Some queries at a time against the keys that they can see. */
function causal(
  parts: GraphParts,
  block: BlockShape,
  { length }: Span,
  query: Value,
  { key, value }: KeysAndValues,
): Value {
  const { ops } = parts;
  const { window = Infinity } = block;
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
        block,
        cut(query, 2, first),
        cut(transposed, 3, firstKey),
        cut(value, 2, firstKey),
        (scores) => hideUnseen(parts, block, scores, { first, end, firstKey, window }),
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
  { heads, kvHeads, headSize, scale, scoreCap }: BlockShape,
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
  return ops.reshape(ops.matmul(shares, value), [0, heads, -1, headSize]);
}

/**
 * Softmax over the scores and one more that each head has as a weight, its sink (gpt-oss): what falls to it is lost.
 * @param scores `[windows, kvHeads, heads / kvHeads · count, positions]`.
 */
function withSinks(
  parts: GraphParts,
  { heads, kvHeads }: Pick<BlockShape, 'heads' | 'kvHeads'>,
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

/** Scores of later positions, and of those before the window, become so small that softmax makes them 0. */
function hideUnseen(
  { ops }: GraphParts,
  { heads, kvHeads }: BlockShape,
  scores: Value,
  { first, end, firstKey, window }: { first: number; end: number; firstKey: number; window: number },
): Value {
  const count = end - first;
  const added = (table: Value): Value => {
    const separate = ops.add(ops.reshape(scores, [0, heads, count, -1]), table);
    return ops.reshape(separate, [0, kvHeads, (heads / kvHeads) * count, -1]);
  };
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
