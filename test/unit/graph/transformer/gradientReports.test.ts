import { expect, it } from 'vitest';
import { report, type ProductGradients } from '../../../../src/graph/transformer/gradientReports';
import { floatTensor, type LoadedGraph } from '../../../../src/graph/transformer/graphLoader';
import type { BlockShape } from '../../../../src/graph/transformer/blockShape';

it.each([
  [undefined, [3]],
  [1, [0]],
  [2, [0, 1]],
])(
  'a matrix is that of the expert, or of the head where there is one for each: %s heads',
  async (members, expected) => {
    const found: ProductGradients[] = [];
    const tokens = 2;
    const rows = floatTensor(
      Float32Array.from({ length: tokens * (members ?? 1) }, (_, i) => i),
      [tokens * (members ?? 1), 1],
    );
    const own = members === undefined ? {} : { members };
    const product = { part: 'p.weight', rows: 1, columns: 1, gradient: 'g', input: 'x', ...own };
    const graph = { products: [product] } as unknown as LoadedGraph;
    const receive = (one: ProductGradients) => Promise.resolve(void found.push(one));
    await report(
      graph,
      { g: rows, x: rows },
      { index: 7 } as BlockShape,
      { receiver: { kind: 'outputs', receive } },
      3,
    );
    expect(found.map(({ expert }) => expert)).toEqual(expected);
    expect(found.map(({ tensor }) => tensor)).toEqual(expected.map(() => 'blk.7.p.weight'));
    expect(found.map(({ gradients }) => [...gradients])).toEqual(expected.map((_, i) => [2 * i, 2 * i + 1]));
  },
);
