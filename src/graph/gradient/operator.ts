import type { Attribute, GraphBuilder, GraphNode, Value } from '../onnxWriter';
import type { Ops } from '../ops';
import { describeShape, isSame, isSameShape, one, reshapeTarget, type Shape } from './sizes';

/** A node and the shapes of what goes into it. */
export interface ShapedNode {
  readonly node: GraphNode;
  readonly graph: GraphBuilder;
  readonly shapes: readonly Shape[];
}

/** A node that a gradient passes. */
export interface PassedNode extends ShapedNode {
  readonly ops: Ops;
  readonly inputs: readonly Value[];
  readonly output: Value;
  /** The shape of the output, and so of `incoming`. */
  readonly shape: Shape;
  /** The gradient with respect to the output. */
  readonly incoming: Value;
}

/** How shapes and gradients pass an operator of one output. */
export interface Operator {
  /** The shape of the output. @throws RangeError for a shape that the operator cannot have, or that only a run decides. */
  readonly shape: (at: ShapedNode) => Shape;
  /** Adds the gradient with respect to an input; undefined for one that the output is constant in. */
  readonly gradient: (at: PassedNode, input: number) => Value | undefined;
}

/** The sum of a gradient over the axes that an operand of shape `to` was repeated along. */
export function sumTo(ops: Ops, gradient: Value, from: Shape, to: Shape): Value {
  if (isSameShape(from, to)) return gradient;
  const added = from.length - to.length;
  const axes = [...from.keys()].filter(
    (axis) => axis < added || (isSame(to[axis - added]!, one) && !isSame(from[axis]!, one)),
  );
  const sum = ops.graph.node('ReduceSum', [gradient, ops.graph.ints(axes)], { keepdims: 1 });
  return added === 0 ? sum : ops.reshape(sum, reshapeTarget(to));
}

/** The values of a constant input of integers. @throws RangeError where a run computes them. */
export function integers({ node, graph }: ShapedNode, input: number): readonly number[] {
  const values = graph.integersOf(node.inputs[input]!);
  if (values) return values;
  throw new RangeError(`input ${input} is not a constant`);
}

export function integer({ node }: ShapedNode, name: string, otherwise: number): number {
  const value: Attribute = node.attributes[name] ?? otherwise;
  if (typeof value === 'number') return value;
  throw new RangeError(`the attribute ${name} is not an integer`);
}

/** The axis counted from the first one. @throws RangeError outside the shape. */
export function axisOf(axis: number, shape: Shape): number {
  const found = axis < 0 ? axis + shape.length : axis;
  if (found >= 0 && found < shape.length) return found;
  throw new RangeError(`axis ${axis} of the shape ${describeShape(shape)}`);
}
