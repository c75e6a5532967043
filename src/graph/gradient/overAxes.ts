import type { Attribute, Value } from '../onnxWriter';
import type { Ops } from '../ops';
import {
  axisOf,
  integer,
  integers,
  sumTo,
  type Operator,
  type PassedNode,
  type ShapedNode,
} from './operator';
import { numberOf, one, type Shape } from './sizes';

const unchanged = ({ shapes }: ShapedNode): Shape => shapes[0]!;

/** Operators that combine values along an axis, and the rotation of heads. */
export const overAxes: Readonly<Record<string, Operator>> = {
  /** Over the last axis. */
  Softmax: {
    shape: unchanged,
    gradient({ ops, incoming, output }) {
      const weighted = ops.mul(incoming, output);
      return ops.sub(weighted, ops.mul(output, ops.sumLast(weighted)));
    },
  },
  ReduceSum: { shape: reducedShape, gradient: (at) => repeated(at) },
  ReduceMean: {
    shape: reducedShape,
    gradient: (at) => at.ops.div(repeated(at), reducedCount(at)),
  },
  /** The gradient is summed from the other end. */
  CumSum: {
    shape: unchanged,
    gradient({ ops, node, incoming }, input) {
      if (input !== 0) throw new RangeError('the axis has no gradient');
      return ops.graph.node('CumSum', [incoming, node.inputs[1]!], { reverse: 1 });
    },
  },
  /** x · w / √(mean of x² over the last axis + ε). */
  SimplifiedLayerNormalization: { shape: unchanged, gradient: normGradient },
  /** Turning by the opposite angles. */
  RotaryEmbedding: {
    shape: unchanged,
    gradient({ ops, node, incoming }, input) {
      if (input !== 0) throw new RangeError('angles have no gradient');
      const [, position, cos, sin] = node.inputs as [Value, Value, Value, Value];
      return ops.graph.node(
        'RotaryEmbedding',
        [incoming, position, cos, ops.neg(sin)],
        node.attributes,
        'contrib',
      );
    },
  },
};

function axesOf(at: ShapedNode): number[] {
  if (integer(at, 'keepdims', 1) !== 1) throw new RangeError('reduced axes are removed');
  return integers(at, 1).map((axis) => axisOf(axis, at.shapes[0]!));
}

function reducedShape(at: ShapedNode): Shape {
  const axes = axesOf(at);
  return at.shapes[0]!.map((size, axis) => (axes.includes(axis) ? one : size));
}

const reducedCount = (at: ShapedNode): number =>
  axesOf(at).reduce((count, axis) => count * numberOf(at.shapes[0]![axis]!), 1);

/** The gradient of a sum is that of each of its terms. */
const repeated = ({ ops, incoming, inputs }: PassedNode): Value =>
  ops.graph.node('Expand', [incoming, ops.graph.node('Shape', [inputs[0]!])]);

function normGradient(at: PassedNode, input: number): Value {
  const { ops, node, inputs, incoming, shape, shapes } = at;
  const [x, weight] = [inputs[0]!, inputs[1]!];
  const mean = (value: Value): Value => ops.div(ops.sumLast(value), numberOf(shape.at(-1)!));
  const root = ops.sqrt(ops.add(mean(ops.square(x)), floatOf(node.attributes['epsilon'])));
  const normed = ops.div(x, root);
  if (input === 1) return sumTo(ops, ops.mul(incoming, normed), shape, shapes[1]!);
  const weighted = ops.mul(incoming, weight);
  return ops.div(across(ops, weighted, normed, mean), root);
}

/** What of a gradient is at right angles to the normed values: their length does not change. */
const across = (ops: Ops, gradient: Value, normed: Value, mean: (value: Value) => Value): Value =>
  ops.sub(gradient, ops.mul(normed, mean(ops.mul(gradient, normed))));

function floatOf(value: Attribute | undefined): number {
  if (typeof value === 'object' && 'float' in value) return value.float;
  throw new RangeError('the attribute is not a float');
}
