import { afterEach, describe, expect, it } from 'vitest';
import { codesSeconds } from '../../../../src/exporter/codes/codeFinder';
import { loadNative } from '../../../../src/native';
import { ggmlTypes, type GgmlQuantType } from '../../../../src/protocol/ggmlTypes';
import { gptq as gptqGrid } from '../../../../src/quant/grids/libraries';
import { columnGridOf, typesWithCodes } from '../../../../src/quant/columns/blocks';
import { tilesOf } from '../../../../src/quant/columns/descent';
import { gptq } from '../../../../src/quant/methods/gptq';
import { gptqDescent } from '../../../../src/quant/methods/gptqDescent';
import { methodById } from '../../../../src/quant/methods/methods';
import { twoSidedWeight } from '../../../../src/quant/methods/speeds';
import { correlatedHessian } from '../../../support/hessian';
import { outputError } from '../../../support/outputError';
import { plainDescent } from '../../../support/plainDescent';
import { plainTypes } from '../../../support/plainTypes';
import { Random } from '../../../support/random';

const native = loadNative();
const widest = native.simd;
const [rows, columns] = [70, 512];
const weights = new Random(3).fill(rows * columns, (random) => random.studentT3() * 0.05);
const hessian = correlatedHessian(columns, 600);
const importance = Float32Array.from({ length: columns }, (_, i) => hessian[i * (columns + 1)]!);

afterEach(() => {
  native.setSimd(widest);
  native.setThreads(2);
});

async function encoded(type: GgmlQuantType): Promise<Uint8Array> {
  const { block, bytes } = ggmlTypes.find(({ name }) => name === type)!;
  const codes = new Uint8Array((weights.length / block) * bytes);
  await native.encodeRows(type, weights, columns, codes, { importance });
  return codes;
}

async function errorOf(type: GgmlQuantType, blocks: Uint8Array): Promise<number> {
  const values = new Float32Array(weights.length);
  await native.decode(type, blocks, values);
  return outputError(hessian, weights, values);
}

async function quantized(type: GgmlQuantType, method = gptqDescent, options = {}): Promise<Uint8Array> {
  const task = { type, shape: [rows, columns], evidence: { hessian }, options } as const;
  return (await method.blocks!.open(task)).quantize(weights.slice());
}

async function descended(type: GgmlQuantType, blocks: Uint8Array, rounds: number): Promise<Float64Array> {
  const tiles = await tilesOf(hessian, 0, type);
  return native.descendBlocks({ type, grid: columnGridOf(type), hessian: tiles, weights, blocks, rounds });
}

describe.each(typesWithCodes)('%s', (type) => {
  it('has a smaller output error than GPTQ alone', async () => {
    const before = await errorOf(type, await quantized(type, gptq, { act_order: false }));
    expect(await errorOf(type, await quantized(type))).toBeLessThan(before * 0.97);
  });

  it('holds in its blocks what the descent arrived at', async () => {
    const blocks = await encoded(type);
    const before = await errorOf(type, blocks);
    const losses = await descended(type, blocks, 3);
    const found = losses.reduce((sum, loss) => sum + loss, 0);
    expect(await errorOf(type, blocks)).toBeCloseTo(found, Math.ceil(5 - Math.log10(found)));
    expect(found).toBeLessThan(before * 0.9);
  });

  it('gives the same bytes on every instruction set and for any number of threads', async () => {
    const expected = await quantized(type);
    for (const simd of native.simdPaths) {
      native.setSimd(simd);
      native.setThreads(simd === widest ? 1 : 3);
      expect(Buffer.compare(await quantized(type), expected)).toBe(0);
    }
  });
});

