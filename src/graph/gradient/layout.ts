import type { Attribute, Value } from '../onnxWriter';
import { axisOf, integer, integers, type Operator, type PassedNode, type ShapedNode } from './operator';
import { numberOf, one, product, quotient, reshapeTarget, shapeOf, type Shape, type Size } from './sizes';

/** Operators that move values. */
export const layout: Readonly<Record<string, Operator>> = {
  Transpose: {
    shape: (at) => permutation(at.node.attributes['perm']).map((axis) => at.shapes[0]![axis]!),
    gradient({ ops, node, incoming }) {
      const perm = permutation(node.attributes['perm']);
      return ops.transpose(
        incoming,
        perm.map((_, axis) => perm.indexOf(axis)),
      );
    },
  },
  Reshape: {
    shape: reshaped,
    gradient: ({ ops, incoming, shapes }) => ops.reshape(incoming, reshapeTarget(shapes[0]!)),
  },
  /** A range of one axis. */
  Slice: {
    shape(at) {
      const { axis, first, end } = rangeOf(at);
      return at.shapes[0]!.with(axis, shapeOf([end - first])[0]!);
    },
    gradient: padded,
  },
  Concat: {
    shape(at) {
      const axis = concatAxis(at);
      const sizes = at.shapes.map((shape) => numberOf(shape[axis]!));
      return at.shapes[0]!.with(axis, shapeOf([sum(sizes)])[0]!);
    },
    gradient(at, input) {
      const axis = concatAxis(at);
      const sizes = at.shapes.map((shape) => numberOf(shape[axis]!));
      const first = sum(sizes.slice(0, input));
      return at.ops.slice(at.incoming, axis, first, first + sizes[input]!);
    },
  },
  /** With zeros. */
  Pad: {
    shape: (at) =>
      at.shapes[0]!.map((size, axis) => {
        const added = sum(padsOf(at, axis));
        return added === 0 ? size : shapeOf([numberOf(size) + added])[0]!;
      }),
    gradient: (at) =>
      at.shapes[0]!.reduce((gradient, size, axis) => {
        const [before, after] = padsOf(at, axis);
        if (before + after === 0) return gradient;
        return at.ops.slice(gradient, axis, before, before + numberOf(size));
      }, at.incoming),
  },
};

/** Entries that Pad adds before and after those of an axis. */
function padsOf(at: ShapedNode, axis: number): readonly [before: number, after: number] {
  const pads = integers(at, 1);
  return [pads[axis]!, pads[at.shapes[0]!.length + axis]!];
}

function permutation(perm: Attribute | undefined): readonly number[] {
  if (Array.isArray(perm)) return perm as readonly number[];
  throw new RangeError('the order of axes is not stated');
}

/** 0 stands for the size of the same axis before, −1 for what remains. */
function reshaped(at: ShapedNode): Shape {
  const from = at.shapes[0]!;
  const target = integers(at, 1);
  const known = (size: number, axis: number): Size => (size === 0 ? from[axis]! : shapeOf([size])[0]!);
  const others = target.map((size, axis) => (size === -1 ? one : known(size, axis)));
  const rest = quotient(product(from), product(others));
  return target.map((size, axis) => (size === -1 ? rest : others[axis]!));
}

function rangeOf(at: ShapedNode): { readonly axis: number; readonly first: number; readonly end: number } {
  const [first, end, axis] = [1, 2, 3].map((input) => {
    const values = integers(at, input);
    if (values.length !== 1) throw new RangeError('ranges of several axes');
    return values[0]!;
  }) as [number, number, number];
  const found = axisOf(axis, at.shapes[0]!);
  const size = numberOf(at.shapes[0]![found]!);
  const within = (index: number): number => Math.max(0, Math.min(size, index < 0 ? index + size : index));
  return { axis: found, first: within(first), end: within(end) };
}

/** The gradient with zeros for what the range left out. */
function padded(at: PassedNode): Value {
  const { ops, shapes, incoming } = at;
  const { axis, first, end } = rangeOf(at);
  const shape = shapes[0]!;
  const after = numberOf(shape[axis]!) - end;
  return ops.pad(incoming, axis, shape.length, first, after);
}

const concatAxis = (at: ShapedNode): number => axisOf(integer(at, 'axis', 0), at.shapes[0]!);

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
