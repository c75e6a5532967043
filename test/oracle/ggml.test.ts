import { afterEach, describe, expect, it } from 'vitest';
import { openModel } from '../../src/layouts/openModel';
import { matrixOf } from '../../src/model/rows';
import { loadNative } from '../../src/native';
import type { GgmlQuantType } from '../../src/protocol/ggmlTypes';
import { hasLlamaCpp } from '../support/cache';
import { sampleFolder } from '../support/files';
import { Random } from '../support/random';

const native = loadNative();
const widest = native.simd;
const codecs = native.codecs.filter((codec) => /^(F16|BF16|I?T?Q\d|MXFP4|NVFP4)/.test(codec.name));

/** Without and with importance weights, as far as the type takes them. */
const cases = codecs.flatMap((codec) => {
  const { name, importance } = codec;
  const plain = importance === 'required' ? [] : [{ codec, weighted: false, label: name }];
  const weighted =
    importance === 'unused' ? [] : [{ codec, weighted: true, label: `${name} with an imatrix` }];
  return [...plain, ...weighted];
});

type Make = (random: Random, weights: number) => Float32Array;
const filled =
  (draw: (random: Random) => number): Make =>
  (random, weights) =>
    random.fill(weights, draw);

/** Rows that kernels get wrong first. */
const inputs: Record<string, Make> = {
  normal: filled((r) => r.normal() * 0.02),
  'heavy-tailed (Student t, 3 degrees of freedom)': filled((r) => r.studentT3() * 0.05),
  'all zero': (_, weights) => new Float32Array(weights),
  'signed zeros': filled((r) => (r.next() < 0.5 ? -0 : 0)),
  'zeros with a few weights': filled((r) => (r.next() < 0.9 ? 0 : r.normal())),
  'sub-blocks of zeros': (random, weights) =>
    random.fill(weights, (r) => r.normal()).map((x, i) => (Math.floor(i / 32) % 3 === 0 ? 0 : x)),
  'one outlier of 1e4 in a block': (random, weights) =>
    random.fill(weights, (r) => r.normal() * 0.02).map((x, i) => (i % 256 === 77 ? 1e4 : x)),
  tiny: filled((r) => r.normal() * 1e-30),
  denormal: filled((r) => r.normal() * 1e-40),
  'near the negligible limits': filled((r) => r.normal() * 10 ** -(6 + r.next() * 10)),
  'scales that are subnormal halves': filled((r) => r.normal() * 3e-6),
  'largest finite halves': filled((r) => (r.next() < 0.5 ? 65504 : -65504)),
  'positive only': filled((r) => Math.abs(r.normal())),
  constant: (_, weights) => new Float32Array(weights).fill(0.37),
  'many ties': filled((r) => Math.round(r.normal() * 4) / 4),
  'mixed magnitudes': filled((r) => r.normal() * 10 ** (r.next() * 12 - 9)),
  'beyond binary16': filled((r) => r.normal() * 1e15),
};

/** Where llama.cpp's lattice searches end in an assertion: sums beyond float32. */
const aborting = new Set(['mixed magnitudes', 'beyond binary16']);

function inputsOf(name: string): [string, Make][] {
  return Object.entries(inputs).filter(([input]) => !(/^IQ[123]/.test(name) && aborting.has(input)));
}

const importanceOf = (random: Random, columns: number): Float32Array =>
  random.fill(columns, (r) => (r.next() < 0.05 ? 0 : r.next() * r.next() * 10));

async function encode(
  type: string,
  values: Float32Array,
  columns: number,
  importance: Float32Array | undefined,
): Promise<Uint8Array> {
  const { block, bytes } = codecs.find(({ name }) => name === type)!;
  const codes = new Uint8Array((values.length / block) * bytes);
  await native.encodeRows(type, values, columns, codes, { importance });
  return codes;
}

async function theirs(
  type: string,
  values: Float32Array,
  columns: number,
  importance: Float32Array | undefined,
): Promise<Uint8Array> {
  const { llamaCppKernel } = await import('../support/ggml');
  const kernel = llamaCppKernel(type as GgmlQuantType);
  const codes = new Uint8Array(kernel.bytes(values.length));
  kernel.encode(values, columns, codes, importance);
  return codes;
}

