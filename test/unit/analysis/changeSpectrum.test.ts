import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { changeSpectrum } from '../../../src/analysis/spectrum/changeSpectrum';
import { symmetricEigen } from '../../../src/analysis/spectrum/eigen';
import { matchTensors } from '../../../src/analysis/matchTensors';
import { writeSafetensors } from '../../../src/exporter/writeSafetensors';
import { MatrixProducts } from '../../../src/graph/matrixProducts';
import { openModel } from '../../../src/layouts/openModel';
import { spectrumSentence, type ChangeSpectrum } from '../../../src/protocol/spectrum';
import { temporaryFolder } from '../../support/files';
import { Random } from '../../support/random';

const folder = temporaryFolder();
let products: MatrixProducts;
beforeAll(async () => {
  products = await MatrixProducts.open();
});
afterAll(() => products.close());

type Matrix = { readonly values: Float32Array; readonly shape: readonly number[] };
let files = 0;

/** Writes both sides in a dtype and takes the spectrum of the change. */
async function spectrumOf(a: Matrix, b: Matrix, dtype: 'F32' | 'BF16' = 'F32'): Promise<ChangeSpectrum> {
  const write = async ({ values, shape }: Matrix): Promise<string> => {
    const data = dtype === 'F32' ? new Uint8Array(values.slice().buffer) : bf16(values);
    const path = join(folder, `m${files++}.safetensors`);
    await writeSafetensors(path, [{ name: 'w', dtype, shape, data: () => [data] }], {});
    return path;
  };
  const models = [await openModel(await write(a)), await openModel(await write(b))] as const;
  try {
    const { pairs } = await matchTensors(...models);
    return await changeSpectrum(...models, pairs[0]!, products);
  } finally {
    for (const model of models) await model.close();
  }
}

/** Rounded to the nearest, ties to even. */
function bf16(values: Float32Array): Uint8Array {
  const bits = new Uint32Array(values.slice().buffer);
  return new Uint8Array(
    Uint16Array.from(bits, (word) => (word + 0x7fff + ((word >>> 16) & 1)) >>> 16).buffer,
  );
}

const random = new Random(7);
const noise = (rows: number, columns: number, scale: number): Matrix => ({
  values: random.fill(rows * columns, (source) => scale * source.normal()),
  shape: [rows, columns],
});

/** A + left · right of a rank, in float64. */
function plusLowRank({ values, shape }: Matrix, rank: number, scale: number): Matrix {
  const [rows = 0, columns = 0] = shape;
  const [left, right] = [noise(rows, rank, scale).values, noise(rank, columns, scale).values];
  const sum = values.map((value, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    let total = value;
    for (let k = 0; k < rank; k++) total += left[row * rank + k]! * right[k * columns + column]!;
    return total;
  });
  return { values: sum, shape };
}

/** All singular values of B − A, in float64, from the Gram matrix of the smaller side. */
function reference(a: Matrix, b: Matrix): number[] {
  const [rows = 0, columns = 0] = a.shape;
  const difference = Float64Array.from(b.values, (value, i) => Math.fround(value - a.values[i]!));
  const size = Math.min(rows, columns);
  const [step, across] = rows < columns ? [columns, 1] : [1, columns];
  const gram = new Float64Array(size * size);
  for (let i = 0; i < size; i++)
    for (let j = 0; j < size; j++)
      for (let k = 0; k < Math.max(rows, columns); k++)
        gram[i * size + j]! += difference[i * step + k * across]! * difference[j * step + k * across]!;
  return [...symmetricEigen(gram, size).values].map((value) => Math.sqrt(Math.max(0, value)));
}

describe('symmetricEigen', () => {
  it('finds values and vectors of a matrix that is built of them', () => {
    const matrix = Float64Array.of(2, -1, 0, -1, 2, -1, 0, -1, 2);
    const { values, vectors } = symmetricEigen(matrix, 3);
    [2 + Math.SQRT2, 2, 2 - Math.SQRT2].forEach((value, i) => expect(values[i]).toBeCloseTo(value, 12));
    for (let i = 0; i < 3; i++)
      for (let row = 0; row < 3; row++) {
        const product = [0, 1, 2].reduce((sum, k) => sum + matrix[row * 3 + k]! * vectors[i * 3 + k]!, 0);
        expect(product).toBeCloseTo(values[i]! * vectors[i * 3 + row]!, 12);
      }
  });
});

