import type { Value } from '../onnxWriter';
import type { BlockShape, HeadSizes } from './blockShape';
import type { GraphParts } from './graphParts';
import { projections } from './projections';
import { rotationTables } from './rotation';
import { Sequence, type KeysAndValues } from './sequence';
import { attended } from './softmaxAttention';
import type { Span } from './span';

/**
 * Causal attention with grouped queries: `[n, hidden]`, whole windows (in a graph of a whole model: texts) one below the other, →
 * `[n, heads · headSize]`.
 */
export function attention(parts: GraphParts, block: BlockShape, tokens: Span | Sequence, x: Value): Value {
  const { query, gate, ...others } = projections(parts, block, x);
  const means = meansFor(parts, block, tokens, query, keysAndValues(parts, block, tokens, others));
  const output = gate === undefined ? means : parts.ops.mul(means, parts.ops.sigmoid(gate));
  const keepsChannels = block.heads === block.kvHeads && !block.unitValues;
  return keepsChannels ? givenByValues(parts, block, output) : output;
}

/** Keys and values as queries see them, of their projections `[n, kvHeads · headSize]`. */
export function keysAndValues(
  parts: GraphParts,
  block: BlockShape,
  tokens: Span | Sequence,
  projected: KeysAndValues,
): KeysAndValues {
  const { kvHeads } = block;
  const value = split(parts, block, tokens, projected.value, kvHeads);
  return {
    key: turned(parts, block, tokens, projected.key, 'attn_k_norm', kvHeads),
    value: block.unitValues ? unitNorm(parts, block, value) : value,
  };
}

/** Means of the values that queries see, both `[n, heads · headSize]`, the queries as they are projected. */
export function meansFor(
  parts: GraphParts,
  block: BlockShape,
  tokens: Span | Sequence,
  projected: Value,
  own: KeysAndValues,
): Value {
  const { heads } = block;
  const query = tempered(parts, block, tokens, turned(parts, block, tokens, projected, 'attn_q_norm', heads));
  return inRows(parts, attended(parts, block, tokens, query, own), heads * block.headSize);
}

/** Heads `[windows, heads, length, headSize]` of a token one after the other: `[n, heads · headSize]`. */
export const inRows = ({ ops }: GraphParts, x: Value, columns: number): Value =>
  ops.reshape(ops.transpose(x, [0, 2, 1, 3]), [-1, columns]);

/** Heads of projected queries or keys, normed and rotated: `[n, heads · headSize]` → `[windows, heads, length, headSize]`. */
function turned(
  parts: GraphParts,
  block: BlockShape,
  tokens: Span | Sequence,
  projected: Value,
  norm: string,
  heads: number,
): Value {
  const separate = split(parts, block, tokens, projected, heads, block.normsRotated ? undefined : norm);
  const rotated = rotateHeads(parts, block, tokens, separate, [heads, block.headSize]);
  if (block.unitNorms && block.rotation) return unitNorm(parts, block, rotated);
  return block.normsRotated ? parts.norm(rotated, norm) : rotated;
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
  if (!isTempered({ temperature }, positions)) return query;
  const [table] = parts.once('temperature', () => [
    ops.graph.table('temperature', [positions, 1], factors(positions)),
  ]);
  if (tokens.positions === undefined) return ops.mul(query, table!);
  const own = ops.graph.ints(Array.from({ length: tokens.length }, (_, token) => token));
  const at = ops.graph.node('Add', [positionOf(parts), own]);
  return ops.mul(query, ops.graph.node('Gather', [table!, at], { axis: 0 }));
}

/** Whether a factor of queries is another than 1 at one of so many positions. */
const isTempered = ({ temperature }: Pick<BlockShape, 'temperature'>, positions: number): boolean =>
  temperature !== undefined && positions > temperature.length;

/** Whether a block's graph of more tokens of a text has an input for their position. */
export const takesPosition = (
  block: Pick<BlockShape, 'rotation' | 'temperature'>,
  positions: number,
): boolean => block.rotation !== undefined || isTempered(block, positions);

/** Input of a graph that takes more tokens of a text: the position of the first. */
const positionOf = (parts: GraphParts): Value =>
  parts.once('position', () => [parts.ops.graph.input('position', [1], 'I64')])[0]!;

/** Each channel of the result is a weighted mean of a channel of the values, where no heads share them. */
function givenByValues(parts: GraphParts, { heads, kvHeads, headSize }: HeadSizes, x: Value): Value {
  return parts.has('attn_qkv.weight')
    ? parts.given(x, 'attn_qkv.weight', (heads + kvHeads) * headSize)
    : parts.given(x, 'attn_v.weight');
}

/** `[n, heads · headSize]` → `[windows, heads, length, headSize]`, normed where there is a norm of heads or of all together. */
export function split(
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
  const separate = byToken(parts, tokens, together, [heads, headSize]);
  const each = norm === undefined || isOfAll ? separate : parts.normEach(separate, norm);
  return ops.transpose(each, [0, 2, 1, 3]);
}

/** `[n, heads · size]` → `[windows, heads, length, size]`. */
export const separateHeads = (
  parts: GraphParts,
  tokens: Span | Sequence,
  x: Value,
  heads: readonly [count: number, size: number],
): Value => parts.ops.transpose(byToken(parts, tokens, x, heads), [0, 2, 1, 3]);

const byToken = (
  { ops }: GraphParts,
  tokens: Span | Sequence,
  x: Value,
  heads: readonly [count: number, size: number],
): Value =>
  tokens instanceof Sequence ? tokens.separate(x, heads) : ops.reshape(x, [-1, tokens.length, ...heads]);

/** Rotary embedding of `[windows, heads, length, size]`. */
export function rotateHeads(
  parts: GraphParts,
  { rotation }: Pick<BlockShape, 'rotation'>,
  tokens: Span | Sequence,
  x: Value,
  [heads, headSize]: readonly [count: number, size: number],
): Value {
  const turning = { ...(rotation ? { rotation } : {}), headSize };
  return tokens instanceof Sequence
    ? tokens.rotate(x, turning, heads)
    : rotate(parts, turning, tokens, x, heads);
}

/** Rotary embedding of `[windows, heads, length, headSize]`, from the span's first position on. */
export function rotate(
  parts: GraphParts,
  { rotation, headSize }: Pick<BlockShape, 'rotation' | 'headSize'>,
  span: Span,
  x: Value,
  heads: number,
): Value {
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
