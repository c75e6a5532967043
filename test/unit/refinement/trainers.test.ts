import { describe, expect, it } from 'vitest';
import { ggmlRowBytes } from '../../../src/model/dtypes';
import { loadNative } from '../../../src/native';
import { ggmlTypes, type GgmlQuantType } from '../../../src/protocol/ggmlTypes';
import { typesWithCodes } from '../../../src/quant/columns/blocks';
import { factorType, readFactors, writeFactors } from '../../../src/quant/blockFactors';
import { factorGradients } from '../../../src/refinement/factorGradients';
import { codeDistances, setNearestCodes } from '../../../src/refinement/nearestCodes';
import { trainerOf } from '../../../src/refinement/trainers';
import { Random } from '../../support/random';

const native = loadNative();
const columns = 512;
const weights = new Random(11).fill(2 * columns, (random) => random.studentT3() * 0.05);
const gradient = new Random(12).fill(2 * columns, (random) => random.normal());
const types = ggmlTypes.filter(({ encoding, block }) => encoding && block > 1);
const withFactors = types.filter(({ name }) => factorType(name)).map(({ name }) => name as GgmlQuantType);

async function encoded(type: GgmlQuantType): Promise<Uint8Array> {
  const blocks = new Uint8Array(2 * ggmlRowBytes(type, columns));
  const importance = new Float32Array(columns).fill(1);
  expect(await native.encodeRows(type, weights, columns, blocks, { importance })).toBeUndefined();
  return blocks;
}

async function decoded(type: GgmlQuantType, blocks: Uint8Array): Promise<Float32Array> {
  const values = new Float32Array(2 * columns);
  await native.decode(type, blocks, values);
  return values;
}

const inner = (a: Float32Array, b: Float32Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);

describe('factors of blocks', () => {
  it('are known for all types but those whose scales are coarse or spread over the block', () => {
    const others = types.map(({ name }) => name).filter((name) => !factorType(name));
    expect(others.sort()).toEqual(['IQ1_M', 'MXFP4', 'NVFP4']);
  });

  it.each(withFactors)('%s: what a factor adds to the weights is its gradient', async (type) => {
    const form = factorType(type)!;
    const blocks = await encoded(type);
    const factors = await readFactors(form, blocks);
    const same = new Uint8Array(blocks.length);
    same.set(blocks);
    await writeFactors(form, same, factors);
    expect(same).toEqual(blocks);
    const before = inner(gradient, await decoded(type, blocks));
    const found = await factorGradients(form, blocks, gradient);
    expect(found).toHaveLength(factors.length);
    const usual = Math.sqrt(inner(found, found) / found.length);
    for (const i of [0, 1, factors.length - 1]) {
      // Twice a factor is exact in float16.
      const changed = blocks.slice();
      await writeFactors(
        form,
        changed,
        factors.map((factor, j) => (i === j ? 2 * factor : factor)),
      );
      const added = inner(gradient, await decoded(type, changed)) - before;
      expect(Math.abs(found[i]! - added) / usual).toBeLessThan(1e-4);
    }
  });
});

describe('nearest codes', () => {
  it.each(typesWithCodes)('%s: the weights of blocks have their own codes', async (type) => {
    const blocks = await encoded(type);
    const values = await decoded(type, blocks);
    const changed = blocks.slice();
    await native.setBlockCodes(type, changed, new Uint8Array(values.length));
    expect(await decoded(type, changed)).not.toEqual(values);
    await setNearestCodes(type, changed, values);
    expect(await decoded(type, changed)).toEqual(values);
  });

  it.each(typesWithCodes)('%s: no code is nearer to a weight than the one that is set', async (type) => {
    const blocks = await encoded(type);
    const wanted = weights.map((weight, i) => weight * (1 + (i % 5) / 4));
    await setNearestCodes(type, blocks, wanted);
    const values = await decoded(type, blocks);
    const distances = await codeDistances(type, blocks, values.length);
    const every = blocks.slice();
    for (let code = 0; code < 256; code++) {
      // Codes that a type lacks become others of it, but for −128, which encoders do not use.
      if (type === 'Q8_0' && code === 128) continue;
      await native.setBlockCodes(type, every, new Uint8Array(values.length).fill(code));
      const others = await decoded(type, every);
      const worse = wanted.findIndex((weight, i) => {
        const slack = 1e-4 * distances.values[Math.floor(i / distances.per)]!;
        return Math.abs(others[i]! - weight) < Math.abs(values[i]! - weight) - slack;
      });
      expect(worse, `code ${code}`).toBe(-1);
    }
  });
});

describe('trainers', () => {
  const stateOf = (values: Float32Array) => ({
    ...{ values, first: new Float32Array(values.length), second: new Float32Array(values.length) },
  });

  it.each([
    ['F32', [columns], 'codes', columns],
    ['F32', [2, columns], 'codes', undefined],
    ['F16', [2, columns], 'codes', undefined],
    ['MXFP4', [2, columns], 'codes', undefined],
    ['Q4_K', [2, columns], 'factors', 8],
    ['Q4_K', [2, columns], 'codes', 8 + 2 * columns],
    ['Q6_K', [2, columns], 'codes', 4 + 2 * columns],
    ['IQ2_S', [2, columns], 'codes', 4],
  ] as const)('%s %o with %s', (type, shape, parts, size) => {
    expect(trainerOf(type, shape, parts)?.size).toBe(size);
  });

  const drifted = weights.map((weight) => 1.15 * weight);
  const others = weights.toReversed();
  const tried = ['Q2_K', 'Q4_K', 'Q6_K', 'IQ4_XS', 'Q5_1', 'IQ3_S'] as const;
  it.each([
    ...tried.map((type) => [type, 'factors', drifted] as const),
    ...tried.filter((type) => type !== 'IQ3_S').map((type) => [type, 'codes', others] as const),
  ])('%s, %s: steps against the gradient of a squared error make it smaller', async (type, parts, wanted) => {
    const trainer = trainerOf(type, [2, columns], parts)!;
    const start = await encoded(type);
    const state = stateOf(await trainer.start(start));
    let blocks = await trainer.encode(state.values, start);
    expect(await decoded(type, blocks)).toEqual(await decoded(type, start));
    const error = async () => (await decoded(type, blocks)).map((value, i) => value - wanted[i]!);
    const before = await error();
    for (let step = 1; step <= 40; step++) {
      await trainer.move(state, blocks, await error(), { step, rate: 5 * (1 - step / 41) });
      blocks = await trainer.encode(state.values, start);
    }
    const after = await error();
    expect(inner(after, after)).toBeLessThan(0.97 * inner(before, before));
  });

  it('moves vectors in float32', async () => {
    const trainer = trainerOf('F32', [4], 'factors')!;
    const start = new Uint8Array(Float32Array.of(2, -2, 2, 2).buffer);
    const state = stateOf(await trainer.start(start));
    await trainer.move(state, start, Float32Array.of(1, -5, 0, 1e-3), { step: 1, rate: 1 });
    const moved = new Float32Array((await trainer.encode(state.values, start)).slice().buffer);
    [2 - 0.002, -2 + 0.002, 2, 2 - 0.002].forEach((value, i) => expect(moved[i]).toBeCloseTo(value, 6));
  });
});