describe('the singular values of a change', () => {
  it.each([
    [60, 200],
    [200, 60],
  ])('are those of a float64 reference for %d × %d', async (rows, columns) => {
    const [a, b] = [noise(rows, columns, 1), noise(rows, columns, 1)];
    const { singularValues, isComplete, norm, baseNorm, shares } = await spectrumOf(a, b);
    const expected = reference(a, b);
    expect(isComplete).toBe(true);
    expect(singularValues).toHaveLength(60);
    singularValues.forEach((value, i) => expect(value / expected[i]!).toBeCloseTo(1, 5));
    const energy = expected.reduce((sum, value) => sum + value ** 2, 0);
    expect(norm / Math.sqrt(energy)).toBeCloseTo(1, 6);
    expect(baseNorm).toBeCloseTo(Math.hypot(...a.values), 3);
    const first8 = expected.slice(0, 8).reduce((sum, value) => sum + value ** 2, 0) / energy;
    expect(shares.find(({ count }) => count === 8)?.share).toBeCloseTo(first8, 5);
  });

  it('are nearly those of a reference where only the largest are looked for', async () => {
    const a = noise(180, 160, 1);
    // Falling by a few per cent from one to the next, as those of a fine-tune do.
    let b = a;
    for (let step = 0; step < 30; step++) b = plusLowRank(b, 2, 0.9 ** (step / 2));
    const { singularValues, isComplete } = await spectrumOf(a, b);
    const expected = reference(a, b);
    expect(isComplete).toBe(true); // a sum of sixty directions has no more
    expect(singularValues).toHaveLength(60);
    singularValues.forEach((value, i) => expect(value / expected[i]!).toBeCloseTo(1, 3));
  });

  it('are a few per cent too small where they hardly fall, and never too large', async () => {
    const [a, b] = [noise(180, 160, 1), noise(180, 160, 1)];
    const { singularValues, isComplete, kind } = await spectrumOf(a, b);
    const expected = reference(a, b);
    expect(isComplete).toBe(false);
    expect(singularValues).toHaveLength(128);
    singularValues.slice(0, 64).forEach((value, i) => {
      expect(value / expected[i]!).toBeGreaterThan(0.95);
      expect(value / expected[i]!).toBeLessThan(1.0001);
    });
    expect(kind).toBe('spread');
  });
});

describe('what a change looks like', () => {
  const base = noise(160, 200, 0.02);

  it.each([
    [1, 'F32'],
    [8, 'F32'],
    [8, 'BF16'],
    [32, 'BF16'],
  ] as const)('a merged LoRA of rank %d is found in %s', async (rank, dtype) => {
    const found = await spectrumOf(base, plusLowRank(base, rank, 0.03), dtype);
    expect(found).toMatchObject({ kind: 'low rank', rank });
    expect(spectrumSentence(found)).toMatch(new RegExp(`LoRA of rank ${rank}: .* ${dtype} causes`));
  });

  it('noise as that of quantizing is spread', async () => {
    const changed = base.values.map((value) => value + 0.001 * random.normal());
    expect(await spectrumOf(base, { ...base, values: changed })).toMatchObject({ kind: 'spread', rank: 0 });
  });

  it('directions that stand out of noise are counted, and are not called a LoRA', async () => {
    const changed = plusLowRank(base, 4, 0.1);
    const values = changed.values.map((value) => value + 0.001 * random.normal());
    const found = await spectrumOf(base, { ...base, values });
    expect(found).toMatchObject({ kind: 'directions', rank: 4 });
    expect(spectrumSentence(found)).toMatch(/^4 directions stand out and hold 9\d\.\d %/);
  });

  it('a change of full rank with a falling spectrum is not of low rank', async () => {
    let changed = base;
    for (let step = 0; step < 90; step++) changed = plusLowRank(changed, 1, 0.1 * 0.97 ** step);
    expect(await spectrumOf(base, changed)).toMatchObject({ kind: 'full', rank: 90 });
  });

  it('no change has no directions', async () => {
    expect(await spectrumOf(base, base)).toMatchObject({ kind: 'none', rank: 0, singularValues: [] });
  });

  it('is an error for what is not a matrix or not finite', async () => {
    const vector = noise(1, 300, 1);
    await expect(spectrumOf(vector, vector)).rejects.toThrow(/only matrices have singular values/);
    const values = base.values.slice();
    values[5] = NaN;
    await expect(spectrumOf(base, { ...base, values })).rejects.toThrow(/NaN or infinities/);
  });
});
