import { afterAll, describe, expect, it } from 'vitest';
import { loadNative } from '../../src/native';
import { Random } from '../support/random';

const native = loadNative();
const widest = native.simd;

afterAll(() => {
  native.setSimd(widest);
});

/** The same sums as plain loops. */
function gramOf(rows: Float32Array, columns: number): Float64Array {
  const gram = new Float64Array(columns * columns);
  for (let t = 0; t < rows.length; t += columns) {
    for (let i = 0; i < columns; i++) {
      for (let j = 0; j < columns; j++) gram[i * columns + j]! += rows[t + i]! * rows[t + j]!;
    }
  }
  return gram;
}
describe.each(native.simdPaths)('accumulateGram, %s', (path) => {
  it.each([
    ['fewer columns than a panel', 5, 7],
    ['whole panels', 64, 128],
    ['a panel that is cut, more rows than are converted at a time', 300, 70],
  ])('adds exact products in order: %s', async (_, tokens, columns) => {
    native.setSimd(path);
    const rows = new Random(tokens).fill(tokens * columns, (random) => random.normal());
    const gram = new Float64Array(columns * columns);
    const cut = Math.floor(tokens / 3) * columns;
    await native.accumulateGram(rows.subarray(0, cut), columns, gram);
    await native.accumulateGram(rows.subarray(cut), columns, gram);
    expect(gram).toEqual(gramOf(rows, columns));
  });
});

it('rejects sums of another size, and rows that are not whole', async () => {
  await expect(native.accumulateGram(new Float32Array(8), 4, new Float64Array(15))).rejects.toThrow(
    'gram has 15 elements where 16 are needed',
  );
  await expect(native.accumulateGram(new Float32Array(7), 4, new Float64Array(16))).rejects.toThrow(
    '7 weights do not form whole rows of 4',
  );
});

it('stops when it is cancelled', async () => {
  const signal = AbortSignal.abort();
  const cancelled = native.accumulateGram(new Float32Array(4), 4, new Float64Array(16), signal);
  await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
});
