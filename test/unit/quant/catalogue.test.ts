import { describe, expect, it } from 'vitest';
import type { EncodedRows } from '../../../src/native';
import { formatById, formats } from '../../../src/quant/catalogue';
import { Random } from '../../support/random';

async function roundTrip(id: string, values: Float32Array, columns: number): Promise<Float32Array> {
  const format = formatById(id);
  const range = { min: Math.min(...values), max: Math.max(...values) };
  return format.decode(await format.encode(values, columns, range), columns);
}

/** Formats that can be encoded without an imatrix. */
const encodable = formats.filter((format) => format.refuse([6, 256]) === undefined).map(({ id }) => id);

const encode = (id: string, values: Float32Array, columns: number): Promise<EncodedRows> =>
  formatById(id).encode(values, columns, { min: Math.min(...values), max: Math.max(...values) });

describe('textbook definitions', () => {
  const x = Float32Array.of(-1.5, -0.5, 0, 0.75, 3);

  it('absmax: scale 127/max|x|', async () => {
    expect([...new Int8Array((await encode('absmax-int8', x, 5)).codes)]).toEqual([-64, -21, 0, 32, 127]);
    expect((await encode('absmax-int8', x, 5)).scales![0]).toBeCloseTo(127 / 3, 5);
  });

  it('zero-point: scale 255/(max − min), zero point −round(scale·min) − 128', async () => {
    const scale = 255 / 4.5;
    expect((await encode('zeropoint-int8', x, 5)).scales![0]).toBeCloseTo(scale, 4);
    expect([...(await encode('zeropoint-int8', x, 5)).zeros!]).toEqual([-Math.round(scale * -1.5) - 128]);
    expect([...new Int8Array((await encode('zeropoint-int8', x, 5)).codes)]).toEqual([
      -128, -71, -43, -1, 127,
    ]);
  });

  it('min–max: Δ = range/255 and range/15', async () => {
    expect((await encode('minmax-int8', x, 5)).scales![0]).toBeCloseTo(4.5 / 255, 7);
    expect((await encode('minmax-int4', x, 5)).scales![0]).toBeCloseTo(0.3, 6);
    expect([...(await roundTrip('minmax-int4', x, 5))].map((v) => Math.round(v * 1e4) / 1e4)).toEqual([
      -1.5, -0.6, 0, 0.6, 3,
    ]);
  });

  it('row-wise int8 scales each row by its own maximum', async () => {
    const scales = (await encode('rowwise-int8', Float32Array.of(1, -2, 0.5, 0.25), 2)).scales!;
    expect([...scales]).toEqual([63.5, 254]);
  });

  it('NF4 reproduces its own table and puts the even element in the high nibble', async () => {
    const values = new Float32Array(64);
    values[0] = -1;
    values[1] = 1;
    values[2] = Math.fround(0.16093020141124725);
    const codes = (await encode('nf4', values, 64)).codes;
    expect(codes[0]).toBe(0x0f);
    expect(codes[1]).toBe(0x97);
    expect([...(await roundTrip('nf4', values, 64))]).toEqual([...values]);
  });

  it('FP8 reproduces representable values', async () => {
    const values = Float32Array.of(448, -0.001953125, 0.0625, 13, 104, 0);
    expect([...(await roundTrip('fp8-e4m3', values, 6))]).toEqual([...values]);
  });
});

describe('bits per weight', () => {
  it.each([
    ['absmax-int8', [64, 64], 8 + 32 / 4096],
    ['zeropoint-int8', [64, 64], 8 + 64 / 4096],
    ['minmax-int4', [64, 64], 4 + 64 / 4096],
    ['rowwise-int8', [64, 128], 8 + 32 / 128],
    ['block-int4-sym', [64, 64], 5],
    ['block-int4-asym', [64, 64], 6],
    ['nf4', [64, 64], 4.5],
    ['nf4', [1, 96], 4 + 64 / 96],
    ['fp8-e4m3-row', [2, 64], 8.5],
    ['Q4_0', [8, 32], 4.5],
    ['Q8_0', [8, 32], 8.5],
    ['Q4_K', [1, 256], 4.5],
    ['Q5_K', [1, 256], 5.5],
    ['Q6_K', [1, 256], 6.5625],
    ['F16', [3, 7], 16],
  ] as const)('%s of %j', (id, shape, bits) =>
    expect(formatById(id).bitsPerWeight(shape)).toBeCloseTo(bits, 10),
  );

  it.each(encodable)('%s writes exactly the bytes it states', async (id) => {
    const format = formatById(id);
    const values = new Random(5).fill(6 * 256, (random) => random.normal());
    const { codes, scales, zeros } = await encode(id, values, 256);
    const written = [codes, scales, zeros].reduce((sum, data) => sum + (data?.byteLength ?? 0), 0);
    expect(written).toBe(format.bytes([6, 256]));
  });
});

describe('errors stay within half a step', () => {
  const values = new Random(7).fill(4 * 300, (random) => random.normal());
  const absMax = Math.max(...values.map(Math.abs));
  const range = Math.max(...values) - Math.min(...values);
  it.each([
    ['absmax-int8', absMax / 127 / 2],
    ['rowwise-int8', absMax / 127 / 2],
    ['zeropoint-int8', range / 255],
    ['minmax-int8', range / 255 / 2],
    ['minmax-int4', range / 15 / 2],
    ['block-int4-sym', absMax / 7 / 2],
    ['block-int4-asym', range / 15 / 2],
    ['nf4', (absMax * (1 - 0.6961928)) / 2],
  ])('%s', async (id, bound) => {
    const decoded = await roundTrip(id, values, 300);
    const worst = Math.max(...decoded.map((value, i) => Math.abs(value - values[i]!)));
    expect(worst).toBeLessThanOrEqual(bound * 1.00001);
    expect(worst).toBeGreaterThan(0);
  });
});

describe('degenerate input', () => {
  /** Types whose levels, or whose scale corrections, miss a constant. */
  const uneven = /^(IQ|MXFP4|NVFP4)/;

  it.each(encodable)('%s keeps zeros and constants', async (id) => {
    for (const constant of uneven.test(id) ? [0] : [0, 0.5, -2]) {
      const decoded = await roundTrip(id, new Float32Array(512).fill(constant), 256);
      for (const value of decoded)
        expect(Math.abs(value - constant)).toBeLessThanOrEqual(Math.abs(constant) * 1e-3);
    }
  });

  it('types that need an imatrix say so', () => {
    for (const id of ['IQ1_S', 'IQ2_XXS', 'IQ2_XS'])
      expect(formatById(id).refuse([4, 256])).toMatch(/needs importance weights \(an imatrix\)/);
  });

  it.each(encodable)('%s rejects NaN with its index', async (id) => {
    const values = new Float32Array(512);
    values[300] = NaN;
    await expect(formatById(id).encode(values, 256, { min: 0, max: 0 })).rejects.toThrow('weight 300 is NaN');
  });

  it('GGUF types reject rows whose length is not a multiple of the block size', () => {
    expect(formatById('Q4_K').refuse([10, 300])).toMatch(/multiple of 256/);
    expect(formatById('Q8_0').refuse([10, 320])).toBeUndefined();
  });

  it('an unknown format names the known ones', () => {
    expect(() => formatById('q9_z')).toThrow(/There is no format "q9_z".*Q4_K/);
  });
});
