import { describe, expect, it } from 'vitest';
import { loadNative } from '../../../src/native';
import { adam } from '../../../src/refinement/adam';
import { Random } from '../../support/random';

const state = (values: ArrayLike<number>) => ({
  values: Float32Array.from(values),
  first: new Float32Array(values.length),
  second: new Float32Array(values.length),
});

describe('adam', () => {
  it('moves each number by the rate and its unit where the gradient stays the same, whatever its size', async () => {
    const own = state([1, 1, 1, 1]);
    const units = { values: Float32Array.of(1, 10), per: 2 };
    const gradient = Float32Array.of(1e-6, -1e6, 3, 0);
    for (let step = 1; step <= 5; step++) await adam(own, gradient, { step, rate: 0.01 }, units);
    const expected = [1 - 0.05, 1 + 0.05, 1 - 0.5, 1];
    own.values.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 4));
  });

  it('is the algorithm of the paper in float64, whatever the threads and the numbers that share a unit', async () => {
    const size = 150_001;
    const per = 48;
    const random = new Random(5);
    const own = state(random.fill(size, () => random.normal()));
    const units = random.fill(Math.ceil(size / per), () => random.next());
    const plain = { values: own.values.slice(), first: own.first.slice(), second: own.second.slice() };
    for (let step = 1; step <= 3; step++) {
      const gradient = random.fill(size, () => random.normal() * 10 ** (6 * random.next() - 3));
      loadNative().setThreads(step);
      await adam(own, gradient, { step, rate: 0.1 }, { values: units, per });
      for (let i = 0; i < size; i++) {
        const g = gradient[i]!;
        const mean = 0.9 * plain.first[i]! + (1 - 0.9) * g;
        const square = 0.99 * plain.second[i]! + (1 - 0.99) * g * g;
        const reach = (0.1 / (1 - 0.9 ** step)) * units[Math.floor(i / per)]!;
        plain.values[i]! -= (reach * mean) / (Math.sqrt(square * (1 / (1 - 0.99 ** step))) + 1e-12);
        plain.first[i] = mean;
        plain.second[i] = square;
      }
    }
    expect(Buffer.from(own.values.buffer).equals(Buffer.from(plain.values.buffer))).toBe(true);
    expect(Buffer.from(own.first.buffer).equals(Buffer.from(plain.first.buffer))).toBe(true);
    expect(Buffer.from(own.second.buffer).equals(Buffer.from(plain.second.buffer))).toBe(true);
  });

  it('rejects lists whose lengths do not match', async () => {
    const own = state([1, 2, 3]);
    const step = { step: 1, rate: 1 };
    const units = { values: Float32Array.of(1), per: 3 };
    await expect(adam(own, new Float32Array(2), step, units)).rejects.toThrow('the gradient has 2 elements');
    await expect(adam(own, new Float32Array(3), step, { ...units, per: 2 })).rejects.toThrow('units has 1');
  });
});
