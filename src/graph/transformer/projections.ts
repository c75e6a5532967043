import type { Value } from '../onnxWriter';
import type { BlockShape, HeadSizes } from './blockShape';
import type { GraphParts } from './graphParts';

/** What attention makes of a token, `[n, heads · headSize]` each. */
export interface Projections {
  readonly query: Value;
  readonly key: Value;
  readonly value: Value;
  /** Of what each head of queries gives, before the sigmoid. */
  readonly gate?: Value;
}

/** Queries, keys and values of inputs `[n, hidden]`, and the gate where queries come with one. */
export function projections(
  parts: GraphParts,
  { heads, kvHeads, headSize, gatedHeads }: HeadSizes & Pick<BlockShape, 'gatedHeads'>,
  x: Value,
): Projections {
  if (!parts.has('attn_qkv.weight'))
    return {
      ...(gatedHeads ? queriesAndGates(parts, { heads, headSize }, x) : { query: parts.linear(x, 'attn_q') }),
      ...separateKeys(parts, x),
    };
  const all = parts.linear(x, 'attn_qkv');
  const part = (first: number, count: number): Value =>
    parts.ops.slice(all, -1, first * headSize, (first + count) * headSize);
  return { query: part(0, heads), key: part(heads, kvHeads), value: part(heads + kvHeads, kvHeads) };
}

/** Keys and values of matrices of their own; values without one are the keys. */
export function separateKeys(parts: GraphParts, x: Value): Pick<Projections, 'key' | 'value'> {
  const key = parts.linear(x, 'attn_k');
  return { key, value: parts.has('attn_v.weight') ? parts.linear(x, 'attn_v') : key };
}

/** One matrix holds, head after head, the rows of its query, then those of its gate. */
function queriesAndGates(
  parts: GraphParts,
  { heads, headSize }: Pick<HeadSizes, 'heads' | 'headSize'>,
  x: Value,
): Pick<Projections, 'query' | 'gate'> & { readonly gate: Value } {
  const { ops } = parts;
  const both = ops.reshape(parts.linear(x, 'attn_q'), [-1, heads, 2 * headSize]);
  const half = (first: number): Value =>
    ops.reshape(ops.slice(both, -1, first, first + headSize), [-1, heads * headSize]);
  return { query: half(0), gate: half(headSize) };
}
