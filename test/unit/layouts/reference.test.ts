import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readRegion } from '../../../src/analysis/region';
import { TensorReader } from '../../../src/analysis/tensorReader';
import { openModel } from '../../../src/layouts/openModel';
import { rounded } from '../../../src/layouts/parts';
import { hasSharedData, sharedData } from '../../support/files';
import { checkpoint, renamed, tensorsOf, type StoredBytes } from '../../support/layouts';

/** One layer as the quantizing libraries store it, with the weights that they decode. */
const reference = join(sharedData, 'reference');
const vectors = (library: string, names: RegExp): string[] =>
  hasSharedData
    ? readdirSync(join(reference, library, 'vectors'))
        .filter((name) => name.endsWith('.safetensors') && names.test(name))
        .map((name) => join(reference, library, 'vectors', name))
    : [];

/** The only weight of a checkpoint, whole and as an odd rectangle of it. */
async function decoded(folder: string) {
  const model = await openModel(folder);
  const [tensor, ...others] = model.description.tensors;
  const values = new Float32Array(tensor!.elements);
  for await (const slab of new TensorReader(model, tensor!).values())
    values.set(slab.values, slab.firstWeight);
  const region = { firstRow: 13, firstColumn: 29, rows: 3, columns: 5 };
  const part = tensor!.shape[0]! > 16 ? (await readRegion(model, tensor!, region)).values : [];
  await model.close();
  const [, columns = 0] = tensor!.shape;
  const same = [13, 14, 15].flatMap((row) => [...values.subarray(row * columns + 29, row * columns + 34)]);
  if (part.length > 0) expect(part).toEqual(same);
  expect(others).toEqual([]);
  return { tensor: tensor!, values };
}

/** Float32 of halves or of float32, and of its transpose. */
async function floats(stored: StoredBytes): Promise<Float32Array> {
  const model = await openModel(checkpoint(new Map([['plain', stored]]), {}));
  const tensor = model.description.tensors[0]!;
  const values = new Float32Array(tensor.elements);
  for await (const slab of new TensorReader(model, tensor).values())
    values.set(slab.values, slab.firstWeight);
  await model.close();
  return values;
}

function transposed(values: Float32Array, [rows = 0, columns = 0]: readonly number[]): Float32Array {
  return values.map((_, at) => values[(at % rows) * columns + Math.floor(at / rows)]!);
}

/** Codes for 0 and −0 both mean 0. */
const plainZeros = (values: Float32Array): Float32Array => values.map((value) => (value === 0 ? 0 : value));

