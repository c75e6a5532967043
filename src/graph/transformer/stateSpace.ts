import type { Value } from '../onnxWriter';
import type { Ops } from '../ops';
import { hiddenScore } from './sequence';

/** Sizes of a scan: heads side by side in groups, each group with its own directions, and a state `[stateSize, width]` of each head. */
export interface ScanSizes {
  readonly groups: number;
  readonly headsPerGroup: number;
  readonly stateSize: number;
  readonly width: number;
}

/** Inputs of a scan, whole windows one below the other, n tokens in all. */
export interface ScanInputs {
  /** What each head writes, `[n, heads · width]`. */
  readonly values: Value;
  /** The logarithm of what is left of a state at each token, at most 0: `[n, heads]`. */
  readonly decays: Value;
  /** Where it is written, and what is read, `[n, groups · stateSize]`. */
  readonly written: Value;
  readonly read: Value;
}

/**
 * Tokens that are processed as one product of matrices. More of them make larger products and fewer states between them, and cost work that
 * grows with their number.
 */
const chunkTokens = 64;

/** What is left after a step of this logarithm is 0 in float32. */
const least = -128;

/**
 * The recurrence S ← e^decay S + written ⊗ value, result = read · S of each head (state space duality: Dao and Gu 2024, "Transformers are
 * SSMs", section 6), by chunks: inside one it is causal attention without softmax whose scores decay, and states are passed from one to the
 * next as another product.
 * @param length tokens of a window.
 * @param past the state before the first token, `[groups, headsPerGroup, 1, stateSize, width]`, of the only window; zeros when absent.
 * @returns results `[n, heads, width]`, and the state after the last token where there was one before it.
 */
export function scan(
  ops: Ops,
  inputs: ScanInputs,
  sizes: ScanSizes,
  length: number,
  past?: Value,
): { readonly results: Value; readonly state?: Value } {
  const { groups, headsPerGroup, stateSize, width } = sizes;
  const chunks = Math.ceil(length / chunkTokens);
  const chunk = Math.ceil(length / chunks);
  /** `[n, groups · members · size]` → `[windows · groups, members, chunks, chunk, size]`, with zeros after the last token. */
  const divided = (x: Value, members: number, size: number): Value => {
    const apart = ops.transpose(ops.reshape(x, [-1, length, groups, members, size]), [0, 2, 3, 1, 4]);
    return ops.reshape(ops.pad(apart, 3, 5, 0, chunks * chunk - length), [-1, members, chunks, chunk, size]);
  };
  const values = divided(inputs.values, headsPerGroup, width);
  const written = ops.transpose(divided(inputs.written, 1, stateSize), [0, 1, 2, 4, 3]);
  const read = divided(inputs.read, 1, stateSize);
  const steps = ops.reshape(divided(inputs.decays, headsPerGroup, 1), [-1, headsPerGroup, chunks, chunk]);

  const { since, sums } = remaining(ops, steps, [headsPerGroup, chunks, chunk]);
  const within = ops.matmul(ops.mul(ops.matmul(read, written), since), values);
  const toEnd = ops.reshape(ops.slice(since, 3, chunk - 1, chunk), [-1, headsPerGroup, chunks, chunk, 1]);
  const added = ops.matmul(written, ops.mul(values, toEnd));
  const totals = ops.slice(sums, 3, chunk - 1, chunk);
  const { before, after } = passed(ops, { added, totals, past }, sizes, chunks);
  const kept = ops.exp(ops.reshape(sums, [-1, headsPerGroup, chunks, chunk, 1]));
  const all = before === undefined ? within : ops.add(within, ops.mul(ops.matmul(read, before), kept));
  const joined = ops.reshape(all, [-1, groups, headsPerGroup, chunks * chunk, width]);
  const inOrder = ops.transpose(ops.slice(joined, 3, 0, length), [0, 3, 1, 2, 4]);
  const results = ops.reshape(inOrder, [-1, groups * headsPerGroup, width]);
  return { results, ...(after === undefined ? {} : { state: after }) };
}

/**
 * States `[-1, headsPerGroup, chunks, stateSize, width]` before each chunk, which are those after the one before it; nothing where there is only one
 * and none before it. A state before the text counts as what a first chunk without tokens adds, and the state after the text is given, too.
 */
function passed(
  ops: Ops,
  {
    added,
    totals,
    past,
  }: { readonly added: Value; readonly totals: Value; readonly past: Value | undefined },
  { headsPerGroup, stateSize, width }: ScanSizes,
  chunks: number,
): { readonly before?: Value; readonly after?: Value } {
  if (chunks === 1 && past === undefined) return {};
  const count = past === undefined ? chunks : chunks + 1;
  const own = ops.reshape(totals, [-1, headsPerGroup, 1, chunks]);
  const { since } = remaining(ops, past === undefined ? own : ops.pad(own, 3, 4, 1), [
    headsPerGroup,
    1,
    count,
  ]);
  const all = past === undefined ? added : ops.concat([past, added], 2);
  const states = ops.matmul(since, ops.reshape(all, [-1, headsPerGroup, 1, count, stateSize * width]));
  const cut = (first: number, end: number): Value => ops.slice(states, 3, first, end);
  const apart = (x: Value): Value => ops.reshape(x, [-1, headsPerGroup, chunks, stateSize, width]);
  if (past === undefined) return { before: apart(ops.pad(cut(0, chunks - 1), 3, 5, 1)) };
  return {
    before: apart(cut(0, chunks)),
    after: ops.reshape(cut(chunks, count), [-1, headsPerGroup, 1, stateSize, width]),
  };
}

/**
 * What is left at a step of what was added at another, e^(Σ of the steps between them), 0 where that comes later: `since`
 * `[…, count, count]`; and Σ up to each step, `sums`.
 *
 * Sums of many steps would round those of the few between two of them away. So steps are split: multiples of 2⁻¹⁰, which float32 adds up without rounding, and
 * the small rest.
 * @param steps logarithms `[…dims]`, the last of which is `count`.
 */
function remaining(ops: Ops, steps: Value, dims: readonly number[]): { since: Value; sums: Value } {
  const count = dims.at(-1)!;
  const bounded = ops.where(ops.greater(least, steps), least, steps);
  const coarse = ops.div(ops.round(ops.mul(bounded, 1024)), 1024);
  const parts = [coarse, ops.sub(bounded, coarse)].map((part) => ops.cumulative(part, dims.length));
  const between = (sum: Value): Value =>
    ops.sub(ops.reshape(sum, [-1, ...dims, 1]), ops.reshape(sum, [-1, ...dims.slice(0, -1), 1, count]));
  const [coarsely, finely] = parts.map(between) as [Value, Value];
  const numbers = ops.graph.floats(Array.from({ length: count }, (_, i) => i));
  const isLater = ops.greater(numbers, ops.reshape(numbers, [-1, 1]));
  return {
    since: ops.exp(ops.where(isLater, hiddenScore, ops.add(coarsely, finely))),
    sums: ops.add(parts[0]!, parts[1]!),
  };
}
