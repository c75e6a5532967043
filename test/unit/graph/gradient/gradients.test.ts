import { describe, expect, it } from 'vitest';
import { addGradients } from '../../../../src/graph/gradient/gradients';
import { GraphBuilder, type Dimension, type Value } from '../../../../src/graph/onnxWriter';
import { Ops } from '../../../../src/graph/ops';
import { derivative, inner, moved, RunnableGraph, type Feeds } from '../../../support/gradients';
import { Random } from '../../../support/random';

/** How many there are of the dimension that each run decides. */
const n = 2;
type Dims = readonly Dimension[];

interface Case {
  readonly name: string;
  readonly inputs: Readonly<Record<string, Dims>>;
  readonly build: (ops: Ops, inputs: Readonly<Record<string, Value>>) => Value;
  /** Of the result. */
  readonly dims: Dims;
  /** Inputs are around 1, not around 0. */
  readonly positive?: true;
}

const one = (name: string, build: (ops: Ops, x: Value) => Value, more: Partial<Case> = {}): Case => ({
  ...{ name, inputs: { x: ['n', 3] }, dims: ['n', 3] },
  build: (ops, { x }) => build(ops, x!),
  ...more,
});

const two = (
  name: string,
  [a, b, dims]: readonly [Dims, Dims, Dims],
  build: (ops: Ops, a: Value, b: Value) => Value,
  more: Partial<Case> = {},
): Case => ({
  ...{ name, inputs: { a, b }, dims },
  build: (ops, inputs) => build(ops, inputs['a']!, inputs['b']!),
  ...more,
});

const rotated = (name: string, pairs: number, attributes: Record<string, number>): Case =>
  one(
    name,
    ({ graph }, x) => {
      const table = (of: (angle: number) => number): Float32Array =>
        Float32Array.from({ length: 3 * pairs }, (_, i) => 1.1 * of(0.3 + i));
      const tables = [
        graph.table('cos', [3, pairs], table(Math.cos)),
        graph.table('sin', [3, pairs], table(Math.sin)),
      ];
      return graph.node('RotaryEmbedding', [x, graph.ints([0]), ...tables], attributes, 'contrib');
    },
    { inputs: { x: ['n', 2, 3, 8] }, dims: ['n', 2, 3, 8] },
  );

const square: Dims = ['n', 3];
const cases: readonly Case[] = [
  two('a sum', [square, square, square], (ops, a, b) => ops.add(a, b)),
  two('a sum with a row', [square, [3], square], (ops, a, b) => ops.add(a, b)),
  two('a sum with a column', [['n', 1], square, square], (ops, a, b) => ops.add(a, b)),
  two('a sum with a scalar', [square, [], square], (ops, a, b) => ops.add(a, b)),
  two('a difference', [square, [3], square], (ops, a, b) => ops.sub(a, b)),
  two('a product of elements', [square, ['n', 1], square], (ops, a, b) => ops.mul(a, b)),
  two('a quotient', [square, [3], square], (ops, a, b) => ops.div(a, b), { positive: true }),
  one('a value that is used several times', (ops, x) => ops.mul(ops.mul(x, x), ops.add(x, ops.neg(x)))),
  one('GELU', (ops, x) => ops.gelu(x)),
  one('a cap', (ops, x) => ops.softcap(x, 1.5)),
  one('SiLU', (ops, x) => ops.mul(x, ops.sigmoid(x))),
  one('softplus', (ops, x) => ops.softplus(ops.mul(x, 5))),
  one('a root', (ops, x) => ops.sqrt(x), { positive: true }),
  one('a power', (ops, x) => ops.graph.node('Pow', [x, ops.graph.constant(3)]), { positive: true }),
  one('an exponential', (ops, x) => ops.graph.node('Exp', [x])),
  one('a cast', (ops, x) => ops.graph.node('Cast', [x], { to: 1 })),
  two('a choice', [square, ['n', 1], square], (ops, a, b) =>
    ops.where(ops.greater(ops.graph.floats([0.5, -0.5, 0.5]), ops.graph.constant(0)), a, b),
  ),
  two('a product of matrices', [['n', 4], [4, 3], square], (ops, a, b) => ops.matmul(a, b)),
  two(
    'products of matrices that share one',
    [
      ['n', 2, 3, 4],
      [1, 2, 4, 2],
      ['n', 2, 3, 2],
    ],
    (ops, a, b) => ops.matmul(a, b),
  ),
  two('a linear layer', [['n', 4], [3, 4], square], (ops, x, w) => ops.linear(x, w)),
  two('a linear layer by a matrix that is not transposed', [['n', 4], [4, 3], square], (ops, x, w) =>
    ops.graph.node('Gemm', [x, w]),
  ),
  {
    ...{ name: 'a linear layer with a bias', inputs: { x: ['n', 4], w: [3, 4], b: [3] }, dims: square },
    build: (ops, { x, w, b }) => ops.linear(x!, w!, b),
  },
  one('an order of axes', (ops, x) => ops.transpose(x, [2, 0, 1]), {
    ...{ inputs: { x: ['n', 3, 4] }, dims: [4, 'n', 3] },
  }),
  one('a reshape', (ops, x) => ops.reshape(x, [-1, 2, 3]), { inputs: { x: ['n', 6] }, dims: ['n', 2, 3] }),
  one('a reshape that keeps sizes', (ops, x) => ops.reshape(x, [0, 3, -1, 2]), {
    ...{ inputs: { x: ['n', 6, 2] }, dims: ['n', 3, 2, 2] },
  }),
  one('ranges', (ops, x) => ops.add(ops.slice(x, -1, 0, 2), ops.mul(ops.slice(x, 1, -2, 2 ** 31 - 1), 3)), {
    dims: ['n', 2],
  }),
  two('a join', [square, ['n', 2], ['n', 5]], (ops, a, b) => ops.concat([a, b], -1)),
  one('softmax', (ops, x) => ops.softmax(x)),
  one('a sum over the last axis', (ops, x) => ops.sumLast(x), { dims: ['n', 1] }),
  two('RMS norm', [['n', 6], [6], ['n', 6]], (ops, x, w) => ops.rmsNorm(x, w, 1e-2)),
  two('RMS norm of standard operators', [['n', 6], [6], ['n', 6]], (ops, x, w) =>
    new Ops(ops.graph, 'standard').rmsNorm(x, w, 1e-2),
  ),
  rotated('rotation of halves', 4, { interleaved: 0 }),
  rotated('rotation of pairs', 4, { interleaved: 1 }),
  rotated('rotation of a part', 2, { interleaved: 0, rotary_embedding_dim: 4, num_heads: 2 }),
];

