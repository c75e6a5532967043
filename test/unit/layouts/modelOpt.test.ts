import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { StoredDescriptor } from '../../../src/layouts/layout';
import { openModel } from '../../../src/layouts/openModel';
import { rounded } from '../../../src/layouts/parts';
import { layoutOf, partReader } from '../../../src/layouts/quantizedReader';
import type { Model } from '../../../src/model/model';
import { hasSharedData, sharedData } from '../../support/files';
import { checkpoint, renamed, tensorsOf, type StoredBytes } from '../../support/layouts';
import { asModelOpt } from '../../support/modelOpt';

const vectors = join(sharedData, 'reference', 'compressed-tensors', 'vectors');
const names = hasSharedData ? readdirSync(vectors).filter((name) => /^NVFP4.*\.safetensors$/.test(name)) : [];

const e2m1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6];
const { fround } = Math;

/** A byte of E4M3. */
const e4m3 = (byte: number): number => {
  const [exponent, mantissa] = [(byte >> 3) & 15, byte & 7];
  const size = exponent === 0 ? mantissa * 2 ** -9 : (8 + mantissa) * 2 ** (exponent - 10);
  return byte & 0x80 ? -size : size;
};

/** As NVFP4QTensor.dequantize of ModelOpt computes it: the two scales are multiplied first. */
function dequantized(parts: ReadonlyMap<string, StoredBytes>): Float32Array {
  const [codes, scales] = [parts.get('weight')!.bytes, parts.get('weight_scale')!.bytes];
  const factor = parts.get('weight_scale_2')!.bytes.readFloatLE();
  return Float32Array.from({ length: 2 * codes.length }, (_, at) => {
    const code = (codes[at >> 1]! >> (4 * (at & 1))) & 15;
    const value = code & 8 ? -e2m1[code & 7]! : e2m1[code]!;
    return value * fround(e4m3(scales[at >> 4]!) * factor);
  });
}

function open(parts: ReadonlyMap<string, StoredBytes>, dtype: string): Promise<Model> {
  const quantization = { quant_method: 'modelopt', quant_algo: 'NVFP4', group_size: 16 };
  return openModel(checkpoint(parts, { dtype, quantization_config: quantization }));
}

/** Rows as they are shown: levels of codes, times scales of groups of 16. */
async function shownRows(model: Model, tensor: StoredDescriptor, row: number, rows: number) {
  const { codes } = layoutOf(tensor).decoder(tensor, partReader(model));
  const values = new Float32Array(rows * 128);
  const { scales } = await codes!.read({ row, rows }, values);
  return values.map((value, at) => value * scales[at >> 4]!);
}

describe.skipIf(!hasSharedData)('NVFP4 as ModelOpt stores it', () => {
  it.each(names)('%s: the weights that the library decodes', async (name) => {
    const all = tensorsOf(join(vectors, name));
    const stored = { 'compressed.weight_packed': 'weight_packed', 'compressed.weight_scale': 'weight_scale' };
    const parts = asModelOpt(
      renamed(all, { ...stored, 'compressed.weight_global_scale': 'weight_global_scale' }),
    );
    const isBf16 = all.get('dequantized')!.dtype === 'BF16';
    const model = await open(parts, isBf16 ? 'bfloat16' : 'float32');
    const [tensor, ...others] = model.description.tensors;
    expect(others).toEqual([]);
    expect(tensor).toMatchObject({ name: 'layer.weight', dtype: 'NVFP4 blocks', shape: [64, 128] });
    const found = new Float32Array((await model.read(tensor!, 0, 4 * tensor!.elements)).buffer);
    const shown = await shownRows(model, tensor as StoredDescriptor, 3, 2);
    await model.close();
    const expected = dequantized(parts);
    const rows = expected.subarray(3 * 128, 5 * 128);
    expect(shown.map((value) => value + 0)).toEqual(rows.map((value) => value + 0));
    if (isBf16) await rounded(expected, 'BF16');
    expect(found.map((value) => value + 0)).toEqual(expected.map((value) => value + 0));
  });

  it.each([
    ['ModelOpt', 'weight_scale', 'input_scale', 'F32'],
    ['Mistral, for transformers', 'weight_scale_inv', 'activation_scale', 'BF16'],
    ['Mistral, with params.json', 'qscale_weight', 'qscale_act', 'BF16'],
  ])('FP8 of %s has one scale for the tensor, a scalar, beside that of its inputs', async (...naming) => {
    const [, weightScale, inputScale, dtype] = naming;
    const codes = Buffer.from(Array.from({ length: 16 * 32 }, (_, i) => ((i * 37) % 127) | ((i & 1) << 7)));
    const scalar = (value: number): StoredBytes => ({
      ...{ dtype, shape: [] },
      // bfloat16 is the upper half of a float32.
      bytes: Buffer.from(Float32Array.of(value).buffer).subarray(dtype === 'F32' ? 0 : 2),
    });
    const parts = new Map<string, StoredBytes>([
      ['weight', { dtype: 'F8_E4M3', shape: [16, 32], bytes: codes }],
      [weightScale, scalar(2 ** -9)],
      [inputScale, scalar(0.02)],
    ]);
    const model = await open(parts, 'float32');
    const [tensor, ...others] = model.description.tensors;
    const found = new Float32Array((await model.read(tensor!, 0, 4 * tensor!.elements)).buffer);
    await model.close();
    expect(others).toEqual([]);
    expect(tensor).toMatchObject({ name: 'layer.weight', dtype: 'FP8 E4M3', shape: [16, 32] });
    expect(found).toEqual(Float32Array.from(codes, (code) => e4m3(code) * 2 ** -9));
  });

  it('weights whose inputs are scaled by columns are described, with what is in the way', async () => {
    const model = await open(
      new Map<string, StoredBytes>([
        ['weight', { dtype: 'U8', shape: [16, 16], bytes: Buffer.alloc(256) }],
        ['weight_scale', { dtype: 'F8_E4M3', shape: [16, 2], bytes: Buffer.alloc(32) }],
        ['weight_scale_2', { dtype: 'F32', shape: [], bytes: Buffer.alloc(4) }],
        ['pre_quant_scale', { dtype: 'BF16', shape: [32], bytes: Buffer.alloc(64) }],
      ]),
      'bfloat16',
    );
    const { description } = model;
    await model.close();
    expect(description.tensors.map(({ name }) => name)).toContain('layer.pre_quant_scale');
    expect(description.quantizedLayout).toMatchObject({
      name: 'ModelOpt NVFP4',
      expected: expect.stringMatching(/no pre_quant_scale/) as string,
    });
  });
});
