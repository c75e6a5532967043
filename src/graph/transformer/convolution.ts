import type { Value } from '../onnxWriter';
import type { Span } from './span';
import type { GraphParts } from './graphParts';

/** Numbers that a causal convolution keeps of earlier tokens: `[1, kernel − 1, channels]`. */
export const convolvedStates = ([channels = 0, kernel = 1]: readonly number[]): number[] => [
  ...[1, kernel - 1, channels],
];

/**
 * Causal convolution of each channel with its own weights: `[n, channels]`, whole windows one below the other, → the same shape,
 * y[t] = Σ w[k] · x[t − kernel + 1 + k] + b. Before the first token there are zeros; in a graph of more tokens of a text, its inputs before them
 * (`past_STATE`, given back as `STATE`).
 * @param name of a tensor `[channels, kernel]`, whose last entry weighs the token itself, with a bias `[channels]` or without.
 */
export function causalConvolution(
  parts: GraphParts,
  span: Span,
  x: Value,
  name: string,
  state = 'convolved',
): Value {
  const { ops } = parts;
  const shape = parts.shape(`${name}.weight`) as readonly [number, number];
  const [channels, kernel] = shape;
  const own = ops.reshape(x, [-1, span.length, channels]);
  const inputs = withEarlier(parts, span, own, shape, state);
  // Each tap is a product of moved rows: depthwise kernels want channels outside, and two transpositions cost more.
  const byTap = ops.transpose(parts.weight(`${name}.weight`), [1, 0]);
  const products = Array.from({ length: kernel }, (_, tap) =>
    ops.mul(ops.slice(inputs, 1, tap, tap + span.length), ops.slice(byTap, 0, tap, tap + 1)),
  );
  const sum = ops.reshape(
    products.reduce((total, product) => ops.add(total, product)),
    [-1, channels],
  );
  return parts.has(`${name}.bias`) ? ops.add(sum, parts.weight(`${name}.bias`)) : sum;
}

/** Inputs `[windows, length, channels]` after the kernel − 1 before them. */
function withEarlier(
  { ops }: GraphParts,
  { length, positions }: Span,
  own: Value,
  shape: readonly [number, number],
  state: string,
): Value {
  const earlier = shape[1] - 1;
  if (positions === undefined) return ops.pad(own, 1, 3, earlier);
  const dims = convolvedStates(shape);
  const all = ops.concat([ops.graph.input(`past_${state}`, dims), own], 1);
  ops.graph.output(state, ops.slice(all, 1, length, length + earlier), dims);
  return all;
}