const countOf = (dims: Dims): number =>
  dims.reduce<number>((product, size) => product * (size === 'n' ? n : Number(size)), 1);
const feedOf = (dims: Dims, data: Float32Array) => ({
  dims: dims.map((size) => (size === 'n' ? n : Number(size))),
  data,
});

/** The graph of a case with the gradients of its inputs. */
function graphOf({ inputs, build, dims }: Case): Uint8Array {
  const graph = new GraphBuilder('gradient');
  const ops = new Ops(graph);
  const values = Object.fromEntries(
    Object.entries(inputs).map(([name, shape]) => [name, graph.input(name, shape)]),
  );
  const y = build(ops, values);
  graph.output('y', y, dims);
  const found = addGradients(ops, new Map([[y, graph.input('incoming', dims)]]), Object.values(values));
  for (const [name, shape] of Object.entries(inputs)) graph.output(`of ${name}`, found.get(name)!, shape);
  return graph.finish();
}

function feedsOf({ inputs, dims, positive }: Case): Feeds {
  const random = new Random(5);
  const draw = (shape: Dims, around: number) =>
    feedOf(
      shape,
      random.fill(countOf(shape), (source) => around + 0.6 * (2 * source.next() - 1)),
    );
  const values = Object.entries(inputs).map(([name, shape]) => [name, draw(shape, positive ? 1 : 0)]);
  return { ...Object.fromEntries(values), incoming: draw(dims, 0) } as Feeds;
}

describe('gradients of', () => {
  /** Of float32 rounding, divided by the step: far below what any wrong factor, sign or axis gives. */
  const bound = 1e-3;

  it.each(cases.map((item) => [item.name, item] as const))('%s: finite differences', async (_, tried) => {
    const graph = await RunnableGraph.open(graphOf(tried));
    const feeds = feedsOf(tried);
    const outputs = await graph.run(feeds);
    for (const input of Object.keys(tried.inputs)) {
      const { dims, data: found } = outputs[`of ${input}`]!;
      const { data } = feeds[input]!;
      expect(dims).toEqual(feeds[input]!.dims);
      const expected: number[] = [];
      for (const index of data.keys()) {
        const direction = new Float32Array(data.length).fill(1, index, index + 1);
        const value = async (step: number): Promise<number> => {
          const { y } = await graph.run({ ...feeds, [input]: moved(feeds[input]!, direction, step) });
          return inner(y!.data, feeds['incoming']!.data);
        };
        expected.push(await derivative(value));
      }
      const largest = Math.max(0.1, ...expected.map(Math.abs));
      expected.forEach((slope, i) =>
        expect(Math.abs(found[i]! - slope), `${input} ${i}`).toBeLessThan(bound * largest),
      );
    }
    await graph.close();
  });
});

describe('a gradient', () => {
  const start = () => {
    const graph = new GraphBuilder('gradient');
    return { graph, ops: new Ops(graph), x: graph.input('x', ['n', 3]) };
  };

  it('is that of all outputs together', async () => {
    const { graph, ops, x } = start();
    const [a, b] = [ops.mul(x, 2), ops.mul(x, 3)];
    const incoming = new Map([
      [a, graph.input('a', ['n', 3])],
      [b, graph.input('b', ['n', 3])],
    ]);
    graph.output('y', addGradients(ops, incoming, [x]).get(x)!, ['n', 3]);
    const runnable = await RunnableGraph.open(graph.finish());
    const row = (...values: number[]) => ({ dims: [1, 3], data: Float32Array.from(values) });
    const { y } = await runnable.run({ x: row(0, 0, 0), a: row(1, 0, 1), b: row(0, 1, 10) });
    expect([...y!.data]).toEqual([2, 3, 32]);
    await runnable.close();
  });

  it('does not pass an operator that it does not know', () => {
    const { graph, ops, x } = start();
    const y = ops.maxLast(x);
    const incoming = new Map([[y, graph.input('g', ['n', 1])]]);
    expect(() => addGradients(ops, incoming, [x])).toThrow('Gradients cannot pass the operator ReduceMax.');
  });

  it('of shapes that only a run decides is an error that names the operator', () => {
    const { graph, ops, x } = start();
    const y = ops.slice(x, 0, 0, 1);
    expect(() => addGradients(ops, new Map([[y, y]]), [x])).toThrow(
      'Gradients cannot pass the operator Slice here: the size n is not known before a run.',
    );
    expect(() => addGradients(ops, new Map([[y, y]]), [graph.input('other', [1])])).toThrow(
      'no output depends on other',
    );
  });
});
