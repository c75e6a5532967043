import { afterEach, describe, expect, it } from 'vitest';
import { loadNative } from '../../../../src/native';
import type { Grid, Levels } from '../../../../src/protocol/grids';
import { groupedMatrix, groupsOf, wholeRows } from '../../../../src/quant/grids/groups';
import * as libraries from '../../../../src/quant/grids/libraries';
import { codeValues, largestLevel, levelCodes } from '../../../../src/quant/grids/levels';
import { decodeRows, roundToNearest } from '../../../../src/quant/grids/roundToNearest';
import { Random } from '../../../support/random';
import { hqq, quantoGroups, torchaoMx } from '../../../support/readLibraries';

const native = loadNative();
const fastest = native.simd;
afterEach(() => native.setSimd(fastest));

const numbers = (count: number, scale = 1): Float32Array =>
  new Random(1).fill(count, (random) => scale * random.studentT3());

type FloatLevels = Extract<Levels, { kind: 'float' }>;

/** Every split of a sign, exponent and mantissa bits into 3 to 8 bits. */
const splits: FloatLevels[] = [];
for (let exponent = 1; exponent <= 6; exponent++) {
  for (let mantissa = 0; exponent + mantissa <= 7; mantissa++) {
    if (exponent + mantissa < 2) continue;
    for (const special of ['ieee', 'nan', 'finite'] as const) {
      const levels: FloatLevels = { kind: 'float', exponent, mantissa, special };
      if (largestLevel(levels) > 0) splits.push(levels, { ...levels, bias: 3 });
    }
  }
}

/** All finite values of non-negative codes, from their definition. */
function valuesOf({ exponent, mantissa, special, bias = 2 ** (exponent - 1) - 1 }: FloatLevels): number[] {
  const codes = 2 ** (exponent + mantissa);
  const finite = codes - (special === 'nan' ? 1 : special === 'ieee' ? 2 ** mantissa : 0);
  return Array.from({ length: finite }, (_, code) => {
    const [field, fraction] = [Math.floor(code / 2 ** mantissa), code % 2 ** mantissa];
    return field === 0
      ? fraction * 2 ** (1 - bias - mantissa)
      : (2 ** mantissa + fraction) * 2 ** (field - bias - mantissa);
  });
}

/** The nearest value, the even code of two: by search. */
function nearest(values: readonly number[], weight: number): number {
  const size = Math.abs(weight);
  let best = 0;
  for (let code = 1; code < values.length; code++) {
    const difference = Math.abs(values[code]! - size) - Math.abs(values[best]! - size);
    if (difference < 0 || (difference === 0 && code % 2 === 0)) best = code;
  }
  return best;
}

describe('codes and their values', () => {
  const integers: Levels[] = [2, 3, 4, 5, 6, 7, 8].flatMap((bits): Levels[] => [
    { kind: 'integer', bits, signed: true },
    { kind: 'integer', bits, signed: true, narrow: true },
    { kind: 'integer', bits, signed: false },
  ]);
  const tables: Levels[] = [
    { kind: 'table', table: 'nf4' },
    { kind: 'table', table: 'fp4' },
  ];
  it.each([...integers, ...tables, ...splits].map((levels) => [JSON.stringify(levels), levels] as const))(
    '%s are those of the addon',
    async (_, levels) => {
      const codes = levelCodes(levels);
      const grid: Grid = { levels, group: 'row', rule: { kind: 'absmax', divisor: 1 }, scale: 'F32' };
      const decoded = new Float32Array(codes.length);
      const matrix = groupedMatrix('row', 1, codes.length);
      await native.gridWeights(grid, codes, matrix, { scales: Float32Array.of(1) }, decoded);
      const values = codeValues(levels);
      expect(Array.from(codes, (code) => values[code])).toEqual([...decoded]);
      expect(Math.max(...decoded.filter(Number.isFinite))).toBe(largestLevel(levels));
    },
  );

  it('integers have the codes of their range', () => {
    const count = (levels: Levels): number => levelCodes(levels).length;
    expect(integers.slice(0, 3).map(count)).toEqual([4, 3, 4]);
    expect([...levelCodes({ kind: 'integer', bits: 2, signed: true })]).toEqual([254, 255, 0, 1]);
  });
});

describe('floats of any split', () => {
  it.each(splits.map((levels) => [JSON.stringify(levels), levels] as const))('%s', async (_, levels) => {
    const grid: Grid = { levels, group: 'row', rule: { kind: 'absmax', divisor: 1 }, scale: 'F32' };
    const values = valuesOf(levels);
    const largest = values.at(-1)!;
    expect(largestLevel(levels)).toBe(largest);
    // All values, the midpoints between them, their neighbours, and what lies beyond.
    const midpoints = values.slice(1).map((value, code) => (value + values[code]!) / 2);
    const beside = midpoints.flatMap((value) => [value, value * (1 + 2 ** -20), value * (1 - 2 ** -20)]);
    const sizes = [...values, ...beside, largest * 1.01, largest * 100];
    const weights = Float32Array.from(sizes.flatMap((size) => [size, -size]));
    const matrix = groupedMatrix('row', 1, weights.length);
    const codes = new Uint8Array(weights.length);
    const one = { scales: Float32Array.of(1) };
    expect(await native.gridCodes(grid, weights, matrix, one, codes)).toBeUndefined();
    const sign = 2 ** (levels.exponent + levels.mantissa);
    const isNegative = (weight: number): boolean => weight < 0 || Object.is(weight, -0);
    const expected = Array.from(
      weights,
      (weight) => (isNegative(weight) ? sign : 0) + nearest(values, weight),
    );
    expect([...codes]).toEqual(expected);
    const decoded = new Float32Array(codes.length);
    await native.gridWeights(grid, codes, matrix, one, decoded);
    expect([...decoded.map(Math.abs)]).toEqual(expected.map((code) => values[code % sign]));
  });
});

