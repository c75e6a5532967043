import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import {
  activationGrid,
  rangeOf,
  rangeRules,
  type RangeRule,
} from '../../src/exporter/onnx/calibrationRanges';
import { methodChoice } from '../../src/exporter/onnx/methodChoice';
import type { MatrixChoice } from '../../src/exporter/onnx/storage';
import { weightForm } from '../../src/exporter/onnx/weightForms';
import { writeOnnxLayers } from '../../src/exporter/onnx/writeOnnx';
import { openModel } from '../../src/layouts/openModel';
import type { Model } from '../../src/model/model';
import { loadNative } from '../../src/native';
import type { Grid } from '../../src/protocol/grids';
import { decodeRows, roundToNearest } from '../../src/quant/grids/roundToNearest';
import { rtn } from '../../src/quant/methods/rtn';
import { temporaryFolder } from '../support/files';
import { decodeOnnx, type OnnxTensorProto } from '../support/onnxProto';
import { openOnnx } from '../support/onnxRun';

/** What ONNX Runtime's own quantizers wrote. */
const reference = join(import.meta.dirname, '../../../shared/data/reference');
const vectors = join(reference, 'onnxruntime/vectors');
const isThere = existsSync(vectors);
const names = (pattern: RegExp): string[] =>
  (isThere ? readdirSync(vectors) : [])
    .filter((file) => file.endsWith('.safetensors') && pattern.test(file))
    .map((file) => basename(file, '.safetensors'));
const folder = temporaryFolder();

const inputs: Readonly<Record<string, string>> = {
  'w64x128.heavy': 'w64x128',
  'w64x128.normal': 'w64x128',
  'w64x128.special': 'w64x128',
  'w128x256.heavy': 'w128x256-heavy',
  'w24x40.odd': 'w24x40-odd',
  'w7x33.odd': 'w24x40-odd',
};

async function bytesOf(model: Model, name: string): Promise<Uint8Array> {
  const tensor = model.tensor(name);
  return model.read(tensor, 0, tensor.byteLength);
}

const floats = (bytes: Uint8Array): Float32Array => new Float32Array(Uint8Array.from(bytes).buffer);

/** One matrix written as ONNX, with its vector opened. */
async function layer(vector: string, choice: MatrixChoice) {
  const [, name = ''] = /-(w\d+x\d+\.\w+)$/.exec(vector) ?? [];
  const source = await openModel(join(reference, `inputs/${inputs[name]}.safetensors`));
  const out = join(folder, vector);
  const choices = new Map([[name, choice]]);
  await writeOnnxLayers(source, [name], choices, out, vector.includes('acc4') ? { accuracyLevel: 4 } : {});
  await source.close();
  const file = join(out, `${name}.onnx`);
  const { graph } = decodeOnnx(readFileSync(file));
  const initializers = new Map(
    graph.initializer.map((tensor): [string, OnnxTensorProto] => [tensor.name.replace(name, 'W'), tensor]),
  );
  return { file, graph, initializers, expected: await openModel(join(vectors, `${vector}.safetensors`)) };
}

/** Largest difference of the outputs for the X of a vector, relative to the largest output. */
async function outputDifference(file: string, x: Float32Array, y: Float32Array): Promise<number> {
  const session = await openOnnx(file);
  const rows = 8;
  const outputs = await session.run({ x: new Tensor('float32', x, [rows, x.length / rows]) });
  const found = outputs['y']!.data as Float32Array;
  await session.release();
  const largest = y.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return y.reduce((most, value, i) => Math.max(most, Math.abs(value - found[i]!)), 0) / largest;
}

async function checkOutputs(file: string, expected: Model): Promise<void> {
  if (!expected.description.tensors.some((tensor) => tensor.name === 'Y')) return;
  const [x, y] = [floats(await bytesOf(expected, 'X')), floats(await bytesOf(expected, 'Y'))];
  expect(await outputDifference(file, x, y)).toBeLessThan(1e-5);
}

