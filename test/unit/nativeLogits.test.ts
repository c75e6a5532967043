import { afterEach, describe, expect, it } from 'vitest';
import { loadNative } from '../../src/native';
import { Random } from '../support/random';

const native = loadNative();
const widest = native.simd;
const perRow = 9;

afterEach(() => {
  native.setSimd(widest);
  native.setThreads(2);
});

/** The nine sums of one row by their definitions, in float64 and in two passes. */
function reference(logits: Float32Array, base: Float32Array | undefined, target: number): number[] {
  const ofModel = (x: Float32Array): number[] => {
    const maximum = x.reduce((a, b) => Math.max(a, b), -Infinity);
    const sum = x.reduce((total, value) => total + (value === -Infinity ? 0 : Math.exp(value - maximum)), 0);
    return [maximum, sum, x[target] ?? NaN, maximum === -Infinity ? -1 : x.indexOf(maximum)];
  };
  if (!base) return [...ofModel(logits), NaN, NaN, NaN, NaN, NaN];
  const sums = ofModel(base);
  const difference = base.reduce((total, b, i) => {
    const weight = Math.exp(b - sums[0]!);
    return weight === 0 ? total : total + weight * (b - logits[i]!);
  }, 0);
  return [...ofModel(logits), ...sums, difference];
}

/** Sums of [rows, vocabulary] logits, taken in slices of `step` tokens. */
async function accumulate(
  logits: Float32Array,
  base: Float32Array | undefined,
  targets: Int32Array,
  step: number,
): Promise<Float64Array> {
  const rows = targets.length;
  const vocabulary = logits.length / rows;
  const sums = new Float64Array(rows * perRow).fill(123);
  for (let first = 0; first < vocabulary; first += step) {
    const columns = Math.min(step, vocabulary - first);
    const slice = (all: Float32Array): Float32Array => {
      const out = new Float32Array(rows * columns);
      for (let row = 0; row < rows; row++) {
        const start = row * vocabulary + first;
        out.set(all.subarray(start, start + columns), row * columns);
      }
      return out;
    };
    await native.accumulateLogits(slice(logits), base && slice(base), columns, first, targets, sums);
  }
  return sums;
}

const rowOf = async (logits: number[], base: number[], step = 2): Promise<number[]> =>
  Array.from(
    await accumulate(Float32Array.from(logits), Float32Array.from(base), Int32Array.of(0), step),
    (value) => value,
  );

function expectClose(found: ArrayLike<number>, expected: readonly number[], label: string): void {
  expected.forEach((value, i) => {
    const error = Math.abs(found[i]! - value) / Math.max(1e-300, Math.abs(value));
    if (Object.is(found[i], value) || (value === 0 && found[i] === 0)) return;
    expect(error, `${label}, sum ${i}: ${found[i]} instead of ${value}`).toBeLessThan(1e-10);
  });
}

describe('sums over logits', () => {
  it.each([
    [1, 1],
    [7, 3],
    [1023, 1023],
    [1025, 1025],
    [3001, 1000],
    [5003, 17],
  ])('of a vocabulary of %i in slices of %i are those of the definition', async (vocabulary, step) => {
    const random = new Random(vocabulary);
    const rows = 5;
    const base = random.fill(rows * vocabulary, () => random.normal() * 6);
    const logits = base.map((value) => value + random.normal());
    const targets = Int32Array.from({ length: rows }, (_, row) =>
      row === 2 ? -1 : Math.floor(random.next() * vocabulary),
    );
    for (const withBase of [base, undefined]) {
      const sums = await accumulate(logits, withBase, targets, step);
      for (let row = 0; row < rows; row++) {
        const slice = (x: Float32Array): Float32Array => x.subarray(row * vocabulary, (row + 1) * vocabulary);
        const expected = reference(slice(logits), withBase && slice(withBase), targets[row]!);
        expectClose(sums.subarray(row * perRow), expected, `row ${row}`);
      }
    }
  });

  it('keep their precision where logits grow from slice to slice and are far from 0', async () => {
    const vocabulary = 4000;
    const logits = Float32Array.from({ length: vocabulary }, (_, i) => 9000 + i / 8);
    const base = Float32Array.from({ length: vocabulary }, (_, i) => -9000 + i / 8 + Math.sin(i) / 64);
    const sums = await accumulate(logits, base, Int32Array.of(3999), 33);
    expectClose(sums, reference(logits, base, 3999), 'growing');
  });

  it('have terms that are exact to 1e-11, down to the smallest normal number', async () => {
    const exponents = Float32Array.from({ length: 2000 }, (_, i) => -i * 0.37);
    const base = Float32Array.from({ length: 4000 }, (_, i) => (i % 2 === 0 ? 0 : exponents[(i - 1) / 2]!));
    // The only difference of a row is that of its second token: the last sum is that token's term times the difference.
    const logits = base.map((value, i) => (i % 2 === 0 ? 0 : value - 1));
    const sums = await accumulate(logits, base, new Int32Array(2000), 2);
    for (let row = 1; row < 2000; row++) {
      const expected = Math.exp(exponents[row]!) * (base[2 * row + 1]! - logits[2 * row + 1]!);
      const tolerance = exponents[row]! < -708 ? 1e-300 : 1e-11 * expected;
      expect(Math.abs(sums[row * perRow + 8]! - expected), `e^${exponents[row]}`).toBeLessThan(tolerance);
    }
  });

  it('of equal logits cancel out', async () => {
    const logits = new Random(3).fill(2 * 3000, (random) => random.normal() * 9);
    const sums = await accumulate(logits, logits, Int32Array.of(1, 2), 700);
    for (const start of [0, perRow]) {
      expect(sums[start + 8]).toBe(0);
      expect(sums.subarray(start, start + 4)).toEqual(sums.subarray(start + 4, start + 8));
    }
  });

  it('name the first of equally large logits', async () => {
    const ties = new Float32Array(3000);
    ties[1500] = ties[1200] = ties[2999] = 2;
    expect((await accumulate(ties, undefined, Int32Array.of(-1), 700))[3]).toBe(1200);
    expect((await accumulate(Float32Array.of(-0, 0), undefined, Int32Array.of(-1), 1))[3]).toBe(0);
  });

  it.each([
    ['scalar', 1],
    ['AVX2', 2],
    ['AVX-512', 3],
    ['NEON', 1],
  ])('are the same on %s with %i threads', async (path, threads) => {
    if (!native.simdPaths.includes(path)) return;
    const base = new Random(8).fill(7 * 2051, (random) => random.studentT3() * 4);
    const logits = new Random(9).fill(base.length, (random) => random.studentT3() * 4);
    const targets = new Int32Array(7).fill(11);
    const expected = await accumulate(logits, base, targets, 1030);
    native.setSimd(path);
    native.setThreads(threads);
    expect(await accumulate(logits, base, targets, 1030)).toEqual(expected);
  });
});

