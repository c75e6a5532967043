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

/** By the definition, products and sums in index order. */
function expectedErrors(
  differences: Float32Array,
  inputs: Float32Array,
  columns: number,
  group: number,
): number[] {
  const groups = Math.ceil(columns / group);
  return Array.from({ length: (differences.length / columns) * groups }, (_, at) => {
    const [row, first] = [Math.floor(at / groups), (at % groups) * group];
    let sum = 0;
    for (let token = 0; token < inputs.length / columns; token++) {
      let output = 0;
      for (let c = first; c < Math.min(columns, first + group); c++)
        output += differences[row * columns + c]! * inputs[token * columns + c]!;
      sum += output * output;
    }
    return sum;
  });
}

describe('errors of outputs', () => {
  it.each(
    native.simdPaths.flatMap((path) =>
      [
        { rows: 70, columns: 96, tokens: 130, group: 96 },
        { rows: 3, columns: 40, tokens: 65, group: 16 },
        { rows: 1, columns: 7, tokens: 1, group: 3 },
        { rows: 64, columns: 300, tokens: 64, group: 128 },
      ].map((size) => ({ path, ...size })),
    ),
  )(
    'of $rows × $columns over $tokens tokens in groups of $group, with $path',
    async ({ path, rows, columns, tokens, group }) => {
      native.setSimd(path);
      const [differences, inputs] = [numbers(rows * columns, 1), numbers(tokens * columns, 2)];
      const found = await native.outputErrors(differences, inputs, columns, group);
      const expected = expectedErrors(differences, inputs, columns, group);
      expect(found).toHaveLength(expected.length);
      found.forEach((error, i) => expect(Math.abs(error / expected[i]! - 1)).toBeLessThan(1e-13));
    },
  );

  it('are the same with every instruction set', async () => {
    const [differences, inputs] = [numbers(33 * 72, 3), numbers(90 * 72, 4)];
    const results = [];
    for (const path of native.simdPaths) {
      native.setSimd(path);
      results.push(await native.outputErrors(differences, inputs, 72, 32));
    }
    for (const result of results) expect(result).toEqual(results[0]);
  });

  it('rejects lengths that do not fit, and ends when it is cancelled', async () => {
    await expect(native.outputErrors(new Float32Array(10), new Float32Array(8), 4, 4)).rejects.toThrow(
      'whole rows',
    );
    await expect(native.outputErrors(new Float32Array(8), new Float32Array(8), 4, 0)).rejects.toThrow();
    const aborted = AbortSignal.abort();
    const large = new Float32Array(256 * 256);
    await expect(native.outputErrors(large, large, 256, 256, aborted)).rejects.toMatchObject({
      code: 'CANCELLED',
    });
  });
});