describe.skipIf(!isThere)('bytes of ONNX Runtime’s own quantizers', () => {
  it.each(names(/^matmulnbits-b/))('%s', async (vector) => {
    const [, bits, group] = /-b(\d)-bs(\d+)/.exec(vector)!.map(Number);
    const { grid } = weightForm(`matmulnbits-${bits}`).codes!;
    const choice = methodChoice(
      rtn,
      grid({ blockSize: group, asymmetric: vector.includes('asym') }),
      'matmulnbits',
    );
    const { file, graph, initializers, expected } = await layer(vector, choice);
    expect(graph.node.map(({ opType, domain }) => [opType, domain])).toEqual([
      ['MatMulNBits', 'com.microsoft'],
      ['Identity', ''],
    ]);
    for (const { name, shape } of expected.description.tensors.filter((tensor) => /^W/.test(tensor.name))) {
      expect(initializers.get(name)!.dims, name).toEqual(shape);
      const theirs = await bytesOf(expected, name);
      // A row of 33 has a nibble after its last weight, which nothing reads: theirs is what was in memory.
      if (vector.includes('w7x33') && name === 'W_Q4')
        for (let last = 16; last < theirs.length; last += 32) theirs[last]! &= 15;
      expect(Buffer.from(initializers.get(name)!.rawData), name).toEqual(Buffer.from(theirs));
    }
    await checkOutputs(file, expected);
    await expected.close();
  });

  it.each(names(/^matmulbnb4/))('%s', async (vector) => {
    const [, table, block] = /-(nf4|fp4)-bs(\d+)/.exec(vector)!;
    const { grid } = weightForm(`bnb-${table}`).codes!;
    const choice = methodChoice(rtn, grid({ blockSize: Number(block) }), 'matmulbnb4');
    const { file, initializers, expected } = await layer(vector, choice);
    const [ours, theirs] = [initializers.get('W_Bnb4')!.rawData, await bytesOf(expected, 'W_Bnb4')];
    // Codes 0 and 8 of FP4 are both zero.
    const plain = (byte: number): number =>
      table === 'nf4'
        ? byte
        : [byte >> 4, byte & 15].reduce((sum, code) => 16 * sum + (code === 8 ? 0 : code), 0);
    expect(Buffer.from(ours.map(plain))).toEqual(Buffer.from(theirs.map(plain)));
    expect(floats(initializers.get('W_absmax')!.rawData)).toEqual(
      floats(await bytesOf(expected, 'W_absmax')),
    );
    await checkOutputs(file, expected);
    await expected.close();
  });

  it.each(names(/^matmul-qdq-int4/))('%s', async (vector) => {
    const isAffine = vector.includes('asym');
    const grid = weightForm('qdq-int4').codes!.grid({ asymmetric: isAffine });
    const choice = methodChoice(rtn, grid, 'qdq-fusable');
    const { file, graph, initializers, expected } = await layer(vector, choice);
    expect(graph.node.map(({ opType }) => opType)).toEqual(['DequantizeLinear', 'MatMul', 'Identity']);
    // The vector has one code per byte.
    const unpacked = (part: string): number[] =>
      [...initializers.get(part)!.rawData].flatMap((byte) => [byte & 15, byte >> 4]);
    const low = (bytes: Uint8Array): number[] => [...bytes].map((byte) => byte & 15);
    expect(initializers.get('W_quantized')!.dims).toEqual([128, 64]);
    expect(unpacked('W_quantized')).toEqual(low(await bytesOf(expected, 'W_DQ_Q4')));
    expect(floats(initializers.get('W_scales')!.rawData)).toEqual(
      floats(await bytesOf(expected, 'W_DQ_scales')),
    );
    if (isAffine) expect(unpacked('W_zero_points')).toEqual(low(await bytesOf(expected, 'W_DQ_zero_points')));
    await checkOutputs(file, expected);
    await expected.close();
  });

  // Rows of 33 weights that fill no block; seven of them, so that nibbles of two rows share a byte.
  it.each([
    ...[
      'qdq-int4',
      'qdq-int4-fusable',
      'qdq-int8',
      'qdq-int8-fusable',
      'qdq-fp8',
      'matmulnbits-2',
      'matmulnbits-4',
      'matmulnbits-8',
      'bnb-nf4',
    ],
    ...['f32', 'f16', 'bf16'],
  ])('%s: an odd matrix is multiplied with as it is decoded', async (id) => {
    const name = 'w7x33.odd';
    const source = await openModel(join(reference, 'inputs/w24x40-odd.safetensors'));
    const { codes, floats: dtype } = weightForm(id);
    const weights = floats(await bytesOf(source, name));
    let decoded = weights;
    const choices = new Map<string, MatrixChoice>();
    if (codes) {
      const grid = codes.grid({});
      decoded = await decodeRows(await roundToNearest(grid, weights.slice(), [7, 33]));
      choices.set(name, methodChoice(rtn, grid, codes.storage));
    }
    const out = join(folder, `odd ${id}`);
    await writeOnnxLayers(source, [name], choices, out, { floats: dtype, external: true });
    await source.close();
    const session = await openOnnx(join(out, `${name}.onnx`), { exact: id.endsWith('-fusable') });
    const x = Float32Array.from({ length: 4 * 33 }, (_, i) => Math.sin(i * 1.7));
    const { y } = await session.run({ x: new Tensor('float32', x, [4, 33]) });
    await session.release();
    const tolerance = { f16: 2e-3, bf16: 2e-2 }[id] ?? 1e-5;
    (y!.data as Float32Array).forEach((value, i) => {
      const [row, column] = [Math.floor(i / 7), i % 7];
      let sum = 0;
      for (let j = 0; j < 33; j++) sum += x[row * 33 + j]! * decoded[column * 33 + j]!;
      expect(Math.abs(value - sum)).toBeLessThan(tolerance);
    });
  });

  const percent = 99.9;
  const rules: Readonly<Record<string, RangeRule>> = {
    minmax: { kind: 'minmax' },
    percentile: { kind: 'percentile', percent },
    // Their default, which keeps the whole range.
    entropy: { kind: 'entropy', bins: 128 },
  };

  it.each(names(/^static-qdq-(minmax|percentile|entropy)/))('%s', async (vector) => {
    const [, rule = ''] = /static-qdq-([a-z]+)/.exec(vector)!;
    const type = vector.includes('u8s8') ? 'U8' : vector.includes('u16') ? 'U16' : 'I8';
    const { x, y } = await layerSamples();
    const form = weightForm('static-int8').codes!.grid({});
    const grid: Grid = vector.includes('perchannel') ? form : { ...form, group: 'tensor' };
    const isSymmetric = vector.includes('symact');
    const gridOf = (samples: Float32Array) =>
      activationGrid(rangeOf(samples, rules[rule]!), type, isSymmetric);
    const [input, output] = [gridOf(x), gridOf(y)];
    const { file, graph, initializers, expected } = await layer(
      vector,
      methodChoice(rtn, grid, 'qdq', { input }),
    );
    for (const [name, found] of [
      ['X', input],
      ['Y', output],
    ] as const) {
      const scale = floats(await bytesOf(expected, `${name}_scale`))[0]!;
      expect(Math.abs(found.scale / scale - 1), name).toBeLessThan(1e-6);
      const zero = Buffer.from(await bytesOf(expected, `${name}_zero_point`));
      const read = { I8: () => zero.readInt8(), U8: () => zero.readUInt8(), U16: () => zero.readUInt16LE() };
      expect(found.zero, name).toBe(read[type]());
    }
    expect(floats(initializers.get('W_scales')!.rawData)).toEqual(floats(await bytesOf(expected, 'W_scale')));
    expect(Buffer.from(initializers.get('W_quantized')!.rawData)).toEqual(
      Buffer.from(await bytesOf(expected, 'W_quantized')),
    );
    expect(graph.node.map(({ opType }) => opType)).toEqual([
      ...['QuantizeLinear', 'DequantizeLinear', 'DequantizeLinear', 'MatMul', 'Identity'],
    ]);
    // Theirs are rounded to the grid of outputs; where products are on the border between two codes, the sum's order decides.
    const theirs = floats(await bytesOf(expected, 'Y'));
    const largest = theirs.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const difference = await outputDifference(file, x.subarray(0, 8 * 128), theirs);
    expect(difference * largest).toBeLessThan(1.01 * output.scale);
    await expected.close();
  });

  it('entropy cuts outliers off when there are enough bins', () => {
    const samples = Float32Array.from({ length: 20_000 }, (_, i) => Math.sin(i) * (i % 9_999 === 0 ? 60 : 1));
    const { low, high } = rangeOf(samples, rangeRules.entropy);
    expect(high).toBeGreaterThan(0.95);
    expect(high).toBeLessThan(10);
    expect(low).toBeGreaterThan(-10);
    expect(rangeOf(samples, rangeRules.minmax).high).toBeGreaterThan(30);
  });
});

/** Samples of the input and the output of a layer in float32. */
async function layerSamples(): Promise<{ x: Float32Array; y: Float32Array }> {
  const calibration = await openModel(join(reference, 'calibration/layer-x-256x128.safetensors'));
  const x = new Float32Array(256 * 128);
  const halves = new Uint16Array(Uint8Array.from(await bytesOf(calibration, 'X')).buffer);
  await loadNative().decode('F16', new Uint8Array(halves.buffer), x);
  await calibration.close();
  const source = await openModel(join(reference, 'inputs/w64x128.safetensors'));
  const w = floats(await bytesOf(source, 'w64x128.heavy'));
  await source.close();
  const y = Float32Array.from({ length: 256 * 64 }, (_, i) => {
    let sum = 0;
    for (let j = 0; j < 128; j++) sum += x[Math.floor(i / 64) * 128 + j]! * w[(i % 64) * 128 + j]!;
    return sum;
  });
  return { x, y };
}
