import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { TensorReader } from '../../../src/analysis/tensorReader';
import { exportGguf } from '../../../src/exporter/exportGguf';
import { writeSafetensors, type SafetensorsPart } from '../../../src/exporter/writeSafetensors';
import { openModel } from '../../../src/layouts/openModel';
import { deepseek3 } from '../../support/deepseekCheckpoints';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { Random } from '../../support/random';

const folder = temporaryFolder();
/** Small enough that matrices of the tiny checkpoint have several, and some that are cut off at the edge. */
const [blockRows, blockColumns] = [24, 40];

/** A finite number of E4M3: bias 7, no infinity. */
function e4m3(code: number): number {
  const [sign, exponent, fraction] = [code >>> 7 ? -1 : 1, (code >>> 3) & 15, code & 7];
  return sign * (exponent === 0 ? fraction * 2 ** -9 : (8 + fraction) * 2 ** (exponent - 10));
}

/** As DeepSeek publishes its models: matrices of blocks in FP8, but not routers. */
const isQuantized = (name: string): boolean => /\.(self_attn|mlp)\..*_proj(_with_mqa)?\.weight$/.test(name);

/** A matrix as codes and scales, and as the numbers that these mean. */
function quantized(random: Random, name: string, [rows, columns]: readonly [number, number]) {
  const grid = [Math.ceil(rows / blockRows), Math.ceil(columns / blockColumns)] as const;
  const scales = random.fill(grid[0] * grid[1], (r) => 2 ** -8 * (1 + r.next()));
  const codes = Uint8Array.from({ length: rows * columns }, () => Math.floor(256 * random.next())).map(
    (code) => ((code & 127) === 127 ? 0 : code), // not a number
  );
  const values = Float32Array.from(codes, (code, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    return e4m3(code) * scales[Math.floor(row / blockRows) * grid[1] + Math.floor(column / blockColumns)]!;
  });
  const part = (
    dtype: SafetensorsPart['dtype'],
    suffix: string,
    shape: readonly number[],
    data: ArrayBuffer,
  ) => ({
    ...{ name: `${name}${suffix}`, dtype, shape },
    data: () => [new Uint8Array(data)],
  });
  return {
    stored: [
      part('F8_E4M3', '', [rows, columns], codes.buffer),
      part('F32', '_scale_inv', grid, scales.buffer as ArrayBuffer),
    ],
    plain: [part('F32', '', [rows, columns], values.buffer)],
  };
}

async function write(path: string, config: object, parts: readonly SafetensorsPart[]): Promise<void> {
  mkdirSync(path);
  writeFileSync(join(path, 'config.json'), JSON.stringify(config));
  for (const file of ['tokenizer.json', 'tokenizer_config.json'])
    copyFileSync(join(sampleFolder, file), join(path, file));
  await writeSafetensors(join(path, 'model.safetensors'), parts, {});
}

/** All weights of an export by name. */
async function exported(path: string): Promise<Map<string, number[]>> {
  const out = `${path}.gguf`;
  const model = await openModel(path);
  await exportGguf(model, { type: 'F32' }, out);
  await model.close();
  const gguf = await openModel(out);
  const found = new Map<string, number[]>();
  for (const tensor of gguf.description.tensors) {
    const values: number[] = [];
    for await (const slab of new TensorReader(gguf, tensor).values()) values.push(...slab.values);
    found.set(tensor.name, values);
  }
  await gguf.close();
  return found;
}

it('DeepSeek V3 in FP8 is exported as the numbers that its codes and scales mean', async () => {
  const { config, shapes } = deepseek3();
  const random = new Random(7);
  const both = Object.entries(shapes).map(([name, shape]) => {
    if (isQuantized(name)) return quantized(random, name, shape as [number, number]);
    const data = random.fill(
      shape.reduce((product, size) => product * size, 1),
      (r) => r.normal(),
    );
    const part: SafetensorsPart = { name, dtype: 'F32', shape, data: () => [new Uint8Array(data.buffer)] };
    return { stored: [part], plain: [part] };
  });
  const quantization_config = {
    ...{ quant_method: 'fp8', fmt: 'e4m3', activation_scheme: 'dynamic' },
    weight_block_size: [blockRows, blockColumns],
  };
  const [stored, plain] = [join(folder, 'stored'), join(folder, 'plain')];
  await write(
    stored,
    { ...config, quantization_config },
    both.flatMap((part) => part.stored),
  );
  await write(
    plain,
    config,
    both.flatMap((part) => part.plain),
  );
  const [ours, expected] = [await exported(stored), await exported(plain)];
  expect([...ours.keys()]).toEqual([...expected.keys()]);
  expect(ours.has('blk.2.attn_k_b.weight')).toBe(true);
  for (const [name, values] of expected) expect(ours.get(name), name).toEqual(values);
});
