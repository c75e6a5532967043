import type { Value } from '../onnxWriter';
import type { Ops } from '../ops';
import type { BlockShape } from './blockShape';
import type { GraphParts } from './graphParts';

interface GatedNames {
  readonly gate: string;
  readonly up: string;
  readonly down: string;
}

/**
 * down(activation(gate x) · up x). Without a separate gate, it is the first half of `up`, and where `up` has no more rows than `down`
 * has columns there is none: down(activation(up x)).
 */
export function gated(
  parts: GraphParts,
  { activation, gateDeviations }: Pick<BlockShape, 'activation' | 'gateDeviations'>,
  x: Value,
  { gate, up, down }: GatedNames,
): Value {
  const { ops } = parts;
  const size = parts.shape(`${down}.weight`)[1]!;
  const halves = (): [Value, Value] => {
    const both = parts.linear(x, up);
    return [ops.slice(both, -1, 0, size), ops.slice(both, -1, size, 2 * size)];
  };
  const isSeparate = parts.has(`${gate}.weight`);
  if (!isSeparate && parts.shape(`${up}.weight`).at(-2) === size)
    return parts.linear(activated(ops, activation, parts.linear(x, up)), down);
  const [opening, upper] = isSeparate ? [parts.linear(x, gate), parts.linear(x, up)] : halves();
  if (activation === 'clamped') return parts.linear(clamped(ops, opening, upper), down);
  const counted = gateDeviations === undefined ? opening : above(ops, opening, gateDeviations);
  const opened = activated(ops, activation, counted);
  const product = parts.given(ops.mul(opened, upper), `${up}.weight`, isSeparate ? 0 : size);
  return parts.linear(product, down);
}

/** How far entries are above the mean by so many standard deviations of their row; 0 below that. */
function above(ops: Ops, x: Value, deviations: number): Value {
  const centred = ops.sub(x, ops.meanLast(x));
  const least = ops.mul(ops.sqrt(ops.meanLast(ops.square(centred))), deviations);
  const higher = ops.sub(centred, least);
  return ops.where(ops.greater(higher, 0), higher, 0);
}

function activated(ops: Ops, activation: BlockShape['activation'], x: Value): Value {
  switch (activation) {
    case 'silu':
      return ops.silu(x);
    case 'gelu':
      return ops.gelu(x);
    case 'squaredRelu':
      return ops.square(ops.where(ops.greater(x, 0), x, 0));
    case 'clamped':
      throw new Error('The activation of gpt-oss needs a gate.');
  }
}

/** Constants of gpt-oss's activation, which llama.cpp has built in, too. */
const clampLimit = 7;
const clampSlope = 1.702;

function clamped(ops: Ops, gate: Value, up: Value): Value {
  const atMost = (x: Value): Value => ops.where(ops.greater(x, clampLimit), clampLimit, x);
  const atLeast = (x: Value): Value => ops.where(ops.greater(-clampLimit, x), -clampLimit, x);
  const opening = atMost(gate);
  const opened = ops.mul(opening, ops.sigmoid(ops.mul(opening, clampSlope)));
  return ops.mul(opened, ops.add(atLeast(atMost(up)), 1));
}
