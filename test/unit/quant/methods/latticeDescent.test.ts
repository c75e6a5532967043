import { afterEach, describe, expect, it } from 'vitest';
import { loadNative } from '../../../../src/native';
import { ggmlTypes, type GgmlQuantType } from '../../../../src/protocol/ggmlTypes';
import { tilesOf } from '../../../../src/quant/columns/descent';
import { latticeTypes } from '../../../../src/quant/columns/latticeTypes';
import { gptqDescent } from '../../../../src/quant/methods/gptqDescent';
import { correlatedHessian } from '../../../support/hessian';
import { outputError } from '../../../support/outputError';
import { plainLatticeDescent, type PlainLattice } from '../../../support/plainLattice';
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

async function decoded(
  type: GgmlQuantType,
  blocks: Uint8Array,
  count = weights.length,
): Promise<Float32Array> {
  const values = new Float32Array(count);
  await native.decode(type, blocks, values);
  return values;
}

const errorOf = async (type: GgmlQuantType, blocks: Uint8Array): Promise<number> =>
  outputError(hessian, weights, await decoded(type, blocks));

async function quantized(type: GgmlQuantType, rounds = 1): Promise<Uint8Array> {
  const task = { type, shape: [rows, columns], evidence: { hessian }, options: { rounds } } as const;
  return (await gptqDescent.blocks!.open(task)).quantize(weights.slice());
}

describe.each(latticeTypes)('%s', (type) => {
  it('has a much smaller output error than with its encoder, by GPTQ and further by descent', async () => {
    const reference = await errorOf(type, await encoded(type));
    const start = await errorOf(type, await quantized(type, 0));
    expect(start).toBeLessThan(reference * 0.25);
    expect(await errorOf(type, await quantized(type, 2))).toBeLessThan(start * 0.93);
  });

  it('holds in its blocks what the descent arrived at', async () => {
    const blocks = await encoded(type);
    const before = await errorOf(type, blocks);
    const tiles = await tilesOf(hessian, 0, type);
    const losses = await native.descendBlocks({ type, hessian: tiles, weights, blocks, rounds: 1 });
    const found = losses.reduce((sum, loss) => sum + loss, 0);
    expect(await errorOf(type, blocks)).toBeCloseTo(found, Math.ceil(5 - Math.log10(found)));
    expect(found).toBeLessThan(before * 0.4);
  });

  it('gives the same bytes on every instruction set and for any number of threads', async () => {
    const expected = await quantized(type);
    for (const simd of native.simdPaths) {
      native.setSimd(simd);
      native.setThreads(simd === widest ? 1 : 3);
      expect(Buffer.compare(await quantized(type), expected)).toBe(0);
    }
  });

  it('keeps the blocks of the encoder for rows that they describe exactly', async () => {
    const exact = await decoded(type, await encoded(type));
    const blocks = await encoded(type);
    const tiles = await tilesOf(hessian, 0, type);
    const before = blocks.slice();
    await native.descendBlocks({ type, hessian: tiles, weights: exact, blocks, rounds: 2 });
    expect(Buffer.compare(blocks, before)).toBe(0);
  });
});

const halfOf = (block: Uint8Array, at: number): number => {
  const [fraction, exponent] = [block[at]! | ((block[at + 1]! & 3) << 8), (block[at + 1]! >> 2) & 31];
  return exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
};
const wordsOf = (block: Uint8Array, at: number, bits: 16 | 32): number[] => {
  const view = new DataView(block.buffer, block.byteOffset + at);
  const count = (block.length - at) / (bits / 8);
  return Array.from({ length: count }, (_, i) =>
    bits === 16 ? view.getUint16(2 * i, true) : view.getUint32(4 * i, true),
  );
};
/** Eight signs of a 7-bit pattern: the last makes the number of minus signs even. */
const evenSigns = (pattern: number): number[] => {
  const signs = Array.from({ length: 7 }, (_, i) => (pattern >> i) & 1);
  return [...signs, signs.reduce((sum, sign) => sum + sign, 0) % 2];
};
/** Of words of four 7-bit sign patterns and a scale. */
const signsOf = (words: readonly number[], k: number): number[] =>
  evenSigns((words[k >> 2]! >>> (7 * (k % 4))) & 127);
const noSigns: readonly number[] = new Array<number>(8).fill(0);
const octets = Array.from({ length: 32 }, (_, k) => k);
/** A block of zeros but for some bytes. */
const blockWith = (length: number, bytes: Readonly<Record<number, number>>): Uint8Array =>
  Object.assign(new Uint8Array(length), bytes);

