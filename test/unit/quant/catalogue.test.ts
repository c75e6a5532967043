import { describe, expect, it } from 'vitest';
import { savedBytes } from '../../../src/layouts/quantscopeParts';
import { findFormat, formatById, formats } from '../../../src/quant/catalogue';
import type { QuantizedRows } from '../../../src/quant/quantized';
import { Random } from '../../support/random';
import { decodeEncoded, encodeIn } from '../../../src/quant/codec';

async function roundTrip(id: string, values: Float32Array, columns: number): Promise<Float32Array> {
  const format = formatById(id);
  const range = { min: Math.min(...values), max: Math.max(...values) };
  return decodeEncoded(await encodeIn(format, values, columns, range));
}

/** Formats that can be encoded without an imatrix. */
const encodable = formats.filter((format) => format.refuse([6, 256]) === undefined).map(({ id }) => id);
/** Grids by their names: each kind of levels, groups, scales and zero points. */
const grids = [
  ...['int2-g16', 'int4-g128', 'uint4-g128-zp', 'int5-row-e8m0', 'uint8-tensor-zp-f32', 'int3-g32-e4m3'],
  ...['e3m4-row', 'e2m1-g16-e4m3-global', 'e2m1-g32-e8m0', 'e4m3-tensor-bf16', 'nf4-b64', 'fp4-g128-f16'],
];

/** Rows in the grid of a format. */
async function encode(id: string, values: Float32Array, columns: number): Promise<QuantizedRows> {
  const range = { min: Math.min(...values), max: Math.max(...values) };
  const encoded = await encodeIn(formatById(id), values, columns, range);
  if ('grid' in encoded) return encoded;
  throw new TypeError(`${id} is a type of ggml`);
}

