import { expect, it } from 'vitest';
import { loadNative } from '../../../../src/native';
import type { GgmlQuantType } from '../../../../src/protocol/ggmlTypes';
import { factorOf } from '../../../../src/quant/columns/factor';
import { restoreSizes } from '../../../../src/quant/columns/sizes';
import { gptqDescent } from '../../../../src/quant/methods/gptqDescent';
import { correlatedHessian } from '../../../support/hessian';
import { outputError } from '../../../support/outputError';
import { Random } from '../../../support/random';

const native = loadNative();
const [rows, columns] = [16, 512];
const weights = new Random(3).fill(rows * columns, (random) => random.studentT3() * 0.05);
const hessian = correlatedHessian(columns, 600);
const importance = Float32Array.from({ length: columns }, (_, i) => hessian[i * (columns + 1)]!);

async function decoded(type: GgmlQuantType, blocks: Uint8Array): Promise<Float32Array> {
  const values = new Float32Array(weights.length);
  await native.decode(type, blocks, values);
  return values;
}

async function quantized(type: GgmlQuantType, options: Readonly<Record<string, number>>) {
  const task = { type, shape: [rows, columns], evidence: { hessian }, options } as const;
  return decoded(type, await (await gptqDescent.blocks!.open(task)).quantize(weights.slice()));
}

/** d·H·dᵀ of the difference of a row. */
const errorOf = (row: number, from: Float32Array, to: Float32Array): number => {
  const at = [row * columns, (row + 1) * columns] as const;
  return outputError(hessian, from.subarray(...at), to.subarray(...at));
};

/** w·H·vᵀ / w·H·wᵀ of each row. */
const slopes = (values: Float32Array): number[] =>
  Array.from({ length: rows }, (_, row) => {
    const zeros = new Float32Array(weights.length);
    const whole = errorOf(row, weights, zeros);
    return (whole + errorOf(row, values, zeros) - errorOf(row, weights, values)) / 2 / whole;
  });

it('gives rows on lattices the size of their weights back, and leaves others as they fit best', async () => {
  for (const type of ['IQ1_S', 'IQ2_XXS', 'IQ2_XS', 'IQ2_S', 'IQ3_XXS', 'IQ3_S'] as const)
    for (const slope of slopes(await quantized(type, {}))) expect(slope, type).toBeCloseTo(1, 3);
  const fitted = slopes(await quantized('Q2_K', {}));
  expect(fitted.reduce((sum, slope) => sum + slope, 0) / rows).toBeLessThan(0.99);
});

it('keeps rows as they are whose errors would become larger than with the codes of the encoder', async () => {
  const encoded = new Uint8Array((weights.length / 256) * 50);
  await native.encodeRows('IQ1_S', weights, columns, encoded, { importance });
  const factor = await factorOf(hessian, { damping: 0.1, order: 'none', block: 256 }, undefined);
  const blocks = encoded.slice();
  const plan = { factor, importance, columns: 256, dead: [] };
  await restoreSizes('IQ1_S', plan, weights, blocks);
  const [before, after] = [await decoded('IQ1_S', encoded), await decoded('IQ1_S', blocks)];
  const changes = Array.from({ length: rows }, (_, row) => {
    const change = errorOf(row, weights, after) - errorOf(row, weights, before);
    expect(change).toBeLessThanOrEqual(0);
    return change;
  });
  expect(changes).toContain(0);
});

it('takes the damping that is given in place of that of IQ1_S', async () => {
  const usual = await quantized('IQ1_S', {});
  expect(await quantized('IQ1_S', { damping: 0.1 })).toEqual(usual);
  expect(await quantized('IQ1_S', { damping: 0.01 })).not.toEqual(usual);
});
