import { describe, expect, it } from 'vitest';
import { loadNative } from '../../../../src/native';
import type { GgmlQuantType } from '../../../../src/protocol/ggmlTypes';
import { imatrix } from '../../../../src/quant/methods/imatrix';
import { encodeBlocks } from '../../../../src/quant/codec';
import { Random } from '../../../support/random';

const [rows, columns] = [8, 512];
const random = new Random(7);
const weights = random.fill(rows * columns, () => 0.05 * random.normal());
/** A few inputs count a hundred times as much as the others. */
const importance = Float32Array.from({ length: columns }, (_, i) => (i % 16 === 3 ? 100 : 1));

const task = (type: GgmlQuantType) => ({
  ...{ name: 'w', type, shape: [rows, columns] as const, options: {} },
});

/** Σ h (ŵ − w)². */
async function errorOf(type: string, blocks: Uint8Array): Promise<number> {
  const decoded = new Float32Array(weights.length);
  await loadNative().decode(type, blocks, decoded);
  return decoded.reduce((sum, value, i) => sum + importance[i % columns]! * (value - weights[i]!) ** 2, 0);
}

const blocksOf = async (type: GgmlQuantType): Promise<Uint8Array> => {
  const quantizer = await imatrix.blocks!.open({ ...task(type), evidence: { importance } });
  return quantizer.quantize(weights.slice());
};

describe('importance matrix', () => {
  it.each(['Q4_K', 'Q3_K', 'Q2_K', 'IQ4_XS', 'Q4_0'] as const)(
    'loses less where inputs count, in %s',
    async (type) => {
      const rounded = await encodeBlocks(type, weights.slice(), columns);
      expect(await errorOf(type, await blocksOf(type))).toBeLessThan(
        0.9 * (await errorOf(type, rounded.codes)),
      );
    },
  );

  it('gives types that rounding cannot give', async () => {
    const energy = weights.reduce((sum, value, i) => sum + importance[i % columns]! * value * value, 0);
    const error = await errorOf('IQ2_XS', await blocksOf('IQ2_XS'));
    expect(error).toBeGreaterThan(0);
    expect(error).toBeLessThan(0.2 * energy);
  });

  it('refuses types without importance, rows of another length, grids, and matrices that were not measured', () => {
    const shape = [rows, columns] as const;
    const refuse = (type: GgmlQuantType, of: readonly [number, number] = shape) =>
      imatrix.blocks!.refuse({ type, shape: of, options: {} });
    expect(refuse('Q8_0')).toBe('Q8_0 takes no importance: its codes are those of rounding.');
    expect(refuse('Q4_K', [8, 96])).toMatch('needs rows whose length is a multiple of 256');
    expect(refuse('IQ2_XS')).toBeUndefined();
    expect(imatrix.refuse({ grid: undefined as never, shape, options: {} })).toMatch('ggml types only');
    expect(() => imatrix.blocks!.open({ ...task('Q4_K'), evidence: {} })).toThrow(
      'Importance matrix needs the importance of the inputs of w: calibrate on a text first.',
    );
  });
});
