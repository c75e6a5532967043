import { describe, expect, it } from 'vitest';
import { adam } from '../../../src/refinement/adam';
import { Random } from '../../support/random';

const state = (values: ArrayLike<number>) => ({
  values: Float32Array.from(values),
  first: new Float32Array(values.length),
  second: new Float32Array(values.length),
});

describe('adam', () => {
  it('moves each number by the rate and its unit where the gradient stays the same, whatever its size', () => {
    const own = state([1, 1, 1, 1]);
    const units = { values: Float32Array.of(1, 10), per: 2 };
    const gradient = Float32Array.of(1e-6, -1e6, 3, 0);
    for (let step = 1; step <= 5; step++) adam(own, gradient, { step, rate: 0.01 }, units);
    const expected = [1 - 0.05, 1 + 0.05, 1 - 0.5, 1];
    own.values.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 4));
  });

  it('is the algorithm of the paper', () => {
    const random = new Random(5);
    const own = state([0.3]);
    let [value, mean, square] = [0.3, 0, 0];
    for (let step = 1; step <= 20; step++) {
      const g = random.normal();
      adam(own, Float32Array.of(g), { step, rate: 0.1 }, { values: Float32Array.of(1), per: 1 });
      mean = 0.9 * mean + 0.1 * g;
      square = 0.99 * square + 0.01 * g * g;
      value -= (0.1 * mean) / (1 - 0.9 ** step) / Math.sqrt(square / (1 - 0.99 ** step));
    }
    expect(own.values[0]).toBeCloseTo(value, 5);
  });
});
