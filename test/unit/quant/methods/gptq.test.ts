import { afterEach, describe, expect, it } from 'vitest';
import { loadNative } from '../../../../src/native';
import type { Grid } from '../../../../src/protocol/grids';
import type { MethodOptions } from '../../../../src/protocol/recipe';
import { BadWeightError } from '../../../../src/quant/badWeight';
import { decodeRows, roundToNearest } from '../../../../src/quant/grids/roundToNearest';
import { gptq } from '../../../../src/quant/methods/gptq';
import { methodById } from '../../../../src/quant/methods/methods';
import { correlatedHessian, steepHessian } from '../../../support/hessian';
import { outputError } from '../../../support/outputError';
import { plainFactor, plainRow } from '../../../support/plainGptq';
import { Random } from '../../../support/random';

const native = loadNative();
const widest = native.simd;
afterEach(() => {
  native.setSimd(widest);
});

const [rows, columns] = [70, 200];
const weights = new Random(1).fill(rows * columns, (random) => random.studentT3() * 0.05);
const hessian = correlatedHessian(columns, 300);
const meanDiagonal = (h: Float64Array, n: number): number =>
  Array.from({ length: n }, (_, i) => h[i * (n + 1)]!).reduce((sum, value) => sum + value, 0) / n;

const int = (bits: number, group: Grid['group']): Grid => ({
  levels: { kind: 'integer', bits, signed: false },
  ...{ group, scale: 'F32', zero: 'integer', rule: { kind: 'range', widened: true } },
});

async function quantized(grid: Grid, options: MethodOptions = {}, more: object = {}) {
  const task = { grid, shape: [rows, columns] as const, evidence: { hessian }, options, ...more };
  return (await gptq.open(task)).quantize(weights.slice());
}

describe.each(native.simdPaths)('codes are those of plain loops, %s', (path) => {
  it.each([
    ['scales fitted at each group', { act_order: false, clip: false }, 32],
    [
      'scales fitted at each block',
      { act_order: false, clip: false, group_scales: 'reference', block_size: 64 },
      64,
    ],
  ])('%s', async (_, options, step) => {
    native.setSimd(path);
    const found = await quantized(int(4, 32), options);
    const factor = plainFactor(hessian, 0.01 * meanDiagonal(hessian, columns));
    for (let row = 0; row < rows; row++) {
      const own = weights.subarray(row * columns, (row + 1) * columns);
      const plain = plainRow(own, factor, { bits: 4, group: 32, step });
      expect(found.codes.subarray(row * columns, (row + 1) * columns)).toEqual(plain);
    }
  });
});

it.each([
  ['groups ordered as a whole', int(4, 32), {}, false],
  ['columns in order', int(4, 32), { act_order: false, group_aware: false }, false],
  ['groups of columns by importance', int(4, 32), { group_aware: false }, true],
  ['scales before all columns', int(4, 32), { group_aware: false, static_groups: true }, false],
  ['one scale for each row', int(4, 'row'), { group_aware: false }, false],
])('says whether rows name the group of each column: %s', async (_, grid, options, permutes) => {
  expect(gptq.permutes!({ grid, shape: [rows, columns], options })).toBe(permutes);
  expect((await quantized(grid, options)).groupOfColumn !== undefined).toBe(permutes);
});

it('keeps groups together and in their place when they are ordered by importance', async () => {
  const group = 32;
  const found = await quantized(int(4, group), { clip: false });
  const diagonal = (column: number): number => hessian[column * (columns + 1)]!;
  const groups = Array.from({ length: columns / group }, (_, i) => {
    const own = Array.from({ length: group }, (_, k) => i * group + k);
    const sum = own.reduce((total, column) => total + diagonal(column), 0);
    return { sum, own };
  }).sort((a, b) => b.sum - a.sum);
  // 200 columns: the last group has 8, and comes last.
  const rest = Array.from({ length: columns % group }, (_, k) => columns - (columns % group) + k);
  const order = [...groups.map(({ own }) => own), rest].flatMap((own) =>
    own.sort((a, b) => diagonal(b) - diagonal(a)),
  );
  const ordered = hessian.map(
    (_, i) => hessian[order[Math.floor(i / columns)]! * columns + order[i % columns]!]!,
  );
  const factor = plainFactor(ordered, 0.01 * meanDiagonal(hessian, columns));
  for (let row = 0; row < rows; row++) {
    const own = Float32Array.from(order, (column) => weights[row * columns + column]!);
    const plain = plainRow(own, factor, { bits: 4, group, step: group });
    expect(Uint8Array.from(order, (column) => found.codes[row * columns + column]!)).toEqual(plain);
  }
  expect(found.groupOfColumn).toBeUndefined();
});

