import type { Value } from '../onnxWriter';
import { sumTo, type Operator, type PassedNode, type ShapedNode } from './operator';
import { broadcast, type Shape } from './sizes';

/** An operator on each element of its only input. */
const unary = (gradient: (at: PassedNode) => Value): Operator => ({
  shape: ({ shapes }) => shapes[0]!,
  gradient,
});

/** An operator on elements of inputs that are repeated to one shape; the gradient of each is summed back to its own. */
const joint = (...gradients: readonly ((at: PassedNode) => Value | undefined)[]): Operator => ({
  shape: ({ shapes }: ShapedNode): Shape => shapes.reduce(broadcast),
  gradient(at, input) {
    const gradient = gradients[input]!(at);
    return gradient === undefined ? undefined : sumTo(at.ops, gradient, at.shape, at.shapes[input]!);
  },
});

const incoming = ({ incoming: gradient }: PassedNode): Value => gradient;
const none = (): undefined => undefined;

/** Operators whose elements depend on one element of each input. y is the output, g the gradient with respect to it. */
export const elementwise: Readonly<Record<string, Operator>> = {
  Identity: unary(incoming),
  /** Between types of floats. */
  Cast: unary(incoming),
  Neg: unary(({ ops, incoming: g }) => ops.neg(g)),
  Sqrt: unary(({ ops, incoming: g, output: y }) => ops.div(ops.mul(g, 0.5), y)),
  Tanh: unary(({ ops, incoming: g, output: y }) => ops.mul(g, ops.sub(1, ops.square(y)))),
  Sigmoid: unary(({ ops, incoming: g, output: y }) => ops.mul(ops.mul(g, y), ops.sub(1, y))),
  Exp: unary(({ ops, incoming: g, output: y }) => ops.mul(g, y)),
  Add: joint(incoming, incoming),
  Sub: joint(incoming, ({ ops, incoming: g }) => ops.neg(g)),
  Mul: joint(
    ({ ops, incoming: g, inputs }) => ops.mul(g, inputs[1]!),
    ({ ops, incoming: g, inputs }) => ops.mul(g, inputs[0]!),
  ),
  Div: joint(
    ({ ops, incoming: g, inputs }) => ops.div(g, inputs[1]!),
    ({ ops, incoming: g, inputs, output: y }) => ops.neg(ops.div(ops.mul(g, y), inputs[1]!)),
  ),
  /** The exponent is a constant. */
  Pow: joint(powerGradient, none),
  Greater: joint(none, none),
  Where: joint(
    none,
    ({ ops, incoming: g, inputs }) => ops.where(inputs[0]!, g, 0),
    ({ ops, incoming: g, inputs }) => ops.where(inputs[0]!, 0, g),
  ),
};

function powerGradient({ ops, incoming: g, inputs }: PassedNode): Value {
  const [x, exponent] = [inputs[0]!, inputs[1]!];
  const power = ops.graph.node('Pow', [x, ops.sub(exponent, 1)]);
  return ops.mul(g, ops.mul(exponent, power));
}
