import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeDecoder } from '../../../../src/graph/transformer/openDecoder';
import { rotationOf, rotationTables } from '../../../../src/graph/transformer/rotation';
import { openModel } from '../../../../src/layouts/openModel';
import { temporaryFolder } from '../../../support/files';
import { writeSyntheticGguf } from '../../../support/syntheticGguf';

const folder = temporaryFolder();

const plain = { order: 'halves', dimensions: 8, theta: 10_000 } as const;

function expectClose(values: ArrayLike<number>, expected: readonly number[]): void {
  expect(values).toHaveLength(expected.length);
  expected.forEach((value, i) => expect(Math.abs(values[i]! / value - 1), `pair ${i}`).toBeLessThan(1e-12));
}

describe('rotary frequencies', () => {
  it('fall from 1 in equal ratios towards 1/theta', () => {
    const rotation = rotationOf(plain);
    expect(rotation).toMatchObject({ order: 'halves', dimensions: 8, magnitude: 1 });
    expectClose(rotation.frequencies, [1, 0.1, 0.01, 0.001]);
  });

  it('are divided by the factor of linear scaling', () => {
    const { frequencies, magnitude } = rotationOf({ ...plain, scaling: { kind: 'linear', factor: 8 } });
    expectClose(frequencies, [0.125, 0.0125, 0.00125, 0.000125]);
    expect(magnitude).toBe(1);
  });

  it('are divided by factors of their own', () => {
    const factors = Float32Array.of(1, 2, 8, 32);
    expectClose(rotationOf({ ...plain, factors }).frequencies, [1, 0.05, 0.00125, 0.00003125]);
  });

  // 32 turns in 4096 positions: pair 8 ln(4096 / 64π) / (2 ln 10000) = 1.309; one turn: pair 2.814. So pairs 0 and 1 stay,
  // pair 2 is half way from 1 to 3, and pair 3 is stretched.
  it('are stretched by YaRN where they are slow, in part between fast and slow', () => {
    const scaling = { kind: 'yarn', factor: 4, context: 4096 } as const;
    const { frequencies, magnitude } = rotationOf({ ...plain, scaling });
    expectClose(frequencies, [1, 0.1, 0.01 * (0.5 / 4 + 0.5), 0.001 / 4]);
    expect(magnitude).toBeCloseTo(1.138_629_436_1, 9); // 1 + 0.1 ln 4
  });

  it('are stretched by YaRN after their own factors, and multiplied by the file’s attention factor', () => {
    const scaling = { kind: 'yarn', factor: 4, context: 4096 } as const;
    const factors = Float32Array.of(1, 2, 4, 8);
    const { frequencies, magnitude } = rotationOf({ ...plain, scaling, factors, attentionFactor: 0.5 });
    expectClose(frequencies, [1, 0.05, 0.0025 * 0.625, 0.000125 / 4]);
    expect(magnitude).toBeCloseTo(0.569_314_718_1, 9);
  });

  // Both boundaries lie below pair 0: 8 ln(6 / 2π) / (2 ln 10000) = −0.02.
  it('are all stretched by YaRN, except the first, if the context was shorter than a turn of any', () => {
    const scaling = { kind: 'yarn', factor: 2, context: 6 } as const;
    expectClose(rotationOf({ ...plain, scaling }).frequencies, [1, 0.05, 0.005, 0.0005]);
  });

  it('keep their magnitude under YaRN that stretches nothing', () => {
    const scaling = { kind: 'yarn', factor: 1, context: 4096 } as const;
    const { frequencies, magnitude } = rotationOf({ ...plain, scaling });
    expectClose(frequencies, [1, 0.1, 0.01, 0.001]);
    expect(magnitude).toBe(1);
  });
});

describe('tables of a rotation', () => {
  it('hold magnitude times cosine and sine of position times frequency', () => {
    const rotation = {
      order: 'pairs',
      dimensions: 4,
      frequencies: Float64Array.of(1, 0.25),
      magnitude: 2,
    } as const;
    const { cos, sin } = rotationTables(rotation, 3);
    expect([...cos]).toEqual([2, 2, 1.080604612, 1.937824843, -0.832293673, 1.755165124].map(near(cos)));
    expect([...sin]).toEqual([0, 0, 1.68294197, 0.494807919, 1.818594854, 0.958851077].map(near(sin)));
  });
});

/** The table's own value where it is within float32 of the expected one. */
const near =
  (table: Float32Array) =>
  (expected: number, i: number): number =>
    Math.abs(table[i]! - expected) < 2e-7 ? table[i]! : expected;