const grids: readonly [string, Grid][] = [
  ['int2 in groups of 40', int(2, 40)],
  ['int3, groups longer than a block', int(3, 150)],
  ['int8 by row', int(8, 'row')],
  [
    'signed int4 for the tensor',
    {
      ...{ levels: { kind: 'integer', bits: 4, signed: true }, group: 'tensor', scale: 'F16' },
      rule: { kind: 'absmax', divisor: 7 },
    },
  ],
  [
    'NF4 with double quantization',
    {
      ...{ levels: { kind: 'table', table: 'nf4' }, group: { flat: 64 }, scale: 'F32' },
      ...{ rule: { kind: 'absmax', divisor: 1 }, double: { block: 256 } },
    },
  ],
  [
    'FP4 in flat blocks of a row',
    {
      ...{ levels: { kind: 'table', table: 'fp4' }, group: { flat: 40 }, scale: 'F32' },
      rule: { kind: 'absmax', divisor: 1 },
    },
  ],
  [
    'E3M2 in rectangles',
    {
      levels: { kind: 'float', exponent: 3, mantissa: 2, special: 'finite' },
      ...{ group: { rows: 16, columns: 50 }, scale: 'F32', rule: { kind: 'absmax', divisor: 28 } },
    },
  ],
  [
    'MXFP4',
    {
      levels: { kind: 'float', exponent: 2, mantissa: 1, special: 'finite' },
      ...{ group: 40, scale: 'F8_E8M0', rule: { kind: 'exponent', largest: 2, up: 2 } },
    },
  ],
  [
    'NVFP4 with a global scale',
    {
      levels: { kind: 'float', exponent: 2, mantissa: 1, special: 'finite' },
      ...{ group: 20, scale: 'F8_E4M3', rule: { kind: 'absmax', divisor: 6 }, global: 'divisor' },
    },
  ],
];
const range = { min: Math.min(...weights), max: Math.max(...weights) };

describe.each(grids)('%s', (_, grid) => {
  it.each<[string, MethodOptions]>([
    ['in order', { act_order: false }],
    ['in order, ranges not searched', { act_order: false, clip: false }],
    ['whole groups by importance', {}],
    ['by importance', { group_aware: false }],
    ['by importance, static groups', { static_groups: true }],
  ])('has a far smaller output error than rounding, %s', async (_, options) => {
    const rounded = await decodeRows(await roundToNearest(grid, weights, [rows, columns], { range }));
    const found = await decodeRows(await quantized(grid, options, { range }));
    expect(outputError(hessian, weights, found)).toBeLessThan(outputError(hessian, weights, rounded) / 2);
  });
});

it('never has a larger output error than rounding, row by row', async () => {
  // Few samples and hardly any damping: corrections for them run into the ends of the range of two bits.
  const few = correlatedHessian(columns, 12);
  const own = { evidence: { hessian: few } };
  const found = await quantized(int(2, 'row'), { damping: 1e-6, act_order: false }, own);
  const decoded = await decodeRows(found);
  const rounded = await decodeRows(await roundToNearest(int(2, 'row'), weights, [rows, columns]));
  let kept = 0;
  for (let row = 0; row < rows; row++) {
    const part = (values: Float32Array): Float32Array => values.subarray(row * columns, (row + 1) * columns);
    const ours = outputError(few, part(weights), part(decoded));
    const theirs = outputError(few, part(weights), part(rounded));
    expect(ours).toBeLessThanOrEqual(theirs * (1 + 1e-5));
    if (ours === theirs) kept++;
  }
  expect(kept).toBeGreaterThan(0);
});

