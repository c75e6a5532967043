import type { Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { TapSums } from '../../../../src/graph/transformer/tapSums';
import { Random } from '../../../support/random';

const tap = {
  parts: ['attn_q.weight'],
  columns: 2,
  others: [],
  ...{ squares: 'squares', sums: 'sums', largest: 'largest', rows: 'rows' },
};
const outputsOf = (values: Readonly<Record<string, Float32Array>>): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(values).map(([name, data]) => [name, { data } as unknown as Tensor]));

describe('sums over the runs of a graph', () => {
  it('of XᵀX are exact to the last bit of the inputs, however many runs there are', async () => {
    const random = new Random(8);
    const sums = new TapSums([tap], 'blk.0.', { grams: true });
    // Whole numbers below 2^16: 15,000 of their products have less than 53 bits, which float32 sums would not hold.
    const exact = [0n, 0n, 0n, 0n];
    const zeros = new Float32Array(2);
    for (let run = 0; run < 5000; run++) {
      const rows = Float32Array.from({ length: 6 }, () => Math.floor(random.next() * 2 ** 16));
      for (let row = 0; row < 3; row++) {
        const [x, y] = [...rows.subarray(2 * row, 2 * row + 2)].map(BigInt) as [bigint, bigint];
        [x * x, x * y, y * x, y * y].forEach((product, i) => (exact[i]! += product));
      }
      await sums.add(outputsOf({ rows, squares: zeros, sums: zeros, largest: zeros }), 3);
    }
    const [found] = sums.finish();
    expect(found!.rows).toBe(15_000);
    expect([...found!.gram!]).toEqual(exact.map(Number));
    expect(found!.samples).toBeUndefined();
  });
});
