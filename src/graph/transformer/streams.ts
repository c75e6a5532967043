import type { Value } from '../onnxWriter';
import type { Ops } from '../ops';
import type { BlockShape } from './blockShape';
import type { GraphParts } from './graphParts';

/** Root mean squares below it are taken for its root. */
const leastSquare = 1e-5;

/** √(mean of x² over the last axis), at least √`leastSquare`. */
function sizeOf(ops: Ops, x: Value): Value {
  const mean = ops.meanLast(ops.square(x));
  return ops.sqrt(ops.where(ops.greater(mean, leastSquare), mean, leastSquare));
}

/** x as large as `like`. */
const resized = (ops: Ops, x: Value, like: Value): Value =>
  ops.mul(x, ops.div(sizeOf(ops, like), sizeOf(ops, x)));

/** Matrices of the further streams, `[further, hidden, hidden]` in one tensor, one below the other. */
const stacked = (parts: GraphParts, name: string, hiddenSize: number): Value =>
  parts.ops.reshape(parts.weight(`${name}.weight`), [-1, hiddenSize]);

/** The first states of all streams: those of the first, `[n, hidden]`, and their projections, as large as they. */
export function startStreams(parts: GraphParts, first: Value, streams: number, hiddenSize: number): Value[] {
  const { ops } = parts;
  const all = ops.linear(first, stacked(parts, 'altup_proj', hiddenSize));
  const further = Array.from({ length: streams - 1 }, (_, i) =>
    ops.slice(all, -1, i * hiddenSize, (i + 1) * hiddenSize),
  );
  return [first, ...further.map((stream) => resized(ops, stream, first))];
}

/** The mean of the first stream and of what the others project to, as large as it: streams side by side, `[n, streams · hidden]` → `[n, hidden]`. */
export function joinStreams(parts: GraphParts, x: Value, streams: number, hiddenSize: number): Value {
  const { ops } = parts;
  const matrices = stacked(parts, 'altup_unembd_proj', hiddenSize);
  const stream = (i: number): Value => ops.slice(x, -1, i * hiddenSize, (i + 1) * hiddenSize);
  const first = stream(0);
  const further = Array.from({ length: streams - 1 }, (_, i) => {
    const matrix = ops.slice(matrices, 0, i * hiddenSize, (i + 1) * hiddenSize);
    return resized(ops, ops.linear(stream(i + 1), matrix), first);
  });
  return ops.mul(
    further.reduce((sum, value) => ops.add(sum, value), first),
    1 / streams,
  );
}

/**
 * What a router makes of states `[n, hidden]`: factors of streams depend on it, `[n, streams]`. A block has it twice, over different states, so that
 * its matrix has no one input that could be measured.
 */
function modalities(parts: GraphParts, { hiddenSize }: BlockShape, x: Value): Value {
  const { ops } = parts;
  const normed = ops.mul(parts.norm(x, 'altup_router_norm'), 1 / hiddenSize);
  return ops.tanh(ops.linear(normed, parts.weight('altup_router.weight')));
}

/**
 * Streams predict each other (AltUp, Baykal et al. 2023): to each, a mix of all is added.
 * @param x `[n, streams, hidden]`, and in the result.
 * @param active the first of them, `[n, hidden]`.
 */
export function predictStreams(parts: GraphParts, block: BlockShape, x: Value, active: Value): Value {
  const { ops } = parts;
  const { streams } = block.carried!;
  const factors = parts.linear(modalities(parts, block, active), 'altup_predict_coef');
  return ops.add(x, ops.matmul(ops.reshape(factors, [-1, streams, streams]), x));
}

/**
 * What was computed of the first stream corrects all: its difference from the prediction is added to each, by a factor.
 * @param predicted `[n, streams, hidden]`, and in the result.
 * @param activated `[n, hidden]`; `active` is the prediction of it.
 */
export function correctStreams(
  parts: GraphParts,
  block: BlockShape,
  predicted: Value,
  { active, activated }: { readonly active: Value; readonly activated: Value },
): Value {
  const { ops } = parts;
  const { streams } = block.carried!;
  const factors = ops.add(parts.linear(modalities(parts, block, activated), 'altup_correct_coef'), 1);
  const change = ops.reshape(ops.sub(activated, active), [-1, 1, block.hiddenSize]);
  return ops.add(predicted, ops.mul(ops.reshape(factors, [-1, streams, 1]), change));
}
