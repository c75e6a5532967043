import { describe, expect, it } from 'vitest';
import { loadNative, type GroupedMatrix, type GroupParameters } from '../../src/native';
import type { Grid } from '../../src/protocol/grids';

const native = loadNative();
const int4: Grid = {
  levels: { kind: 'integer', bits: 4, signed: true },
  group: 4,
  rule: { kind: 'absmax', divisor: 7 },
  scale: 'F32',
};
const matrix: GroupedMatrix = { rows: 2, columns: 8, groupRows: 1, groupColumns: 4 };
const source = Float32Array.from({ length: 16 }, (_, i) => i - 7);
const found = (): GroupParameters => ({ scales: new Float32Array(4) });

describe('members that a grid cannot have are rejected', () => {
  it.each<[string, object]>([
    ['table cannot be fp5', { levels: { kind: 'table', table: 'fp5' } }],
    ['special cannot be all', { levels: { kind: 'float', exponent: 2, mantissa: 1, special: 'all' } }],
    ['zero cannot be whole', { zero: 'whole' }],
    ['arithmetic cannot be F64', { arithmetic: 'F64' }],
    ['weights cannot be F64', { weights: 'F64' }],
    ['half cannot be down', { rounding: { half: 'down' } }],
    ['by cannot be product', { rounding: { by: 'product' } }],
    ['from cannot be rounded', { rounding: { from: 'rounded' } }],
    ['zero cannot be after', { rounding: { zero: 'after' } }],
    ['global cannot be sum', { global: 'sum' }],
    ['scales cannot be F64', { scale: 'F64' }],
    ['perScale must be a positive number', { perScale: 0 }],
    ['range must be a positive number', { least: { range: -1 } }],
    ['there are no levels of kind ternary', { levels: { kind: 'ternary' } }],
    ['there is no rule of scales of kind median', { rule: { kind: 'median' } }],
  ])('%s', async (message, changed) => {
    const grid = { ...int4, ...changed };
    await expect(native.gridParameters(grid, source, matrix, found())).rejects.toThrow(message);
  });
});

describe('a search for ranges', () => {
  const search = (importance: Float32Array | undefined, factors: Float32Array = Float32Array.of(0.9)) =>
    native.clippedParameters(int4, source, matrix, found(), { importance, factors });

  it.each<[string, Float32Array | undefined, Float32Array | undefined]>([
    ['importance has 4 elements where 8 are needed', new Float32Array(4), undefined],
    ['importance weight 2 is negative', Float32Array.of(1, 1, -1, 1, 1, 1, 1, 1), undefined],
    ['importance weight 0 is negative or not finite', new Float32Array(8).fill(NaN), undefined],
    ['a factor of a range is not between 0 and 2', undefined, Float32Array.of(0.5, 2.5)],
    ['a factor of a range is not between 0 and 2', undefined, Float32Array.of(NaN)],
    ['there are more than 256 factors', undefined, new Float32Array(257).fill(0.5)],
  ])('rejects what would give other scales: %s', async (message, importance, factors) => {
    await expect(search(importance, factors)).rejects.toThrow(message);
  });

  it('takes importance of a row for each row of flattened weights', async () => {
    const flat = { ...matrix, rows: 1, columns: 16 };
    const importance = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    const factors = Float32Array.of(0.9, 0.6);
    const [ofRows, ofFlat] = [found(), found()];
    await native.clippedParameters(int4, source, matrix, ofRows, { importance, factors });
    await native.clippedParameters(int4, source, flat, ofFlat, { importance, factors });
    expect(ofFlat.scales).toEqual(ofRows.scales);
  });
});

it('sizes whose product overflows are not taken for small ones', async () => {
  const huge = { rows: 2 ** 40, columns: 2 ** 40, groupRows: 1, groupColumns: 1 };
  const none = { scales: new Float32Array(0) };
  await expect(native.gridParameters(int4, new Float32Array(0), huge, none)).rejects.toThrow(
    'a matrix of 1099511627776 x 1099511627776 exceeds what memory can hold',
  );
  await expect(native.accumulateGram(new Float32Array(0), 2 ** 32, new Float64Array(0))).rejects.toThrow(
    'a matrix of 4294967296 x 4294967296 exceeds what memory can hold',
  );
  expect(() => native.factorSize({ columns: 2 ** 40, block: 128 })).toThrow('more than 67,108,864 columns');
});

it('columns need a zero point for each group exactly where their grid has them', async () => {
  const [columns, block] = [8, 8];
  const state = {
    ...{ columns, block, damping: 0, order: undefined },
    factor: new Float32Array(native.factorSize({ columns, block })),
    pivots: new Float64Array(columns),
    weights: source,
    errors: new Float32Array(columns * 64),
    sums: new Float32Array(block * 64),
    losses: new Float64Array(2),
  };
  const scales = new Float32Array(2).fill(1);
  const shared = {
    scales,
    globalScale: 0,
    groupRows: 1,
    across: 1,
    flat: 0,
    groups: new Int32Array(columns),
  };
  const quantize = (grid: Grid, zeros: Float32Array | undefined) =>
    native.quantizeColumns(state, grid, { ...shared, zeros }, 0, columns, new Uint8Array(source.length));
  await expect(quantize(int4, scales)).rejects.toThrow('zeros has 2 elements where 0 are needed');
  await expect(quantize({ ...int4, zero: 'integer' }, undefined)).rejects.toThrow(
    'zeros has 0 elements where 2 are needed',
  );
  await expect(quantize(int4, undefined)).resolves.toBeUndefined();
});
