import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readRows } from '../../../src/exporter/checkpoint/readRows';
import { tensorLens } from '../../../src/exporter/layer/lens';
import { layerTarget } from '../../../src/exporter/layer/layerTarget';
import { saveLayer, type SavedLayer } from '../../../src/exporter/layer/saveLayer';
import { writeSafetensors } from '../../../src/exporter/writeSafetensors';
import { inputsOf } from '../../../src/files/inputs';
import { openModel } from '../../../src/layouts/openModel';
import type { Model } from '../../../src/model/model';
import type { TensorLens } from '../../../src/protocol/lens';
import type { MethodOptions } from '../../../src/protocol/recipe';
import type { EvidenceSource } from '../../../src/quant/evidence';
import type { Evidence } from '../../../src/quant/methods/method';
import { methodById } from '../../../src/quant/methods/methods';
import { optionsOf } from '../../../src/quant/methods/options';
import { temporaryFolder } from '../../support/files';
import { correlatedHessian } from '../../support/hessian';
import { Random } from '../../support/random';

const [rows, columns] = [8, 256];
const [weight, bias] = ['layer.q_proj.weight', 'layer.q_proj.bias'];
const kinds = ['importance', 'hessian', 'activations'] as const;

/** Evidence of the one matrix, or of none. */
function sourceOf(found: Evidence): EvidenceSource {
  return {
    text: { path: 'text', tokens: 1, hash: '0'.repeat(64) },
    notes: [],
    outputs: new Set(),
    for: () => Promise.resolve(found),
  };
}
const measured = sourceOf({
  hessian: correlatedHessian(columns, 512),
  importance: new Float32Array(columns).fill(1),
  mean: new Float32Array(columns).fill(0.5),
  largest: new Float32Array(columns).fill(3),
});