it.each(plainTypes)('%s: codes and scales are those of plain loops, bit for bit', async (type, plain) => {
  const some = weights.slice(0, 3 * columns);
  const whole = await encoded(type);
  const blocks = whole.slice(0, (some.length * whole.length) / weights.length);
  const before = new Float32Array(some.length);
  await native.decode(type, blocks, before);
  const rowsOfHessian = Array.from({ length: columns }, (_, row) =>
    Float32Array.from(hessian.subarray(row * columns, (row + 1) * columns)),
  );
  const expected = plainDescent(plain, rowsOfHessian, some, before, blocks, 2);
  const tiles = await tilesOf(hessian, 0, type);
  const descent = { type, grid: columnGridOf(type), hessian: tiles, blocks, rounds: 2 };
  await native.descendBlocks({ ...descent, weights: some });
  const found = new Float32Array(some.length);
  await native.decode(type, blocks, found);
  expect(found).toEqual(expected);
  expect(found).not.toEqual(before);
});

it('leaves blocks as they are where nothing can be gained', async () => {
  const found = await quantized('Q4_K', gptqDescent, { rounds: 100 });
  const again = found.slice();
  const before = await errorOf('Q4_K', found);
  const losses = await descended('Q4_K', again, 0);
  expect(again).toEqual(found);
  expect(losses.reduce((sum, loss) => sum + loss, 0) / before).toBeCloseTo(1, 5);
});

it('takes rows of one block, and fewer rows than lanes', async () => {
  const own = correlatedHessian(32, 100);
  const evidence = { hessian: own };
  const some = weights.slice(0, 3 * 32);
  const quantizer = await gptqDescent.blocks!.open({ type: 'Q4_1', shape: [3, 32], evidence, options: {} });
  const blocks = await quantizer.quantize(some.slice());
  const values = new Float32Array(some.length);
  await native.decode('Q4_1', blocks, values);
  const plain = new Uint8Array(blocks.length);
  await native.encodeRows('Q4_1', some, 32, plain);
  const rounded = new Float32Array(some.length);
  await native.decode('Q4_1', plain, rounded);
  expect(outputError(own, some, values)).toBeLessThan(outputError(own, some, rounded));
});

it('is cancelled', async () => {
  const controller = new AbortController();
  const blocks = await encoded('Q4_K');
  const tiles = await tilesOf(hessian, 0, 'Q4_K');
  const task = { type: 'Q4_K', grid: columnGridOf('Q4_K'), hessian: tiles, weights, blocks, rounds: 1e6 };
  const run = native.descendBlocks({ ...task, type: 'Q4_K' }, controller.signal);
  controller.abort();
  await expect(run).rejects.toMatchObject({ code: 'CANCELLED' });
});

it('by both sides is estimated to take longer for each of more rows, where rows depend on each other', () => {
  const task = { type: 'Q4_K', options: { objective: 'two-sided' } } as const;
  const perRow = (rows: number): number => gptqDescent.coreSeconds([rows, 1024], task) / rows;
  expect(perRow(8192)).toBeGreaterThan(perRow(1024));
  expect(perRow(131_072)).toBeCloseTo(perRow(262_144), 6);
  const [expert, merged] = [
    [768, 1024],
    [64, 768, 1024],
  ].map((shape) => codesSeconds(shape, 'Q4_K', 'two-sided'));
  expect(merged! / expert!).toBeCloseTo(64, 6);
  // Slabs of such rows are improved one after the other, on however many cores.
  expect(expert).toBeGreaterThan(12 * twoSidedWeight * 768 * 1024);
});

it('takes ggml types whose weights have codes of their own, and no grids', () => {
  const options = {};
  expect(methodById('GPTQ-CD')).toBe(gptqDescent);
  expect(gptqDescent.blocks!.refuse({ type: 'Q2_K', shape: [1, 512], options })).toBeUndefined();
  expect(gptqDescent.blocks!.refuse({ type: 'TQ1_0', shape: [1, 512], options })).toMatch(
    /no codes of single/,
  );
  const grid = gptqGrid(4, 128, true);
  expect(gptqDescent.refuse({ grid, shape: [1, 512], options })).toBe(
    'GPTQ and coordinate descent takes ggml types only: GPTQ takes grids.',
  );
});
