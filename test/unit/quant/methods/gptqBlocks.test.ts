import { describe, expect, it } from 'vitest';
import { loadNative } from '../../../../src/native';
import { ggmlTypes, type GgmlQuantType } from '../../../../src/protocol/ggmlTypes';
import { typeGrids, typesWithCodes } from '../../../../src/quant/columns/blocks';
import { gptq } from '../../../../src/quant/methods/gptq';
import { gptqDescent } from '../../../../src/quant/methods/gptqDescent';
import { outputError } from '../../../support/outputError';
import { Random } from '../../../support/random';
import { correlatedHessian, steepHessian } from '../../../support/hessian';

const native = loadNative();
const [rows, columns] = [70, 512];
const weights = new Random(3).fill(rows * columns, (random) => random.studentT3() * 0.05);
const hessian = correlatedHessian(columns, 600);
const importance = Float32Array.from({ length: columns }, (_, i) => hessian[i * (columns + 1)]!);

async function encoded(type: GgmlQuantType, by = importance): Promise<Uint8Array> {
  const { block, bytes } = ggmlTypes.find(({ name }) => name === type)!;
  const codes = new Uint8Array((weights.length / block) * bytes);
  await native.encodeRows(type, weights, columns, codes, { importance: by });
  return codes;
}

async function decoded(type: GgmlQuantType, blocks: Uint8Array): Promise<Float32Array> {
  const values = new Float32Array(weights.length);
  await native.decode(type, blocks, values);
  return values;
}

describe.each(typesWithCodes)('%s', (type) => {
  it.each([
    ['scales from corrected weights', { act_order: false }],
    ['scales before all columns', { act_order: false, static_groups: true }],
    ['columns by importance', {}],
  ])('has a smaller output error than its encoder, %s', async (_, options) => {
    const evidence = { hessian };
    const quantizer = await gptq.blocks!.open({ type, shape: [rows, columns], evidence, options });
    const blocks = await quantizer.quantize(weights.slice());
    const plain = outputError(hessian, weights, await decoded(type, await encoded(type)));
    const found = outputError(hessian, weights, await decoded(type, blocks));
    expect(found).toBeLessThan(plain * 0.9);
  });
});

it.each([gptq, gptqDescent])(
  'keeps the encoder’s blocks of rows whose corrections leave the range of float32: $id',
  async (method) => {
    const steep = steepHessian(columns);
    const task = { type: 'Q4_K', shape: [rows, columns], evidence: { hessian: steep } } as const;
    const options = method === gptq ? { damping: 0, act_order: false } : { damping: 0, rounds: 0 };
    const blocks = await (await method.blocks!.open({ ...task, options })).quantize(weights.slice());
    const own = Float32Array.from({ length: columns }, (_, i) => steep[i * (columns + 1)]!);
    expect(blocks).toEqual(await encoded('Q4_K', own));
  },
);

/** Levels of codes as stored: two's complement, E2M1, or the table of the IQ4 types. */
function levelOf(type: GgmlQuantType, code: number): number {
  const { levels } = typeGrids[type]!;
  if (levels.kind === 'integer') return levels.signed ? (code << 24) >> 24 : code;
  if (levels.kind === 'float') return [0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6][code]!;
  return [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113][code]!;
}

it.each(typesWithCodes)('blocks of %s hold the codes that are put into them', async (type) => {
  const { levels, group, hasMinimum } = typeGrids[type]!;
  const [low, high] =
    levels.kind !== 'integer'
      ? [0, 15]
      : levels.signed
        ? [-(2 ** (levels.bits - 1)), 2 ** (levels.bits - 1) - 1]
        : [0, 2 ** levels.bits - 1];
  const random = new Random(8);
  const codes = Uint8Array.from(
    { length: weights.length },
    () => low + Math.floor(random.next() * (high - low + 1)),
  );
  const blocks = await encoded(type);
  const scales = new Float32Array(weights.length / group);
  const zeros = hasMinimum && new Float32Array(scales.length);
  await native.blockParameters(type, blocks, scales, zeros);
  await native.setBlockCodes(type, blocks, codes);
  const expected = Float32Array.from(codes, (code, i) => {
    const at = Math.floor(i / group);
    const value = Math.fround(levelOf(type, code) * scales[at]!);
    return zeros ? value + zeros[at]! : value;
  });
  expect(await decoded(type, blocks)).toEqual(expected);
});

it('refuses types without codes of single weights, and rows that are not whole blocks', () => {
  const refuse = (type: GgmlQuantType, columns: number): string | undefined =>
    gptq.blocks!.refuse({ type, shape: [1, columns], options: {} });
  expect(refuse('Q4_K', 512)).toBeUndefined();
  expect(refuse('IQ2_XS', 512)).toMatch(/^IQ2_XS has no codes of single weights: choose one of Q4_0, /);
  expect(refuse('Q4_K', 384)).toBe('Rows of 384 weights are not whole blocks of 256.');
});
