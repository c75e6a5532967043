import { describe, expect, it } from 'vitest';
import { GradientSums } from '../../../src/evaluation/gradientSums';

const product = (tensor: string, rows: number, gradients: readonly number[], expert?: number) => ({
  ...{ tensor, rows, columns: 1, gradients: Float32Array.from(gradients), inputs: new Float32Array(0) },
  ...(expert === undefined ? {} : { expert }),
});

describe('sums of gradients', () => {
  it('are those of all runs of a matrix, expert by expert', async () => {
    const sums = new GradientSums();
    await sums.add(product('a', 2, [1, 2, 3, -1]));
    await sums.add(product('b', 2, [1, 1], 0));
    await sums.add(product('b', 2, [2, 0], 1));
    await sums.add(product('a', 2, [0, 4]));
    expect(sums.finish()).toEqual([
      {
        tensor: 'a',
        tokens: 3,
        diagonal: Float64Array.of(10, 21),
        covariance: Float64Array.of(10, -1, -1, 21),
      },
      {
        ...{ tensor: 'b', expert: 0, tokens: 1 },
        ...{ diagonal: Float64Array.of(1, 1), covariance: Float64Array.of(1, 1, 1, 1) },
      },
      {
        ...{ tensor: 'b', expert: 1, tokens: 1 },
        ...{ diagonal: Float64Array.of(4, 0), covariance: Float64Array.of(4, 0, 0, 0) },
      },
    ]);
  });

  it('of outputs with many channels are diagonals', async () => {
    const sums = new GradientSums(2);
    await sums.add(product('wide', 3, [1, 2, 3]));
    await sums.add(product('wide', 3, [1, 0, 1]));
    expect(sums.finish()).toEqual([{ tensor: 'wide', tokens: 2, diagonal: Float64Array.of(2, 4, 10) }]);
  });
});