describe('textbook definitions', () => {
  const x = Float32Array.of(-1.5, -0.5, 0, 0.75, 3);

  it('absmax: scale max|x|/127', async () => {
    expect([...new Int8Array((await encode('absmax-int8', x, 5)).codes)]).toEqual([-64, -21, 0, 32, 127]);
    expect((await encode('absmax-int8', x, 5)).scales[0]).toBe(Math.fround(3 / 127));
  });

  it('zero-point: scale (max − min)/255, zero point −round(min/scale), in a range with 0', async () => {
    const { scales, zeros, codes } = await encode('zeropoint-int8', x, 5);
    expect(scales[0]).toBe(Math.fround(4.5 / 255));
    expect([...zeros!]).toEqual([85]);
    expect([...codes]).toEqual([0, 57, 85, 127, 255]);
    const positive = await encode('zeropoint-int8', Float32Array.of(1, 5.1), 2);
    expect([...positive.zeros!, ...positive.codes]).toEqual([0, 50, 255]);
    expect(positive.scales[0]).toBeCloseTo(5.1 / 255, 8);
  });

  it('min–max: Δ = range/255 and range/15', async () => {
    expect((await encode('minmax-int8', x, 5)).scales[0]).toBeCloseTo(4.5 / 255, 7);
    expect((await encode('minmax-int4', x, 5)).scales[0]).toBeCloseTo(0.3, 6);
    expect([...(await roundTrip('minmax-int4', x, 5))].map((v) => Math.round(v * 1e4) / 1e4)).toEqual([
      -1.5, -0.6, 0, 0.6, 3,
    ]);
  });

  it('row-wise int8 scales each row by its own maximum', async () => {
    const scales = (await encode('rowwise-int8', Float32Array.of(1, -2, 0.5, 0.25), 2)).scales;
    expect([...scales]).toEqual([Math.fround(2 / 127), Math.fround(0.5 / 127)]);
  });

  it('NF4 reproduces its own table', async () => {
    const values = new Float32Array(64);
    values[0] = -1;
    values[1] = 1;
    values[2] = Math.fround(0.16093020141124725);
    const codes = (await encode('nf4', values, 64)).codes;
    expect([...codes.subarray(0, 4)]).toEqual([0, 15, 9, 7]);
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
    ['zeropoint-int8', [64, 64], 8 + 40 / 4096],
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

  it.each([...encodable, ...grids])('%s writes exactly the bytes it states', async (id) => {
    const format = formatById(id);
    const values = new Random(5).fill(6 * 256, (random) => random.normal());
    const encoded = await encodeIn(format, values, 256, {
      min: Math.min(...values),
      max: Math.max(...values),
    });
    const written = (await savedBytes(encoded, true)).reduce((sum, bytes) => sum + bytes!.byteLength, 0);
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

  it.each([...encodable, ...grids])('%s rejects NaN with its index', async (id) => {
    const values = new Float32Array(512);
    values[300] = NaN;
    await expect(encodeIn(formatById(id), values, 256, { min: 0, max: 0 })).rejects.toThrow(
      'weight 300 is NaN',
    );
  });

  it('GGUF types reject rows whose length is not a multiple of the block size', () => {
    expect(formatById('Q4_K').refuse([10, 300])).toMatch(/multiple of 256/);
    expect(formatById('Q8_0').refuse([10, 320])).toBeUndefined();
  });

  it('an unknown format names the known ones', () => {
    expect(() => formatById('q9_z')).toThrow(/There is no format "q9_z".*Q4_K/);
  });
});

describe('grids by their names', () => {
  it('are formats, each the same whatever its spelling', () => {
    const format = formatById('INT4-g128');
    expect(format).toBe(formatById('int4-f16-g128'));
    expect(format).toMatchObject({ id: 'int4-g128', family: 'integer', nominalBitsPerWeight: 4 + 16 / 128 });
    expect(format.scheme).toMatchObject({ kind: 'grid', grid: { group: 128, scale: 'F16' } });
    expect(formatById('nf4').scheme).toMatchObject({ grid: { group: 64 } });
    expect(formatById('nf4-b64').scheme).toMatchObject({ grid: { group: { flat: 64 } } });
  });

  it('are not mistaken for types of ggml', () => {
    expect(formatById('mxfp4').id).toBe('MXFP4');
    expect(formatById('e2m1-g32-e8m0')).toMatchObject({ id: 'e2m1-g32-e8m0', scheme: { kind: 'grid' } });
  });

  it.each([
    ['int4-g128-x', /"int4-g128-x" is not a grid\. "x" is not a group/],
    ['uint4-g128', /Unsigned integers need zero points/],
    ['llm-int8', /columns in half precision.*methods quantize layers and models to it/],
    ['nf4-b64-dq', /scales that are quantized across rows/],
    ['e4m3-128x128', /groups of several rows/],
    ['absmax-int9', /Did you mean "?absmax-int8.*and grids by their names, such as int4-g128/],
  ])('that cannot be a format are rejected: %s', (name, message) => {
    expect(() => formatById(name)).toThrow(message);
    expect(findFormat(name)).toBeUndefined();
  });

  it('need rows of whole blocks where blocks are those of the flattened tensor', () => {
    expect(formatById('nf4-b64').refuse([4, 96])).toMatch(/multiple of 64; these have 96/);
    expect(formatById('nf4-b64').refuse([4, 128])).toBeUndefined();
  });

  it('need groups that parts of long rows do not cut', () => {
    const long = [2, 2 ** 20 + 300];
    expect(formatById('int4-g100').refuse(long)).toMatch(/groups of 100 weights.*parts of 65536/);
    expect(formatById('e3m4-row').refuse(long)).toMatch(/one scale per row/);
    expect(formatById('int4-g128').refuse(long)).toBeUndefined();
  });

  it.each(grids)('%s keeps zeros', async (id) => {
    expect(await roundTrip(id, new Float32Array(512), 256)).toEqual(new Float32Array(512));
  });

  it.each([
    ['e3m4-row', 2 ** -5],
    ['int4-g128', 1 / 15 + 2 ** -11],
    ['uint8-tensor-zp-f32', 1 / 255],
    ['e2m1-g16-e4m3-global', 1 / 6 + 2 ** -4],
  ])('%s: errors stay within half a step', async (id, bound) => {
    const values = new Random(8).fill(4 * 256, (random) => random.normal());
    const largest = Math.max(...values.map(Math.abs));
    const decoded = await roundTrip(id, values, 256);
    const worst = Math.max(...decoded.map((value, i) => Math.abs(value - values[i]!)));
    expect(worst / largest).toBeLessThanOrEqual(bound);
    expect(worst).toBeGreaterThan(0);
  });
});