describe('logits that are not numbers', () => {
  it('masked tokens add nothing', async () => {
    const masked = await rowOf([-Infinity, 1, 2, -Infinity], [-Infinity, 3, 1, -Infinity]);
    const plain = reference(Float32Array.of(1, 2), Float32Array.of(3, 1), -1);
    expectClose(
      masked.filter((_, i) => i % 4 < 2),
      plain.filter((_, i) => i % 4 < 2),
      'masked',
    );
    expect([masked[2], masked[3], masked[7]]).toEqual([-Infinity, 2, 1]);
  });

  it('a row without any token has an empty sum and no top token', async () => {
    const sums = await rowOf([-Infinity, -Infinity, -Infinity], [0, -Infinity, 0]);
    expect(sums.slice(0, 4)).toEqual([-Infinity, 0, -Infinity, -1]);
    expect(sums.slice(4, 8)).toEqual([0, 2, 0, 0]);
    expect(sums[8]).toBe(Infinity);
  });

  it('a token that only the model masks makes the difference infinite; one that only the base masks does not', async () => {
    expect((await rowOf([-Infinity, 1, 2], [1, 1, 2]))[8]).toBe(Infinity);
    expect((await rowOf([1, 1, 2], [-Infinity, 1, 2]))[8]).toBe(0);
  });

  it.each([
    ['NaN', NaN],
    ['+∞', Infinity],
  ])('%s anywhere makes the sums of its model NaN', async (_, bad) => {
    for (const at of [0, 1, 4]) {
      const broken = [1, 2, 3, 4, 5];
      broken[at] = bad;
      for (const step of [1, 2, 5]) {
        const ofModel = await rowOf(broken, [5, 4, 3, 2, 1], step);
        expect([ofModel[0], ofModel[1], ofModel[3]]).toEqual([NaN, NaN, NaN]);
        expect(ofModel.slice(4, 8)).toEqual([5, expect.closeTo(1.571317, 5), 5, 0]);
        const ofBase = await rowOf([5, 4, 3, 2, 1], broken, step);
        expect([ofBase[4], ofBase[5], ofBase[7], ofBase[8]]).toEqual([NaN, NaN, NaN, NaN]);
        expect(ofBase.slice(0, 4)).toEqual([5, expect.closeTo(1.571317, 5), 5, 0]);
      }
    }
  });

  it('a NaN among masked tokens is detected, too', async () => {
    const sums = await rowOf([-Infinity, NaN, -Infinity], [1, 1, 1], 3);
    expect([sums[0], sums[1], sums[3]]).toEqual([NaN, NaN, NaN]);
  });
});

describe('invalid calls', () => {
  const call = (base: number, targets: number, sums: number, signal?: AbortSignal): Promise<void> =>
    native.accumulateLogits(
      new Float32Array(12),
      new Float32Array(base),
      4,
      0,
      new Int32Array(targets),
      new Float64Array(sums),
      signal,
    );

  it('lengths that do not match are rejected', async () => {
    await expect(call(11, 3, 27)).rejects.toThrow('base has 11 elements where 12 are needed');
    await expect(call(12, 4, 27)).rejects.toThrow('targets has 4 elements where 3 are needed');
    await expect(call(12, 3, 24)).rejects.toThrow('sums has 24 elements where 27 are needed');
    const targets = new Int32Array(1);
    const ragged = native.accumulateLogits(
      new Float32Array(5),
      undefined,
      4,
      0,
      targets,
      new Float64Array(9),
    );
    await expect(ragged).rejects.toThrow('do not form whole rows of 4');
  });

  it('a cancelled call is rejected as cancelled', async () => {
    await expect(call(12, 3, 27, AbortSignal.abort())).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});