const plainTypes: readonly PlainLattice[] = [
  {
    ...{ name: 'IQ2_XXS', points: 256, dims: 8, group: 32, most: 15, signs: 'even', shared: 0 },
    read: (block) => {
      const words = wordsOf(block, 2, 32);
      const own = words.filter((_, i) => i % 2 === 1);
      return {
        d: halfOf(block, 0),
        codes: own.map((word) => word >>> 28),
        octets: octets.map((k) => ({
          points: [(words[2 * (k >> 2)]! >>> (8 * (k % 4))) & 255],
          ...{ signs: signsOf(own, k), shift: 0 },
        })),
      };
    },
    write: (points) =>
      blockWith(66, {
        ...Object.fromEntries(points.map((point, k) => [2 + 8 * (k >> 2) + (k % 4), point])),
        1: 0x3c,
      }),
  },
  {
    ...{ name: 'IQ3_XXS', points: 256, dims: 4, group: 32, most: 15, signs: 'even', shared: 0 },
    read: (block) => {
      const words = wordsOf(block, 66, 32);
      return {
        d: halfOf(block, 0),
        codes: words.map((word) => word >>> 28),
        octets: octets.map((k) => ({
          points: [block[2 + 2 * k]!, block[3 + 2 * k]!],
          ...{ signs: signsOf(words, k), shift: 0 },
        })),
      };
    },
    write: (points) =>
      blockWith(98, { ...Object.fromEntries(points.map((point, i) => [2 + i, point])), 1: 0x3c }),
  },
  {
    ...{ name: 'IQ1_S', points: 2048, dims: 8, group: 32, most: 7, signs: 'none', shared: 32 },
    read: (block) => {
      const words = wordsOf(block, 34, 16);
      return {
        d: halfOf(block, 0),
        codes: words.map((word) => (word >> 12) & 7),
        octets: octets.map((k) => ({
          points: [block[2 + k]! | (((words[k >> 2]! >> (3 * (k % 4))) & 7) << 8)],
          ...{ signs: noSigns, shift: words[k >> 2]! >> 15 },
        })),
      };
    },
    write: (points) => {
      const high = octets.map((k) => (points[k]! >> 8) << (3 * (k % 4)));
      const words = Array.from({ length: 8 }, (_, j) => high.slice(4 * j, 4 * j + 4).reduce((a, b) => a | b));
      const bytes = words.flatMap((word) => [word & 255, word >> 8]);
      return blockWith(50, {
        ...Object.fromEntries(points.map((point, k) => [2 + k, point & 255])),
        ...Object.fromEntries(bytes.map((byte, i) => [34 + i, byte])),
        1: 0x3c,
      });
    },
  },
  {
    ...{ name: 'IQ1_M', points: 2048, dims: 8, group: 16, most: 7, signs: 'none', shared: 8 },
    read: (block) => {
      const words = wordsOf(block, 48, 16);
      const d = words.reduce((bits, word, i) => bits | ((word >> 12) << (4 * i)), 0);
      const highOf = (k: number): number => (block[32 + (k >> 1)]! >> (4 * (k % 2))) & 15;
      return {
        d: halfOf(Uint8Array.of(d & 255, d >> 8), 0),
        codes: Array.from({ length: 16 }, (_, j) => (words[j >> 2]! >> (3 * (j % 4))) & 7),
        octets: octets.map((k) => ({
          points: [block[k]! | ((highOf(k) & 7) << 8)],
          ...{ signs: noSigns, shift: highOf(k) >> 3 },
        })),
      };
    },
    write: (points) => {
      const high = octets.map((k) => (points[k]! >> 8) << (4 * (k % 2)));
      return blockWith(56, {
        ...Object.fromEntries(points.map((point, k) => [k, point & 255])),
        ...Object.fromEntries(octets.map((k) => [32 + (k >> 1), high[k]! | high[k ^ 1]!])),
        ...{ 53: 0xc0, 55: 0x30 },
      });
    },
  },
];

it.each(plainTypes)('$name: points and scales are those of plain loops, bit for bit', async (plain) => {
  const type = plain.name;
  const some = weights.slice(0, 2 * columns);
  const whole = await encoded(type);
  const blocks = whole.slice(0, (some.length * whole.length) / weights.length);
  const before = await decoded(type, blocks, some.length);
  const rowsOfHessian = Array.from({ length: columns }, (_, row) =>
    Float32Array.from(hessian.subarray(row * columns, (row + 1) * columns)),
  );
  const expected = await plainLatticeDescent(plain, rowsOfHessian, some, blocks, 2);
  const tiles = await tilesOf(hessian, 0, type);
  await native.descendBlocks({ type, hessian: tiles, weights: some, blocks, rounds: 2 });
  const found = await decoded(type, blocks, some.length);
  expect(found).toEqual(expected);
  expect(found).not.toEqual(before);
});

it('is cancelled', async () => {
  const controller = new AbortController();
  const blocks = await encoded('IQ2_S');
  const tiles = await tilesOf(hessian, 0, 'IQ2_S');
  const run = native.descendBlocks(
    { type: 'IQ2_S', hessian: tiles, weights, blocks, rounds: 100 },
    controller.signal,
  );
  controller.abort();
  await expect(run).rejects.toMatchObject({ code: 'CANCELLED' });
});

it('takes lattice types whose rows are whole blocks', () => {
  const options = {};
  expect(gptqDescent.blocks!.refuse({ type: 'IQ2_XS', shape: [1, 512], options })).toBeUndefined();
  expect(gptqDescent.blocks!.refuse({ type: 'IQ2_XS', shape: [1, 320], options })).toBe(
    'Rows of 320 weights are not whole blocks of 256.',
  );
  expect(gptqDescent.blocks!.refuse({ type: 'TQ1_0', shape: [1, 512], options })).toMatch(
    /no codes of single/,
  );
});