describe.skipIf(!hasSharedData)('weights of quantizing libraries', () => {
  it.each(
    vectors('gptqmodel', /^pack-b[2348]-/).flatMap((path) =>
      [1, 2].map((v) => [basename(path), path, v] as const),
    ),
  )('GPTQ: %s, version %#', async (_, path, version) => {
    const all = tensorsOf(path);
    const format = version === 2 ? 'gptq_v2' : 'gptq';
    const config = {
      dtype: 'float16',
      quantization_config: { bits: Number(/-b(\d)/.exec(path)![1]), checkpoint_format: format },
    };
    const names = { qweight: 'qweight', [`qzeros_v${version}`]: 'qzeros', scales: 'scales', g_idx: 'g_idx' };
    const { values, tensor } = await decoded(checkpoint(renamed(all, names), config));
    const expected = all.get('dequantized_in_out')!;
    expect(tensor.shape).toEqual([...expected.shape].reverse());
    expect(values).toEqual(transposed(await floats(expected), expected.shape));
  });

  it.each(vectors('autoawq', /^gemm-.*-f16-/).map((path) => [basename(path), path]))(
    'AWQ: %s',
    async (_, path) => {
      const all = tensorsOf(path);
      const expected = all.get('dequantized_in_out');
      const names = { qweight: 'qweight', qzeros: 'qzeros', scales: 'scales' };
      const { values } = await decoded(checkpoint(renamed(all, names), { dtype: 'float16' }));
      if (expected) expect(values).toEqual(transposed(await floats(expected), expected.shape));
    },
  );

  it.each(
    vectors('bitsandbytes', /^4bit-(nf4|fp4)-b\d+-(?!nested-default)/).map((path) => [basename(path), path]),
  )('bitsandbytes: %s', async (name, path) => {
    const all = tensorsOf(path);
    const type = /nf4|fp4/.exec(name)![0];
    const state = `weight.quant_state.bitsandbytes__${type}`;
    const nested = { nested_absmax: 'weight.nested_absmax', nested_quant_map: 'weight.nested_quant_map' };
    const names = {
      ...{ packed: 'weight', absmax: 'weight.absmax', quant_map: 'weight.quant_map' },
      ...{ ...nested, [`sd.${state}`]: state },
    };
    const { values } = await decoded(checkpoint(renamed(all, names), {}));
    const expected = all.get('dequantized');
    if (!expected) return;
    // The library rounds to the dtype that it computes in.
    if (expected.dtype === 'F16' || expected.dtype === 'BF16') await rounded(values, expected.dtype);
    expect(plainZeros(values)).toEqual(plainZeros(await floats(expected)));
  });

  it.each(vectors('marlin', /^pack-/).map((path) => [basename(path), path]))(
    'Marlin: %s',
    async (_, path) => {
      const all = tensorsOf(path);
      const { values, tensor } = await decoded(checkpoint(renamed(all, { B: 'B', s: 's' }), {}));
      const scales = await floats(all.get('scales_out_groups')!);
      const [out = 0, columns = 0] = tensor.shape;
      const perGroup = columns / (scales.length / out);
      const expected = Float32Array.from(all.get('codes_out_in')!.bytes, (code, at) => {
        return (code - 8) * scales[Math.floor(at / perGroup)]!;
      });
      await rounded(expected, 'F16');
      expect(plainZeros(values)).toEqual(plainZeros(expected));
    },
  );

  it.each(vectors('eetq', /^int8-sm(75|80)-/).map((path) => [basename(path), path]))(
    'EETQ: %s',
    async (_, path) => {
      const all = tensorsOf(path);
      const names = { weight: 'weight', weight_scales: 'weight_scales' };
      const { values } = await decoded(checkpoint(renamed(all, names), {}));
      const scales = await floats(all.get('weight_scales')!);
      const { bytes, shape } = all.get('unprocessed_row_major')!;
      const codes = Float32Array.from(new Int8Array(bytes));
      const expected = transposed(codes, shape).map((code, at) => code * scales[Math.floor(at / shape[0]!)]!);
      await rounded(expected, 'F16');
      expect(plainZeros(values)).toEqual(plainZeros(expected));
    },
  );

  it.each(
    vectors('compressed-tensors', /^(W\dA16|W8A8|FP8|MXFP|NVFP4)(?!.*w128x256)/).map((path) => [
      basename(path),
      path,
    ]),
  )('compressed-tensors: %s', async (name, path) => {
    const all = tensorsOf(path);
    const parts = [...all].flatMap(([from, tensor]) =>
      from.startsWith('compressed.') ? [[from.replace('compressed.', ''), tensor] as const] : [],
    );
    const expected = all.get('dequantized')!;
    const groups = { group_0: { weights: { num_bits: Number(/W(\d)/.exec(name)?.[1] ?? 8) } } };
    const config = {
      dtype: { F32: 'float32', F16: 'float16', BF16: 'bfloat16' }[expected.dtype],
      quantization_config: { config_groups: groups },
    };
    const { values } = await decoded(checkpoint(new Map(parts), config));
    expect(plainZeros(values)).toEqual(plainZeros(await floats(expected)));
  });

  it.each(vectors('hqq', /^b[12348]-/).map((path) => [basename(path), path]))(
    'HQQ: %s',
    async (name, path) => {
      const all = tensorsOf(path);
      const expected = all.get('dequantized')!;
      const [, bits, group, axis] = /^b(\d)-g(\d+)-axis(\d)/.exec(name)!.map(Number);
      const int32 = (value: number): StoredBytes => ({
        ...{ dtype: 'I32', shape: [], bytes: Buffer.from(Int32Array.of(value).buffer) },
      });
      const shape = Buffer.from(BigInt64Array.from(expected.shape, BigInt).buffer);
      const parts = new Map<string, StoredBytes>([
        ...renamed(all, { W_q: 'W_q', scale: 'scale', zero: 'zero' }),
        ['shape', { dtype: 'I64', shape: [2], bytes: shape }],
        ['nbits', int32(bits!)],
        ['group_size', int32(group!)],
        ['axis', int32(axis!)],
      ]);
      const { values, tensor } = await decoded(checkpoint(parts, {}));
      expect(tensor.dtype).toBe(`HQQ ${bits}-bit`);
      expect(plainZeros(values)).toEqual(plainZeros(await floats(expected)));
    },
  );
});
