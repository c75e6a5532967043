import type { Value } from '../onnxWriter';
import { integer, sumTo, type Operator, type PassedNode, type ShapedNode } from './operator';
import { broadcast, describeShape, isSame, type Shape, type Size } from './sizes';

/** Products of matrices. */
export const products: Readonly<Record<string, Operator>> = {
  MatMul: {
    shape: ({ shapes }) => matmulShape(shapes[0]!, shapes[1]!),
    gradient({ ops, inputs, shapes, shape, incoming }, input) {
      const [a, b] = [inputs[0]!, inputs[1]!];
      const turned = (x: Value, rank: number): Value => ops.transpose(x, swapLast(rank));
      const gradient =
        input === 0
          ? ops.matmul(incoming, turned(b, shapes[1]!.length))
          : ops.matmul(turned(a, shapes[0]!.length), incoming);
      const [rows, columns] = shapes[input]!.slice(-2) as [Size, Size];
      return sumTo(ops, gradient, [...shape.slice(0, -2), rows, columns], shapes[input]!);
    },
  },
  /** x · w or x · wᵀ, with a bias or without. */
  Gemm: {
    shape(at) {
      const [x, w] = [at.shapes[0]!, at.shapes[1]!];
      if (integer(at, 'transA', 0) !== 0) throw new RangeError('the first matrix is transposed');
      return matmulShape(x, isTransposed(at) ? [...w].reverse() : w);
    },
    gradient: gemmGradient,
  },
};

function gemmGradient(at: PassedNode, input: number): Value {
  const { ops, inputs, incoming, shape, shapes } = at;
  const [x, w] = [inputs[0]!, inputs[1]!];
  const gemm = (a: Value, b: Value, attributes: Record<string, number>): Value =>
    ops.graph.node('Gemm', [a, b], attributes);
  if (input === 0) return gemm(incoming, w, isTransposed(at) ? {} : { transB: 1 });
  if (input === 1)
    return isTransposed(at) ? gemm(incoming, x, { transA: 1 }) : gemm(x, incoming, { transA: 1 });
  return sumTo(ops, incoming, shape, shapes[2]!);
}

const isTransposed = (at: ShapedNode): boolean => integer(at, 'transB', 0) === 1;

const swapLast = (rank: number): number[] => [
  ...Array.from({ length: rank - 2 }, (_, axis) => axis),
  rank - 1,
  rank - 2,
];

function matmulShape(a: Shape, b: Shape): Shape {
  const [inner, rows] = [a.at(-1), b.at(-2)];
  if (a.length < 2 || !inner || !rows || !isSame(inner, rows))
    throw new RangeError(`a product of shapes ${describeShape(a)} and ${describeShape(b)}`);
  return [...broadcast(a.slice(0, -2), b.slice(0, -2)), a.at(-2)!, b.at(-1)!];
}
