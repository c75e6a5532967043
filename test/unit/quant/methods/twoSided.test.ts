import { afterEach, describe, expect, it } from 'vitest';
import { loadNative } from '../../../../src/native';
import { ggmlTypes, type GgmlQuantType } from '../../../../src/protocol/ggmlTypes';
import { columnGridOf } from '../../../../src/quant/columns/blocks';
import { descentTypes, tilesOf } from '../../../../src/quant/columns/descent';
import { isLattice } from '../../../../src/quant/columns/latticeTypes';
import { gptqDescent } from '../../../../src/quant/methods/gptqDescent';
import { correlatedHessian } from '../../../support/hessian';
import { twoSidedError } from '../../../support/outputError';
import { plainTwoSidedDescent } from '../../../support/plainTwoSided';
import { plainTypes } from '../../../support/plainTypes';
import { Random } from '../../../support/random';

const native = loadNative();
const widest = native.simd;
const [rows, columns] = [70, 512];
const weights = new Random(3).fill(rows * columns, (random) => random.studentT3() * 0.05);
const hessian = correlatedHessian(columns, 600);
const covariance = correlatedHessian(rows, 200, 9);
const damping =
  0.1 * (covariance.reduce((sum, value, i) => sum + (i % (rows + 1) === 0 ? value : 0), 0) / rows);
const damped = covariance.map((value, i) => (i % (rows + 1) === 0 ? value + damping : value));

afterEach(() => {
  native.setSimd(widest);
  native.setThreads(2);
});

async function decodedOf(type: GgmlQuantType, blocks: Uint8Array): Promise<Float32Array> {
  const { block, bytes } = ggmlTypes.find(({ name }) => name === type)!;
  const values = new Float32Array((blocks.length / bytes) * block);
  await native.decode(type, blocks, values);
  return values;
}

/** What the one-sided objective gives. */
async function oneSided(type: GgmlQuantType): Promise<Uint8Array> {
  const task = { type, shape: [rows, columns], evidence: { hessian }, options: {} } as const;
  return (await gptqDescent.blocks!.open(task)).quantize(weights.slice());
}

const descent = async (type: GgmlQuantType, blocks: Uint8Array, rounds: number) => ({
  ...{ type, grid: isLattice(type) ? undefined : columnGridOf(type), weights, blocks, rounds },
  hessian: await tilesOf(hessian, 0, type),
  covariance: { values: covariance, damping },
});

const errorOf = async (type: GgmlQuantType, blocks: Uint8Array): Promise<number> =>
  twoSidedError(damped, hessian, weights, await decodedOf(type, blocks));

describe.each(descentTypes)('%s', (type) => {
  it('has a smaller error by both sides than with the inputs alone, on every instruction set the same', async () => {
    const start = await oneSided(type);
    const before = await errorOf(type, start);
    const found = start.slice();
    await native.descendBothSides(await descent(type, found, 3));
    expect(await errorOf(type, found)).toBeLessThan(0.97 * before);
    for (const simd of native.simdPaths) {
      native.setSimd(simd);
      native.setThreads(simd === widest ? 1 : 3);
      const again = start.slice();
      await native.descendBothSides(await descent(type, again, 3));
      expect(Buffer.compare(again, found)).toBe(0);
    }
  });
});

it.each(plainTypes)('%s: codes and scales are those of plain loops, bit for bit', async (type, plain) => {
  const blocks = await oneSided(type);
  const before = await decodedOf(type, blocks);
  const rowsOfHessian = Array.from({ length: columns }, (_, row) =>
    Float32Array.from(hessian.subarray(row * columns, (row + 1) * columns)),
  );
  const expected = plainTwoSidedDescent(plain, rowsOfHessian, damped, weights, before, blocks, 1);
  expect(twoSidedError(damped, hessian, weights, expected)).toBeLessThan(
    0.97 * twoSidedError(damped, hessian, weights, before),
  );
  await native.descendBothSides(await descent(type, blocks, 1));
  expect(await decodedOf(type, blocks)).toEqual(expected);
});

it('with rows that do not depend on each other is the descent on each row alone', async () => {
  const blocks = await oneSided('Q4_K');
  const found = blocks.slice();
  const identity = covariance.map((_, i) => (i % (rows + 1) === 0 ? 1 : 0));
  await native.descendBothSides({
    ...(await descent('Q4_K', found, 1)),
    covariance: { values: identity, damping: 0 },
  });
  const oneMore = blocks.slice();
  const tiles = await tilesOf(hessian, 0, 'Q4_K');
  await native.descendBlocks({
    ...{ type: 'Q4_K', grid: columnGridOf('Q4_K'), hessian: tiles, weights, blocks: oneMore, rounds: 1 },
  });
  expect(found).toEqual(oneMore);
});

it('leaves blocks as they are where nothing is known of the outputs', async () => {
  const blocks = await oneSided('Q4_0');
  const found = blocks.slice();
  const nothing = { values: new Float64Array(rows * rows), damping: 0 };
  await native.descendBothSides({ ...(await descent('Q4_0', found, 1)), covariance: nothing });
  expect(found).toEqual(blocks);
});

it('rejects a covariance of another size', async () => {
  const blocks = await oneSided('Q4_0');
  const small = { values: new Float64Array(9), damping: 0 };
  await expect(
    native.descendBothSides({ ...(await descent('Q4_0', blocks, 1)), covariance: small }),
  ).rejects.toThrow('the covariance has 9 elements where 4900 are needed');
});

it('is cancelled', async () => {
  const controller = new AbortController();
  const run = native.descendBothSides(await descent('Q4_K', await oneSided('Q4_K'), 1e6), controller.signal);
  controller.abort();
  await expect(run).rejects.toMatchObject({ code: 'CANCELLED' });
});
