import type { Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { TapSums } from '../../../../src/graph/transformer/tapSums';
import { Random } from '../../../support/random';

const tap = {
  parts: ['attn_q.weight'],
  columns: 2,
  ...{ squares: 'squares', sums: 'sums', largest: 'largest', grams: ['gram'] },
};
const outputsOf = (values: Readonly<Record<string, Float32Array>>): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(values).map(([name, data]) => [name, { data } as unknown as Tensor]));

describe('sums over the runs of a graph', () => {
  it('of XᵀX are exact to the last bit of what the runs give, however many there are', () => {
    const random = new Random(8);
    const sums = new TapSums([tap], 'blk.0.');
    // Multiples of 2^-10 below 2^14: their sum has less than 53 bits, so that float64 adds them exactly, in any order.
    const exact = [0n, 0n, 0n, 0n];
    for (let run = 0; run < 5000; run++) {
      const steps = exact.map(() => Math.floor(random.next() * 2 ** 24));
      steps.forEach((step, i) => (exact[i]! += BigInt(step)));
      const gram = Float32Array.from(steps, (step) => step / 1024);
      const zeros = new Float32Array(2);
      sums.add(outputsOf({ gram, squares: zeros, sums: zeros, largest: zeros }), 3);
    }
    const [found] = sums.finish();
    expect(found!.rows).toBe(15_000);
    expect([...found!.gram!]).toEqual(exact.map((sum) => Number(sum) / 1024));
  });
});