/** The first block whose bytes differ, with its weights, or undefined. */
function firstDifference(type: string, ours: Uint8Array, reference: Uint8Array, values: Float32Array) {
  if (Buffer.compare(ours, reference) === 0) return undefined;
  const { block, bytes } = codecs.find(({ name }) => name === type)!;
  const index = Math.floor(ours.findIndex((byte, i) => byte !== reference[i]) / bytes);
  return {
    block: index,
    ours: [...ours.subarray(index * bytes, (index + 1) * bytes)].join(' '),
    theirs: [...reference.subarray(index * bytes, (index + 1) * bytes)].join(' '),
    weights: [...values.subarray(index * block, (index + 1) * block)].join(' '),
  };
}

afterEach(() => native.setSimd(widest));

describe.skipIf(!hasLlamaCpp)('GGUF kernels against llama.cpp', () => {
  describe.each(native.simdPaths)('%s', (path) => {
    it.each(cases)('encodes generated weights to the bytes of $label', async ({ codec, weighted }) => {
      const { name } = codec;
      for (const [input, make] of inputsOf(name)) {
        const columns = 2048;
        const random = new Random(1);
        const values = make(random, 9 * columns);
        const importance = weighted ? importanceOf(random, columns) : undefined;
        native.setSimd(path);
        const ours = await encode(name, values, columns, importance);
        const reference = await theirs(name, values, columns, importance);
        expect(firstDifference(name, ours, reference, values), input).toBeUndefined();
      }
    });

    it.each(cases)('encodes rows of any number of blocks as $label', async ({ codec, weighted }) => {
      const { name, block } = codec;
      for (const columns of [block, 2 * block, 3 * block, 17 * block, 8192]) {
        const random = new Random(columns);
        const values = random.fill(5 * columns, (r) => r.studentT3() * 0.02);
        const importance = weighted ? importanceOf(random, columns) : undefined;
        native.setSimd(path);
        const ours = await encode(name, values, columns, importance);
        const reference = await theirs(name, values, columns, importance);
        expect(firstDifference(name, ours, reference, values), `rows of ${columns}`).toBeUndefined();
      }
    });

    it.each(codecs)('decodes any bytes of $name to the same floats', async ({ name, block, bytes }) => {
      const { llamaCppKernel } = await import('../support/ggml');
      const weights = 3 * 64 * 256;
      const random = new Random(2);
      const blocks = Uint8Array.from({ length: (weights / block) * bytes }, () =>
        Math.floor(random.next() * 256),
      );
      const reference = new Float32Array(weights);
      llamaCppKernel(name as GgmlQuantType).decode(blocks, reference);
      native.setSimd(path);
      for (const misalignment of [0, 1]) {
        const ours = new Float32Array(weights + 1).subarray(misalignment, misalignment + weights);
        await native.decode(name, blocks, ours);
        const differs = ours.findIndex(
          (value, i) =>
            !Object.is(value, reference[i]) && !(Number.isNaN(value) && Number.isNaN(reference[i])),
        );
        expect(differs, `${ours[differs]} instead of ${reference[differs]}`).toBe(-1);
      }
    });
  });

  it.each(cases)('encodes every trained matrix to the bytes of $label', async ({ codec, weighted }) => {
    const model = await openModel(sampleFolder);
    try {
      for (const tensor of model.description.tensors) {
        const { columns } = matrixOf(tensor.shape);
        if (columns % codec.block !== 0) continue;
        const values = new Float32Array(tensor.elements);
        await native.decode(tensor.dtype, await model.read(tensor, 0, tensor.byteLength), values);
        const importance = weighted ? importanceOf(new Random(3), columns) : undefined;
        const ours = await encode(codec.name, values, columns, importance);
        const reference = await theirs(codec.name, values, columns, importance);
        expect(firstDifference(codec.name, ours, reference, values), tensor.name).toBeUndefined();
      }
    } finally {
      await model.close();
    }
  });
});
