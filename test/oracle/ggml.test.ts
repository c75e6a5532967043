import { describe, expect, it } from 'vitest';
import { loadNative } from '../../src/native';
import { hasLlamaCpp } from '../support/cache';
import { Random } from '../support/random';
import type { DecodedTypeName, GgmlTypeName } from '../support/ggml';

const native = loadNative();
const columns = 2048;
const layouts: Record<DecodedTypeName, { block: number; bytes: number }> = {
  F16: { block: 1, bytes: 2 },
  BF16: { block: 1, bytes: 2 },
  Q4_0: { block: 32, bytes: 18 },
  Q4_1: { block: 32, bytes: 20 },
  Q5_0: { block: 32, bytes: 22 },
  Q5_1: { block: 32, bytes: 24 },
  Q8_0: { block: 32, bytes: 34 },
  Q2_K: { block: 256, bytes: 84 },
  Q3_K: { block: 256, bytes: 110 },
  Q4_K: { block: 256, bytes: 144 },
  Q5_K: { block: 256, bytes: 176 },
  Q6_K: { block: 256, bytes: 210 },
};
const encoded: GgmlTypeName[] = ['Q4_0', 'Q8_0', 'Q4_K', 'Q5_K', 'Q6_K', 'F16', 'BF16'];

/** Rows that kernels get wrong first. */
const inputs: Record<string, (random: Random) => Float32Array> = {
  normal: (random) => random.fill(64 * columns, (r) => r.normal() * 0.02),
  'heavy-tailed': (random) => random.fill(64 * columns, (r) => r.studentT3() * 0.05),
  'all zero': () => new Float32Array(columns),
  'signed zeros': (random) => random.fill(columns, (r) => (r.next() < 0.5 ? -0 : 0)),
  tiny: (random) => random.fill(16 * columns, (r) => r.normal() * 1e-30),
  huge: (random) => random.fill(16 * columns, (r) => r.normal() * 1e3),
  'beyond binary16': (random) => random.fill(16 * columns, (r) => r.normal() * 1e15),
  denormal: (random) => random.fill(16 * columns, (r) => r.normal() * 1e-40),
  'near the negligible limit': (random) => random.fill(16 * columns, (r) => r.normal() * 1e-15),
  'scales that are subnormal halves': (random) => random.fill(16 * columns, (r) => r.normal() * 3e-6),
  'one outlier in a block': (random) =>
    random.fill(16 * columns, (r) => r.normal() * 0.02).map((x, i) => (i % 256 === 77 ? 1e4 : x)),
  'positive only': (random) => random.fill(16 * columns, (r) => Math.abs(r.normal())),
  constant: () => new Float32Array(columns).fill(0.37),
  'mixed magnitudes': (random) => random.fill(64 * columns, (r) => r.normal() * 10 ** (r.next() * 12 - 9)),
};

async function encode(type: GgmlTypeName, values: Float32Array): Promise<Uint8Array> {
  const { block, bytes } = layouts[type];
  const codes = new Uint8Array((values.length / block) * bytes);
  await native.encodeRows({ kind: 'ggml', type }, values, columns, { min: 0, max: 0 }, { codes });
  return codes;
}

/** Index of the first block whose bytes differ, with its weights, or undefined. */
function firstDifference(type: GgmlTypeName, ours: Uint8Array, theirs: Uint8Array, values: Float32Array) {
  const { block, bytes } = layouts[type];
  const at = ours.findIndex((byte, index) => byte !== theirs[index]);
  if (at < 0) return undefined;
  const index = Math.floor(at / bytes);
  return {
    block: index,
    ours: [...ours.subarray(index * bytes, (index + 1) * bytes)].join(' '),
    theirs: [...theirs.subarray(index * bytes, (index + 1) * bytes)].join(' '),
    weights: [...values.subarray(index * block, (index + 1) * block)].join(' '),
  };
}

describe.skipIf(!hasLlamaCpp)('GGUF kernels against llama.cpp', () => {
  for (const type of encoded) {
    for (const [name, make] of Object.entries(inputs)) {
      it(`encodes ${name} weights to the bytes of ${type}`, async () => {
        const { ggmlQuantize } = await import('../support/ggml');
        const values = make(new Random(1));
        const ours = await encode(type, values);
        const theirs = ggmlQuantize(type, values, columns, ours.length);
        expect(firstDifference(type, ours, theirs, values)).toBeUndefined();
      });
    }
  }

  for (const type of Object.keys(layouts) as DecodedTypeName[]) {
    it(`decodes any bytes of ${type} to the same floats`, async () => {
      const { ggmlDequantize } = await import('../support/ggml');
      const { block, bytes } = layouts[type];
      const weights = 256 * 64;
      const random = new Random(2);
      const blocks = Uint8Array.from({ length: (weights / block) * bytes }, () =>
        Math.floor(random.next() * 256),
      );
      const ours = new Float32Array(weights);
      await native.decode(type, blocks, ours);
      const theirs = ggmlDequantize(type, blocks, weights);
      const differs = ours.findIndex(
        (value, i) => !Object.is(value, theirs[i]) && !(Number.isNaN(value) && Number.isNaN(theirs[i])),
      );
      expect(differs, `${ours[differs]} instead of ${theirs[differs]}`).toBe(-1);
    });
  }
});