describe('one layer, quantized by a method', () => {
  const folder = temporaryFolder();
  let model: Model;
  let plain: Model;

  beforeAll(async () => {
    const random = new Random(3);
    const values = (count: number): Uint8Array =>
      new Uint8Array(Float32Array.from({ length: count }, () => random.normal()).buffer);
    const matrix = {
      name: weight,
      dtype: 'F32',
      shape: [rows, columns],
      data: () => [values(rows * columns)],
    };
    const withBias = { name: bias, dtype: 'F32', shape: [rows], data: () => [values(rows)] };
    await writeSafetensors(join(folder, 'model.safetensors'), [matrix, withBias], {});
    await writeSafetensors(join(folder, 'plain.safetensors'), [matrix], {});
    model = await openModel(join(folder, 'model.safetensors'));
    plain = await openModel(join(folder, 'plain.safetensors'));
  });

  afterAll(async () => {
    await model.close();
    await plain.close();
  });

  const floats = async (of: Model, name: string): Promise<number[]> => {
    const all: number[] = [];
    for await (const { values } of readRows(of, of.tensor(name), {})) all.push(...values);
    return all;
  };
  const save = async (grid: string, id: string, layout: string, out: string): Promise<SavedLayer> => {
    const method = methodById(id);
    const work = { model, tensor: model.tensor(weight), target: layerTarget(grid), method };
    const options = optionsOf(method);
    const inputs = await inputsOf(model.description);
    return saveLayer({ ...work, options, evidence: measured }, layout, out, inputs);
  };
  const compare = async (
    of: Model,
    grid: string,
    source: EvidenceSource,
    options: Readonly<Record<string, MethodOptions>> = {},
  ): Promise<TensorLens> => {
    const known = { stored: { text: 'text', tokens: 1, kinds }, source };
    const chosen = ['rtn', 'ecb', 'gptq'].map((id) => ({
      target: layerTarget(grid),
      method: methodById(id),
    }));
    return tensorLens(of, of.tensor(weight), chosen, { known, options });
  };

  it('is saved in a type of GGUF by a method that corrects errors, and read back with the error that was stated', async () => {
    const lens = await compare(model, 'Q4_K', measured);
    const [rounded, , corrected] = lens.rows;
    expect(corrected!.result!.layouts.map(({ id }) => id)).toEqual(['quantscope']);
    const out = join(temporaryFolder(), 'q4_k.safetensors');
    const { error } = await save('Q4_K', 'gptq', 'quantscope', out);
    expect(error.mse).toBe(corrected!.result!.error.mse);
    expect(error.mse).not.toBe(rounded!.result!.error.mse);
    const saved = await openModel(out);
    const tensor = saved.tensor(weight);
    expect([tensor.dtype, tensor.shape, tensor.byteLength]).toEqual(['Q4_K', [rows, columns], rows * 144]);
    const [before, after] = [await floats(model, weight), await floats(saved, weight)];
    const squares = before.reduce((sum, value, i) => sum + (value - after[i]!) ** 2, 0);
    expect(squares / before.length).toBeCloseTo(error.mse, 10);
    await saved.close();
  });

  it.each([
    ['rtn', 'Q4_K'],
    ['gptq', 'Q4_K'],
    ['rtn', 'Q8_0'],
  ])('is not saved where its weights are too large: by %s in %s', async (id, type) => {
    const huge = new Uint8Array(new Float32Array(rows * columns).fill(1e30).buffer);
    const source = join(temporaryFolder(), 'huge.safetensors');
    const matrix = { name: weight, dtype: 'F32', shape: [rows, columns], data: () => [huge] };
    await writeSafetensors(source, [matrix], {});
    const large = await openModel(source);
    const method = methodById(id);
    const work = { model: large, tensor: large.tensor(weight), target: layerTarget(type), method };
    const out = join(temporaryFolder(), 'out.safetensors');
    const inputs = await inputsOf(large.description);
    const options = optionsOf(method);
    await expect(
      saveLayer({ ...work, options, evidence: measured }, 'quantscope', out, inputs),
    ).rejects.toMatchObject({
      code: 'REQUEST',
      message: expect.stringContaining(
        `Weights are too large for ${type}: decoded weights would not be finite.`,
      ) as string,
      place: { tensor: weight, file: source },
    });
    expect(existsSync(out)).toBe(false);
    await large.close();
  });

  it('is saved with its bias, which the correction of mean outputs is added to', async () => {
    const { rows: found } = await compare(model, 'int4-g32', measured);
    const { bias: figures } = found.find(({ method }) => method === 'ecb')!.result!;
    expect(figures).toMatchObject({ rows, into: bias });
    const files = [join(temporaryFolder(), 'ecb.safetensors'), join(temporaryFolder(), 'rtn.safetensors')];
    await save('int4-g32', 'ecb', 'compressed-tensors-pack', files[0]!);
    await save('int4-g32', 'rtn', 'compressed-tensors-pack', files[1]!);
    const [corrected, kept] = [await openModel(files[0]!), await openModel(files[1]!)];
    const original = await floats(model, bias);
    expect(await floats(kept, bias)).toEqual(original);
    const shifts = (await floats(corrected, bias)).map((value, i) => value - original[i]!);
    const rms = Math.sqrt(shifts.reduce((sum, shift) => sum + shift * shift, 0) / rows);
    expect(rms).toBeGreaterThan(0);
    expect(rms).toBeCloseTo(figures!.rms, 5);
    await corrected.close();
    await kept.close();
  });

  it('says where no bias can hold the correction', async () => {
    const { rows: found } = await compare(plain, 'int4-g32', measured);
    expect(found[1]!.result!.bias).toMatchObject({ rows });
    expect(found[1]!.result!.bias).not.toHaveProperty('into');
    expect(found[0]!.result).not.toHaveProperty('bias');
  });

  it('has the evidence that each result really used', async () => {
    const used = (lens: TensorLens) => lens.rows.map(({ result, refused }) => result?.evidence ?? refused);
    expect(used(await compare(model, 'int4-g32', measured))).toEqual(['none', 'importance', 'hessian']);
    expect(used(await compare(model, 'int4-g32', sourceOf({})))).toEqual([
      ...['none', 'none', 'Calibration does not measure the inputs of this tensor.'],
    ]);
  });

  it('uses the options that are given, and names one that the method does not have', async () => {
    const off = await compare(model, 'int4-g32', measured, { ecb: { correct_bias: false } });
    expect(off.rows[1]!.result).not.toHaveProperty('bias');
    await expect(compare(model, 'int4-g32', measured, { gptq: { dampening: 0.1 } })).rejects.toThrow(
      'The option dampening is not an option of gptq. Did you mean "damping"?',
    );
    await expect(compare(model, 'int4-g32', measured, { gptq: { damping: 2 } })).rejects.toThrow(
      'The option damping is 2; it must be a number from 0 to 1.',
    );
  });
});