const grids: readonly [string, Grid][] = [
  ['NF4', libraries.bitsandbytes4bit('nf4', 64)],
  ['FP4, nested', libraries.bitsandbytes4bit('fp4', 128, { nested: true })],
  ['LLM.int8', libraries.bitsandbytes8bit],
  ['GPTQ 3 bits', libraries.gptq(3, 32, false)],
  ['AWQ', libraries.awq(4, 32)],
  ['EETQ', libraries.eetq],
  ['int4 of bfloat16', libraries.compressedIntegers(4, 32, { symmetric: false })],
  ['FP8 blocks', libraries.float8Blocks({ rows: 3, columns: 16 })],
  ['NVFP4', libraries.compressedNvfp4()],
  ['MXFP8', torchaoMx('fp8', 'even')],
  ['quanto', quantoGroups(2, 32)],
  ['HQQ', hqq(2, 24)],
  ['ONNX Runtime', libraries.onnxBlocks(4, 32, true)],
];

describe('every instruction set gives the same bytes', () => {
  it.each(grids)('%s', async (_, grid) => {
    const [rows, columns] = [9, 77] as const;
    const values = numbers(rows * columns, 0.1);
    const range = { min: Math.min(...values), max: Math.max(...values) };
    const results = [];
    for (const simd of native.simdPaths) {
      native.setSimd(simd);
      const found = await roundToNearest(grid, values.slice(), [rows, columns], { range });
      results.push({ ...found, decoded: await decodeRows(found) });
    }
    for (const result of results.slice(1)) expect(result).toEqual(results[0]);
    const error = results[0]!.decoded.reduce((sum, value, i) => sum + (value - values[i]!) ** 2, 0);
    const size = values.reduce((sum, value) => sum + value ** 2, 0);
    expect(error / size).toBeLessThan(0.3);
  });
});

describe('groups', () => {
  it('rectangles at the ends of a matrix are smaller, and are numbered row by row', () => {
    const matrix = groupedMatrix({ rows: 4, columns: 32 }, 10, 70);
    expect(groupsOf(matrix)).toBe(9);
  });

  it.each([
    ['row', 100, 1],
    [{ rows: 128, columns: 128 }, 300, 128],
    [{ flat: 64 }, 40, 8],
    [{ flat: 64 }, 4096, 1],
    ['tensor', 5, 1],
  ] as const)('slabs of %j and %i columns are multiples of %i rows', (group, columns, expected) => {
    expect(wholeRows({ ...libraries.eetq, group }, columns)).toBe(expected);
  });

  it('slabs hold whole blocks of quantized scales', () => {
    const grid = libraries.bitsandbytes4bit('nf4', 64, { nested: true });
    expect(wholeRows(grid, 4096)).toBe(4);
    expect(wholeRows(grid, 11_008)).toBe(64);
  });

  it.each(grids)('slabs of whole groups give what the whole matrix gives: %s', async (_, grid) => {
    const columns = 96;
    const step = wholeRows(grid, columns);
    const rows = 2 * step + 1;
    const values = numbers(rows * columns, 0.1);
    const range = { min: -0.1, max: 0.2 };
    const whole = await roundToNearest(grid, values, [rows, columns], { range, meanScale: 0.01 });
    const parts = [];
    for (let row = 0; row < rows; row += step) {
      const slab = values.slice(row * columns, Math.min(rows, row + step) * columns);
      const shape = [slab.length / columns, columns] as const;
      parts.push(await roundToNearest(grid, slab, shape, { range, meanScale: 0.01 }));
    }
    expect(parts.flatMap(({ codes }) => [...codes])).toEqual([...whole.codes]);
    expect(parts.flatMap(({ scales }) => [...scales])).toEqual([...whole.scales]);
    expect(parts.flatMap(({ zeros }) => [...(zeros ?? [])])).toEqual([...(whole.zeros ?? [])]);
  });
});

it('the first weight that is not finite is named', async () => {
  const values = numbers(300);
  values[123] = NaN;
  values[200] = Infinity;
  const rounding = roundToNearest(libraries.gptq(4, 32, true), values, [3, 100]);
  await expect(rounding).rejects.toThrow('weight 123 is NaN');
});

it('members of a grid that cannot be are rejected with an error that names them', async () => {
  const round = (grid: unknown) => roundToNearest(grid as Grid, numbers(32), [1, 32]);
  const grid = libraries.eetq;
  await expect(round({ ...grid, levels: { kind: 'integer', bits: 9, signed: true } })).rejects.toThrow(
    'bits must be a whole number from 2 to 8',
  );
  await expect(round({ ...grid, rule: { kind: 'absmax', divisor: 0 } })).rejects.toThrow('divisor');
  await expect(round({ ...grid, levels: libraries.e4m3, zero: 'integer' })).rejects.toThrow(
    'only integer levels can have a zero point',
  );
});
