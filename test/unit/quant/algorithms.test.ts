import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { areCurrent, isCurrent, versionsOf } from '../../../src/quant/algorithms';
import { formatById, formats } from '../../../src/quant/catalogue';
import type { QuantFormat } from '../../../src/quant/format';
import { Random } from '../../support/random';
import { decodeEncoded, encodeIn } from '../../../src/quant/codec';

const columns = 512;
const random = new Random(2024);
// Heavy tails by arithmetic that is the same everywhere.
const values = random.fill(24 * columns, (draw) => ((draw.next() - 0.5) * 0.03) / (1.01 - draw.next()));
values.fill(0, 3 * columns, 4 * columns);
values.fill(0.25, 5 * columns, 5 * columns + 256);
const importance = random.fill(columns, (draw) => draw.next() * draw.next());

/** Grids by their names, of each kind of levels. */
const grids = [
  'int4-g128',
  'uint4-g32-zp',
  'e3m4-row',
  'fp4-b64',
  'e2m1-g16-e4m3-global',
  'int3-tensor-bf16',
];

/** A digest of what a format encodes of some rows, and of what it decodes them to. */
async function digestOf(format: QuantFormat): Promise<string> {
  const range = {
    min: values.reduce((a, b) => Math.min(a, b)),
    max: values.reduce((a, b) => Math.max(a, b)),
  };
  const encoded = await encodeIn(format, values, columns, range, { importance });
  const { scales, zeros } = 'grid' in encoded ? encoded : {};
  const hash = createHash('sha256');
  for (const part of [encoded.codes, scales, zeros, await decodeEncoded(encoded)])
    if (part) hash.update(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  return hash.digest('hex').slice(0, 12);
}

/** Of version and results of each format. Where a digest changes, the version must change with it. */
const digests: Readonly<Record<string, string>> = {
  Q1_0: '1 645b4eecedad',
  IQ1_S: '1 a5e17ca82dd6',
  TQ1_0: '1 2fd6f58ef09d',
  IQ1_M: '1 f4b2eeba2420',
  IQ2_XXS: '1 8e09a8676e9f',
  TQ2_0: '1 fe8ce0311485',
  Q2_0: '1 4ae1e4fa9eea',
  IQ2_XS: '1 8a6fdb3301a7',
  IQ2_S: '1 c12b329878a7',
  Q2_K: '1 a62d06a5d008',
  IQ3_XXS: '1 83ca398c9de8',
  IQ3_S: '1 03ad80bffd79',
  Q3_K: '1 bc0141925e45',
  IQ4_XS: '1 30e387d481cc',
  MXFP4: '1 6c7ab366533d',
  IQ4_NL: '1 7ae1a2c5bca4',
  NVFP4: '1 4349193e06e2',
  Q4_0: '1 02e275bc86f3',
  Q4_K: '1 6a63a80c4634',
  Q4_1: '1 ea281d0a1cbe',
  Q5_0: '1 62037ededc4c',
  Q5_K: '1 60ceebad38e2',
  Q5_1: '1 849594e9134d',
  Q6_K: '1 34835a16c9c8',
  Q8_0: '1 7b446838988f',
  F16: '1 5bd4af5191b2',
  BF16: '1 fee5003cc02c',
  nf4: '1 51e2630048b8',
  'block-int4-sym': '2 98f057f2554a',
  'block-int4-asym': '1 7ea1be95c115',
  'minmax-int4': '1 d1576a02fa13',
  'fp8-e4m3': '2 fa27281ee25e',
  'fp8-e5m2': '2 97850d9ae4e9',
  'fp8-e4m3-row': '2 2c3fe79c1784',
  'fp8-e5m2-row': '2 965aa3c0652e',
  'rowwise-int8': '2 ae5acfb5d9c7',
  'absmax-int8': '2 dff03b81b8ec',
  'zeropoint-int8': '2 f28bcbdb3045',
  'minmax-int8': '1 0fdf673ff2cd',
  'int4-g128': '2 f35772b1f886',
  'uint4-g32-zp': '2 6877f34a5712',
  'e3m4-row': '2 f2dcdf3f6585',
  'fp4-b64': '2 bb0e9e1232fc',
  'e2m1-g16-e4m3-global': '2 1d445e368ace',
  'int3-tensor-bf16': '2 d40587922562',
};

describe('versions of algorithms', () => {
  it.each([...formats, ...grids.map(formatById)])(
    '$id: its results change with its version only',
    async (format) => {
      const version = versionsOf([format.id])[format.id];
      expect(`${version} ${await digestOf(format)}`).toBe(digests[format.id]);
    },
  );

  it('are there for nothing but formats, grids and measures', () => {
    const ids = formats.map(({ id }) => id);
    expect(Object.keys(digests).sort()).toEqual([...ids, ...grids].sort());
    expect(() => versionsOf(['Q9_K'])).toThrow('there is no version of Q9_K');
    expect(() => versionsOf(['constructor'])).toThrow('there is no version of constructor');
    expect(() => versionsOf(['llm-int8'])).toThrow('there is no version of llm-int8');
  });

  it('distinguish results that would be the same today', () => {
    const used = versionsOf(['states', 'Q4_K', 'Q4_K']);
    expect(used).toEqual({ Q4_K: 1, states: 1 });
    expect(areCurrent(used, ['Q4_K', 'states'])).toBe(true);
    expect(areCurrent(used, ['Q4_K'])).toBe(false);
    expect(areCurrent({ ...used, Q4_K: 0 }, ['Q4_K', 'states'])).toBe(false);
    expect(isCurrent(used)).toBe(true);
    expect(isCurrent({ ...used, states: 2 })).toBe(false);
    expect([isCurrent({ Q9_K: 1 }), isCurrent(undefined), isCurrent(null)]).toEqual([false, false, false]);
  });
});
