import { describe, expect, it } from 'vitest';
import { formats, formatById } from '../../../src/quant/catalogue';
import { fakeQuantize } from '../../../src/quant/fakeQuantize';
import { Random } from '../../support/random';
import { decodeEncoded, encodeIn } from '../../../src/quant/codec';

const columns = 512;
const values = new Random(31).fill(24 * columns, (random) => random.studentT3() * 0.05);
const importance = new Random(32).fill(columns, (random) => random.normal() ** 2 + 0.01);
const range = {
  min: values.reduce((a, b) => Math.min(a, b)),
  max: values.reduce((a, b) => Math.max(a, b)),
};

/** Largest magnitude of a difference. */
const farthest = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);

describe('what a format stores of weights', () => {
  it.each(formats.filter((format) => format.refuse([24, columns]) === undefined))(
    '$id: is what encoding and decoding give',
    async (format) => {
      const found = values.slice();
      await fakeQuantize(format, found, columns, range);
      expect(found).toEqual(await decodeEncoded(await encodeIn(format, values, columns, range)));
      expect(found).not.toEqual(values);
    },
  );

  it('is the same whether rows come at once or in parts, tensor-wide formats by the extremes of the tensor', async () => {
    // 2100 rows of 512 are more than one slice.
    const many = new Random(33).fill(2100 * columns, (random) => random.normal());
    const whole = { min: -9, max: 10 };
    for (const id of ['absmax-int8', 'Q8_0', 'nf4']) {
      const [atOnce, parts] = [many.slice(), many.slice()];
      await fakeQuantize(formatById(id), atOnce, columns, whole);
      for (const [first, end] of [
        [0, 1],
        [1, 1500],
        [1500, 2100],
      ] as const)
        await fakeQuantize(formatById(id), parts.subarray(first * columns, end * columns), columns, whole);
      expect(farthest(parts, atOnce), id).toBe(0);
      expect(farthest(parts, many), id).toBeGreaterThan(0.001);
    }
    const coarse = many.slice(0, columns);
    await fakeQuantize(formatById('absmax-int8'), coarse, columns, whole);
    expect(Math.abs(farthest(coarse, many.subarray(0, columns)) / (10 / 254) - 1)).toBeLessThan(0.05);
  });

  it('follows importance weights where the format takes them', async () => {
    const weighted = async (id: string, weights?: Float32Array): Promise<Float32Array> => {
      const found = values.slice();
      await fakeQuantize(formatById(id), found, columns, range, { importance: weights });
      return found;
    };
    const error = (found: Float32Array): number =>
      found.reduce((sum, value, i) => sum + importance[i % columns]! * (value - values[i]!) ** 2, 0);
    for (const id of ['Q4_0', 'Q3_K', 'IQ4_XS'])
      expect(error(await weighted(id, importance)), id).toBeLessThan(error(await weighted(id)));
    expect(await weighted('IQ2_XXS', importance)).not.toEqual(values); // rejected without one
    await expect(weighted('IQ2_XXS')).rejects.toThrow(
      'IQ2_XXS needs importance weights (an imatrix) and cannot be encoded without them',
    );
  });

  it('is not computed when the request is cancelled', async () => {
    const cancelled = fakeQuantize(formatById('Q4_K'), values.slice(), columns, range, {
      signal: AbortSignal.abort(),
    });
    await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});