it.each([
  ['scales on the way', { act_order: false }],
  ['scales on the way, ranges not searched', { act_order: false, clip: false }],
  ['scales before all columns', { act_order: false, static_groups: true }],
])('rounds rows whose corrections leave the range of float32, %s', async (_, options) => {
  const steep = steepHessian(columns);
  const found = await quantized(int(4, 32), { damping: 0, ...options }, { evidence: { hessian: steep } });
  const rounded = await roundToNearest(int(4, 32), weights, [rows, columns]);
  expect(found.codes).toEqual(rounded.codes);
  expect(found.scales).toEqual(rounded.scales);
});

describe('Hessians', () => {
  it('of fewer inputs than columns get more damping', async () => {
    const singular = new Float64Array(columns * columns).fill(1);
    const found = await quantized(int(4, 32), { damping: 0 }, { evidence: { hessian: singular } });
    expect(found.codes.length).toBe(weights.length);
  });

  it.each([
    ['that are not finite', hessian.map((value, i) => (i === 205 ? NaN : value))],
    ['that no inputs give', hessian.map((value) => -value)],
  ])('%s are rejected, naming the tensor', async (_, wrong) => {
    const open = quantized(int(4, 32), {}, { evidence: { hessian: wrong }, name: 'layers.0.q_proj' });
    await expect(open).rejects.toThrow(/layers\.0\.q_proj cannot be factorized/);
    await expect(open).rejects.toMatchObject({ code: 'REQUEST', place: { tensor: 'layers.0.q_proj' } });
  });

  it('are needed', async () => {
    const without = quantized(int(4, 32), {}, { evidence: {}, name: 'q' });
    await expect(without).rejects.toThrow(
      'GPTQ needs a Hessian of the inputs of q: calibrate on a text first.',
    );
    const small = quantized(int(4, 32), {}, { evidence: { hessian: new Float64Array(4) } });
    await expect(small).rejects.toThrow('GPTQ needs a Hessian of 200 × 200 of the inputs of the matrix');
  });
});

it('weights of columns that no input reached become 0', async () => {
  const dead = hessian.map((value, i) => (i % columns === 7 || Math.floor(i / columns) === 7 ? 0 : value));
  const decoded = await decodeRows(await quantized(int(4, 32), {}, { evidence: { hessian: dead } }));
  expect(Array.from({ length: rows }, (_, row) => decoded[row * columns + 7])).toEqual(
    new Array(rows).fill(0),
  );
});

it('slabs of rows give the codes of the whole matrix', async () => {
  const grid = int(4, 32);
  const quantizer = await gptq.open({ grid, shape: [rows, columns], evidence: { hessian }, options: {} });
  const cut = 33 * columns;
  const parts = [
    await quantizer.quantize(weights.slice(0, cut)),
    await quantizer.quantize(weights.slice(cut)),
  ];
  const whole = await quantized(grid);
  expect([...parts[0]!.codes, ...parts[1]!.codes]).toEqual([...whole.codes]);
});

it('names the first weight that is not finite', async () => {
  const quantizer = await gptq.open({
    grid: int(4, 32),
    shape: [1, columns],
    evidence: { hessian },
    options: {},
  });
  const bad = weights.slice(0, columns);
  bad[12] = Infinity;
  await expect(quantizer.quantize(bad)).rejects.toThrow(new BadWeightError({ index: 12, kind: 'infinite' }));
});

it('is found by its id, and stops when it is cancelled', async () => {
  const signal = AbortSignal.abort();
  const task = { grid: int(4, 32), shape: [rows, columns] as const, evidence: { hessian }, options: {} };
  await expect(methodById('GPTQ').open(task, signal)).rejects.toMatchObject({ code: 'CANCELLED' });
});