/** A file of one block whose heads have 64 dimensions. */
async function describeFile(name: string, change: Partial<Parameters<typeof writeSyntheticGguf>[1]>) {
  const path = join(folder, `${name}.gguf`);
  await writeSyntheticGguf(path, {
    ...{ architecture: 'llama', blocks: 1, heads: 4, kvHeads: 4, parts: [], ...change },
    extra: {
      ...Object.fromEntries(
        ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_down'].map((part) => [
          `blk.0.${part}.weight`,
          [256, 256],
        ]),
      ),
      ...change.extra,
    },
  });
  const model = await openModel(path);
  try {
    return (await describeDecoder(model)).shape.blocks[0]!.rotation!;
  } finally {
    await model.close();
  }
}

it('follows the ramp of YaRN that a file states, where llama.cpp does', async () => {
  const frequencies = async (architecture: string, keys: Readonly<Record<string, number>>) => {
    const numbers = { 'rope.scaling.factor': 8, ...keys };
    const keyValues = [
      ...Object.entries(numbers).map(
        ([key, value]) => ({ key: `${architecture}.${key}`, type: 'f32', value }) as const,
      ),
      { key: `${architecture}.rope.scaling.type`, type: 'string', value: 'yarn' } as const,
    ];
    return [...(await describeFile('ramp', { architecture, keyValues })).frequencies];
  };
  const stated = { 'rope.scaling.yarn_beta_fast': 4, 'rope.scaling.yarn_beta_slow': 1 };
  const scaling = { kind: 'yarn', factor: 8, context: 256, fast: 4, slow: 1 } as const;
  const own = rotationOf({ order: 'pairs', dimensions: 64, theta: 10_000, scaling });
  expect(await frequencies('mistral3', stated)).toEqual([...own.frequencies]);
  const usual = await frequencies('mistral3', {});
  expect(usual).not.toEqual([...own.frequencies]);
  expect(await frequencies('llama', stated)).toEqual(usual);
  // Other factors of YaRN that newer files may state are followed only where they mean the usual.
  expect(await frequencies('llama', { 'rope.scaling.yarn_ext_factor': 1 })).toEqual(usual);
  expect(await frequencies('llama', { 'rope.scaling.yarn_ext_factor': -1 })).toEqual(usual);
  expect(await frequencies('llama', { 'rope.scaling.yarn_attn_factor': 1 })).toEqual(usual);
  for (const key of ['yarn_ext_factor', 'yarn_attn_factor'])
    await expect(frequencies('llama', { [`rope.scaling.${key}`]: 0.5 })).rejects.toThrow(
      `The key "llama.rope.scaling.${key}" is 0.5; only models with`,
    );
});

it('is stretched by the factor under its older key, too, and not by one of 0', async () => {
  const stretched = async (key: string, value: number) =>
    describeFile('stretched', { keyValues: [{ key: `llama.${key}`, type: 'f32', value }] });
  const usual = rotationOf({ order: 'pairs', dimensions: 64, theta: 10_000 }).frequencies;
  const quarter = usual.map((frequency) => frequency / 4);
  expect((await stretched('rope.scaling.factor', 4)).frequencies).toEqual(quarter);
  expect((await stretched('rope.scale_linear', 4)).frequencies).toEqual(quarter);
  expect((await stretched('rope.scaling.factor', 0)).frequencies).toEqual(usual);
});

it('has as many divisors of frequencies as frequencies', async () => {
  const extra = (count: number) => ({ extra: { 'rope_freqs.weight': [count] } });
  expect((await describeFile('divided', extra(32))).frequencies).toHaveLength(32);
  await expect(describeFile('short', extra(16))).rejects.toMatchObject({
    ...{ code: 'MODEL_FILE', place: { tensor: 'rope_freqs.weight' } },
    message: expect.stringMatching(/^The tensor has 16 divisors of frequencies; 64 .* need 32/) as string,
  });
});

it('is not computed for more dimensions of a head than a tensor of the file has', async () => {
  const path = join(folder, 'wide.gguf');
  const claimed = ['attention.key_length', 'rope.dimension_count'].map(
    (key) => ({ key: `llama.${key}`, type: 'u32', value: 2 ** 32 - 2 }) as const,
  );
  await writeSyntheticGguf(path, {
    ...{ architecture: 'llama', blocks: 1, heads: 4, kvHeads: 4 },
    keyValues: claimed,
  });
  const model = await openModel(path);
  const message = /^4294967294 dimensions of a head would be rotated .* no tensor is larger than 256\./;
  await expect(describeDecoder(model)).rejects.toThrow(message);
  await model.close();
});
