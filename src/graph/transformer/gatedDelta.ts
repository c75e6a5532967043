import type { Value } from '../onnxWriter';
import type { GatedDeltaMixer } from './blockShape';
import { causalConvolution } from './convolution';
import { deltaRule, type DeltaSizes } from './deltaRule';
import type { GraphParts } from './graphParts';
import type { Span } from './span';

/** Added to the squares of queries and keys before they are made one long, as transformers does. */
const unitEpsilon = 1e-6;

/**
 * Gated delta net (Qwen3-Next, Qwen 3.5): queries, keys and values from one matrix go through a causal convolution and SiLU, then through the
 * gated delta rule; its result is normed head by head and multiplied by SiLU of a gate. `[n, hidden]` → `[n, hidden]`.
 */
export function gatedDelta(parts: GraphParts, mixer: GatedDeltaMixer, span: Span, x: Value): Value {
  const { ops } = parts;
  const { keyHeads, valueHeads, headSize } = mixer;
  const { channels, gate } = projected(parts, mixer, x);
  const mixed = ops.silu(causalConvolution(parts, span, channels, 'ssm_conv1d'));
  const part = (first: number, count: number): Value =>
    ops.slice(mixed, -1, first * headSize, (first + count) * headSize);
  const { rate, change } = ratesOf(parts, mixer, x);
  const decay = ops.mul(ops.softplus(ops.add(change, parts.weight('ssm_dt.bias'))), parts.weight('ssm_a'));
  const output = recurrence(parts, mixer, span, {
    query: unit(parts, mixer, part(0, keyHeads), 1 / Math.sqrt(headSize)),
    key: unit(parts, mixer, part(keyHeads, keyHeads), 1),
    value: part(2 * keyHeads, valueHeads),
    ...{ decay, rate: ops.sigmoid(rate) },
  });
  const normed = parts.norm(ops.reshape(output, [-1, headSize]), 'ssm_norm');
  const joined = ops.reshape(normed, [-1, valueHeads * headSize]);
  return parts.linear(ops.mul(joined, ops.silu(gate)), 'ssm_out');
}

/** What a gated delta net keeps of a text: the state of each head of values. */
export const deltaStates = ({ valueHeads, headSize }: GatedDeltaMixer): number[] => [
  ...[1, valueHeads, headSize, headSize],
];

/** Heads `[n, heads · size]` made so long. */
function unit({ ops }: GraphParts, { keyHeads, headSize }: GatedDeltaMixer, x: Value, length: number): Value {
  const heads = ops.reshape(x, [-1, headSize]);
  // x / √(Σx² + ε) is an RMS norm whose weights and ε are divided by √size and size.
  const weight = ops.graph.floats(Array.from({ length: headSize }, () => length / Math.sqrt(headSize)));
  return ops.reshape(ops.rmsNorm(heads, weight, unitEpsilon / headSize), [-1, keyHeads * headSize]);
}

/** Queries, keys and values `[n, channels]`, and the gates of what heads of values give, `[n, heads of values · size]`. */
function projected(
  parts: GraphParts,
  { keyHeads, valueHeads, headSize }: GatedDeltaMixer,
  x: Value,
): { channels: Value; gate: Value } {
  if (!parts.has('ssm_in.weight'))
    return { channels: parts.linear(x, 'attn_qkv'), gate: parts.linear(x, 'attn_gate') };
  const { ops } = parts;
  const own = (valueHeads / keyHeads) * headSize;
  // Rows of one matrix: for each head of keys its query, itself, its heads of values and their gates.
  const all = ops.reshape(parts.linear(x, 'ssm_in'), [-1, keyHeads, 2 * headSize + 2 * own]);
  const pick = (first: number, size: number): Value =>
    ops.reshape(ops.slice(all, -1, first, first + size), [-1, keyHeads * size]);
  const heads = [pick(0, headSize), pick(headSize, headSize), pick(2 * headSize, own)];
  return { channels: ops.concat(heads, -1), gate: pick(2 * headSize + own, own) };
}

/** Rates before the sigmoid and steps of the decay before softplus, `[n, heads of values]` each. */
function ratesOf(
  parts: GraphParts,
  { keyHeads, valueHeads, grouped }: GatedDeltaMixer,
  x: Value,
): { rate: Value; change: Value } {
  if (!grouped) return { rate: parts.linear(x, 'ssm_beta'), change: parts.linear(x, 'ssm_alpha') };
  const { ops } = parts;
  const shared = valueHeads / keyHeads;
  // Rows of one matrix: for each head of keys the rates of its heads of values, then their steps.
  const both = ops.reshape(parts.linear(x, 'ssm_ba'), [-1, keyHeads, 2 * shared]);
  const half = (first: number): Value =>
    ops.reshape(ops.slice(both, -1, first, first + shared), [-1, valueHeads]);
  return { rate: half(0), change: half(shared) };
}

/** The delta rule over whole windows, or over more tokens of a text after those whose state is an input. */
function recurrence(
  { ops }: GraphParts,
  mixer: GatedDeltaMixer,
  { length, positions }: Span,
  inputs: Parameters<typeof deltaRule>[2],
): Value {
  const { keyHeads, valueHeads, headSize: size, grouped } = mixer;
  const shared = valueHeads / keyHeads;
  const sizes: DeltaSizes = grouped
    ? { length, size, valueHeads: [keyHeads, shared], keyHeads: [keyHeads, 1] }
    : { length, size, valueHeads: [shared, keyHeads], keyHeads: [1, keyHeads] };
  if (positions === undefined) return deltaRule(ops, sizes, inputs).output;
  const dims = deltaStates(mixer);
  const past = ops.reshape(ops.graph.input('past_state', dims), [1, 1, ...sizes.valueHeads, size, size]);
  const { output, after } = deltaRule(ops, sizes, { ...inputs, before: past });
  ops.graph.output('state', ops.reshape(after, dims), dims);
  return output;
}
