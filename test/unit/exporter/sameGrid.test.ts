import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exportGguf } from '../../../src/exporter/exportGguf';
import { planExport, type ExportTarget } from '../../../src/exporter/plan';
import { openModel } from '../../../src/layouts/openModel';
import type { Model } from '../../../src/model/model';
import { readAs } from '../../../src/model/rows';
import { loadNative } from '../../../src/native';
import type { TensorDescriptor } from '../../../src/protocol/model';
import { hasSharedData, temporaryFolder } from '../../support/files';
import { expectedLogits, farthest, logitsOf } from '../../support/referenceLogits';
import { exportableFolder, reference } from '../../support/referenceRecipes';

const checkpoint = (): string => exportableFolder('compressed-tensors/folders/MXFP4A16');

async function weightsOf(model: Model, name: string): Promise<Float32Array> {
  const tensor = model.tensor(name);
  const { dtype, bytes } = readAs(tensor);
  const values = new Float32Array(tensor.elements);
  await loadNative().decode(dtype, await model.read(tensor, 0, bytes), values);
  return values.map((value) => value + 0); // llama.cpp decodes the code of −0 to 0
}

/** Rows of 128 weights in an order that does not depend on theirs. */
const sortedRows = (values: Float32Array): string[] =>
  Array.from({ length: values.length / 128 }, (_, row) =>
    String(values.subarray(row * 128, (row + 1) * 128)),
  ).sort();

const targets: readonly (readonly [string, ExportTarget])[] = [
  ['COPY', { type: 'COPY' }],
  ['a rule', { type: 'Q8_0', tensorTypes: [{ pattern: 'blk\\..*', type: 'mxfp4' }] }],
];

const bytesOf = (model: Model, tensor: TensorDescriptor): Promise<Uint8Array> =>
  model.read(tensor, 0, tensor.byteLength);

/** Bytes of a part of a stored weight. */
async function partOf(model: Model, name: string, role: string): Promise<Uint8Array> {
  const { file, offset, byteLength } = model.tensor(name).stored!.parts.find((item) => item.role === role)!;
  const bytes = new Uint8Array(byteLength);
  await model.source(file).readInto(bytes, offset);
  return bytes;
}

describe.skipIf(!hasSharedData)('an MXFP4 checkpoint becomes GGUF without loss', () => {
  it.each(targets)('by %s', async (_, target) => {
    const model = await openModel(checkpoint());
    const plan = await planExport(model, target);
    expect(plan.warnings.filter((warning) => warning.includes('already quantized'))).toEqual([]);
    const matrices = plan.tensors.filter(({ to }) => to === 'MXFP4');
    expect(matrices).toHaveLength(14);
    expect(new Set(matrices.map(({ from }) => from))).toEqual(new Set(['MXFP4']));
    expect(matrices[0]!.reason).toContain('codes and scales as they are');

    const out = join(temporaryFolder(), 'out.gguf');
    await exportGguf(model, target, out);
    const file = await openModel(out);
    const names = [
      ['model.layers.0.mlp.up_proj.weight', 'blk.0.ffn_up.weight'],
      ['model.layers.1.mlp.down_proj.weight', 'blk.1.ffn_down.weight'],
      ['model.layers.1.self_attn.v_proj.weight', 'blk.1.attn_v.weight'],
    ] as const;
    for (const [from, to] of names) {
      expect(file.tensor(to).dtype).toBe('MXFP4');
      expect(await weightsOf(file, to), to).toEqual(await weightsOf(model, from));
    }
    // Rows of q are in another order in GGUF.
    const q = await weightsOf(file, 'blk.0.attn_q.weight');
    const source = await weightsOf(model, 'model.layers.0.self_attn.q_proj.weight');
    expect(sortedRows(q)).toEqual(sortedRows(source));
    await file.close();
    await model.close();
  });

  it('with the same scales and codes, each in its place', async () => {
    const model = await openModel(checkpoint());
    const out = join(temporaryFolder(), 'out.gguf');
    await exportGguf(model, { type: 'COPY' }, out);
    const file = await openModel(out);
    const source = 'model.layers.0.mlp.up_proj.weight';
    const [codes, scales] = [await partOf(model, source, 'codes'), await partOf(model, source, 'scales')];
    const up = file.tensor('blk.0.ffn_up.weight');
    const blocks = await file.read(up, 0, up.byteLength);
    const code = (at: number): number => (codes[at >> 1]! >>> (4 * (at & 1))) & 15;
    for (let block = 0; block < scales.length; block++) {
      expect(blocks[17 * block]).toBe(scales[block]);
      for (let i = 0; i < 16; i++)
        expect(blocks[17 * block + 1 + i]).toBe(code(32 * block + i) | (code(32 * block + 16 + i) << 4));
    }
    await file.close();
    await model.close();
  });

  it('but another type decodes and encodes it, and says so', async () => {
    const model = await openModel(checkpoint());
    const { tensors, warnings } = await planExport(model, { type: 'Q8_0' });
    await model.close();
    expect(tensors.find(({ name }) => name === 'blk.0.ffn_up.weight')).toMatchObject({
      from: 'MXFP4 blocks',
      to: 'Q8_0',
    });
    expect(warnings.some((warning) => warning.includes('already quantized (MXFP4 blocks)'))).toBe(true);
  });
});

describe.skipIf(!hasSharedData)('an NVFP4 checkpoint becomes GGUF without loss', () => {
  const folder = 'compressed-tensors/folders/NVFP4A16';
  const source = 'model.layers.0.mlp.up_proj.weight';

  it('with codes and scales in their places, and the global scale in a tensor of its own', async () => {
    const model = await openModel(exportableFolder(folder));
    const plan = await planExport(model, { type: 'COPY' });
    expect(plan.warnings.filter((warning) => warning.includes('already quantized'))).toEqual([]);
    expect(plan.tensors.filter(({ to }) => to === 'NVFP4')).toHaveLength(14);
    const out = join(temporaryFolder(), 'out.gguf');
    await exportGguf(model, { type: 'COPY' }, out);
    const file = await openModel(out);
    const [codes, scales] = [await partOf(model, source, 'codes'), await partOf(model, source, 'scales')];
    const blocks = await bytesOf(file, file.tensor('blk.0.ffn_up.weight'));
    const code = (at: number): number => (codes[at >> 1]! >>> (4 * (at & 1))) & 15;
    for (let group = 0; group < scales.length; group++) {
      const block = 36 * Math.floor(group / 4);
      expect(blocks[block + (group % 4)]).toBe(scales[group]);
      for (let i = 0; i < 8; i++)
        expect(blocks[block + 4 + 8 * (group % 4) + i]).toBe(
          code(16 * group + i) | (code(16 * group + 8 + i) << 4),
        );
    }
    const [divisor] = new Float32Array((await partOf(model, source, 'divisor')).buffer);
    const factor = file.tensor('blk.0.ffn_up.scale');
    expect(factor).toMatchObject({ dtype: 'F32', shape: [1] });
    const [stored] = new Float32Array((await bytesOf(file, factor)).slice().buffer);
    expect(stored).toBe(Math.fround(1 / divisor!));
    await file.close();
    await model.close();
  });

  it('and the forward pass of the file multiplies by it', async () => {
    const model = await openModel(exportableFolder(folder));
    const out = join(temporaryFolder(), 'out.gguf');
    await exportGguf(model, { type: 'COPY' }, out);
    const file = await openModel(out);
    const { tokens, logits } = await expectedLogits(join(reference, folder));
    expect(farthest(await logitsOf(file, tokens), logits)).toBeLessThan(0.02);
    await file.close();
    await model.close();
  });
});
