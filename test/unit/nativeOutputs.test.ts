import { afterAll, describe, expect, it } from 'vitest';
import { loadNative } from '../../src/native';
import { Random } from '../support/random';

const native = loadNative();
const { simd } = native;
afterAll(() => native.setSimd(simd));

const numbers = (count: number, seed: number): Float32Array => {
  const random = new Random(seed);
  return Float32Array.from({ length: count }, () => random.next() * 4 - 2);
};
type Replacement = Parameters<typeof native.outputErrors>[0];

/** By the definition, products and sums in index order. */
function expectedErrors(
  { weights, others, scales }: Replacement,
  inputs: Float32Array,
  columns: number,
  group: number,
): number[] {
  const groups = Math.ceil(columns / group);
  return Array.from({ length: (weights.length / columns) * groups }, (_, at) => {
    const [row, first] = [Math.floor(at / groups), (at % groups) * group];
    let sum = 0;
    for (let token = 0; token < inputs.length / columns; token++) {
      let output = 0;
      for (let c = first; c < Math.min(columns, first + group); c++) {
        const other = others[row * columns + c]! / (scales?.[c] ?? 1);
        output += (other - weights[row * columns + c]!) * inputs[token * columns + c]!;
      }
      sum += output * output;
    }
    return sum;
  });
}

const sizes = [
  { rows: 70, columns: 96, tokens: 130, group: 96 },
  { rows: 3, columns: 40, tokens: 65, group: 16 },
  { rows: 1, columns: 7, tokens: 1, group: 3 },
  { rows: 64, columns: 300, tokens: 64, group: 128 },
];
const cases = native.simdPaths.flatMap((path) => sizes.map((size) => ({ path, ...size })));

describe('errors of outputs', () => {
  it.each(cases)(
    'of $rows × $columns over $tokens tokens in groups of $group, with $path',
    async ({ path, rows, columns, tokens, group }) => {
      native.setSimd(path);
      const inputs = numbers(tokens * columns, 2);
      const plain = { weights: numbers(rows * columns, 1), others: numbers(rows * columns, 5) };
      const scales = numbers(columns, 6).map((value) => 2 + Math.abs(value));
      for (const replacement of [plain, { ...plain, scales }]) {
        const found = await native.outputErrors(replacement, inputs, columns, group);
        const expected = expectedErrors(replacement, inputs, columns, group);
        expect(found).toHaveLength(expected.length);
        found.forEach((error, i) => expect(Math.abs(error / expected[i]! - 1)).toBeLessThan(1e-12));
      }
    },
  );

  it('are the same with every instruction set', async () => {
    const replacement = { weights: numbers(33 * 72, 3), others: numbers(33 * 72, 7) };
    const inputs = numbers(90 * 72, 4);
    const results = [];
    for (const path of native.simdPaths) {
      native.setSimd(path);
      results.push(await native.outputErrors(replacement, inputs, 72, 32));
    }
    for (const result of results) expect(result).toEqual(results[0]);
  });

  it('rejects lengths that do not fit, and ends when it is cancelled', async () => {
    const [ten, eight] = [new Float32Array(10), new Float32Array(8)];
    await expect(native.outputErrors({ weights: ten, others: ten }, eight, 4, 4)).rejects.toThrow(
      'whole rows',
    );
    await expect(native.outputErrors({ weights: eight, others: ten }, eight, 4, 4)).rejects.toThrow('others');
    const large = new Float32Array(256 * 256);
    const cancelled = native.outputErrors(
      { weights: large, others: large },
      large,
      256,
      256,
      AbortSignal.abort(),
    );
    await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

it('columns are scaled', async () => {
  const [source, scales] = [numbers(1000 * 70, 8), numbers(70, 9)];
  const expected = source.map((value, i) => value * scales[i % 70]!);
  expect(await native.scaleColumns(source, scales)).toEqual(expected);
});

describe('limits of groups', () => {
  const rows = Float32Array.of(1, -3, 2, 0.5, -0.25, 0, 4, -5, 6, -7);

  it('are the largest magnitudes of consecutive columns, the last group being shorter', async () => {
    expect(await native.groupLimits(rows, 5, 2)).toEqual(Float32Array.of(3, 2, 0.25, 4, 6, 7));
    expect(await native.groupLimits(rows, 5, 9)).toEqual(Float32Array.of(3, 7));
  });

  it('hold weights back', async () => {
    const limited = await native.limitGroups(rows, 5, 2, Float32Array.of(2, 1, 1, 10, 0, 6.5));
    expect(limited).toEqual(Float32Array.of(1, -2, 1, 0.5, -0.25, 0, 4, -0, 0, -6.5));
  });

  it('are one for each group', async () => {
    await expect(native.limitGroups(rows, 5, 2, new Float32Array(5))).rejects.toThrow(
      'limits has 5 elements where 6 are needed',
    );
  });
});
