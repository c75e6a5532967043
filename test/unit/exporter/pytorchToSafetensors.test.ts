import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { pytorchToSafetensors } from '../../../src/exporter/pytorchToSafetensors';
import { openModel } from '../../../src/layouts/openModel';
import { modelOf } from '../../../src/model/model';
import { openFiles } from '../../../src/model/openFiles';
import { hasSharedData, sampleFolder, sharedData, temporaryFolder, writeFile } from '../../support/files';
import { Call, Global, tensor, TorchStorage, torchLegacy, torchZip } from '../../support/torchFiles';
import { writeTorchCopy, writeTorchSample } from '../../support/torchSample';

const folder = temporaryFolder();

async function convert(source: string, out: string) {
  const model = await openModel(source);
  return pytorchToSafetensors(model, out).finally(() => model.close());
}

/** Dtype, shape and bytes of what a file holds, without layouts. */
async function contentOf(path: string) {
  const model = modelOf(await openFiles({ path, alone: true }));
  const found: Record<string, unknown> = {};
  for (const item of model.description.tensors) {
    const data = await model.read(item, 0, item.byteLength);
    found[item.name] = [item.dtype, item.shape, Buffer.from(data).toString('base64')];
  }
  await model.close();
  return found;
}

describe('PyTorch files as safetensors', () => {
  it.each(['zip', 'legacy', 'shards'] as const)('hold the sample, bit by bit (%s)', async (packing) => {
    const source = join(folder, packing);
    await writeTorchSample(source, packing);
    const out = join(source, 'model.safetensors');
    const { bytes, tensors } = await convert(source, out);
    expect(tensors).toBe(57);
    expect(readFileSync(out).length).toBe(bytes);
    expect(await contentOf(out)).toEqual(await contentOf(join(sampleFolder, 'model.safetensors')));
    const opened = await openModel(source);
    await opened.close();
    expect(opened.description.format).toBe('safetensors');
  });

  it.skipIf(!hasSharedData)('hold quantized weights as they are stored', async () => {
    const source = join(sharedData, 'reference', 'gptqmodel', 'folders', 'gptq-4bit-g32-asym');
    await writeTorchCopy(source, join(folder, 'gptq'), 'zip', () => true);
    const out = join(folder, 'gptq.safetensors');
    await convert(join(folder, 'gptq'), out);
    expect(await contentOf(out)).toEqual(await contentOf(join(source, 'model.safetensors')));
  });

  it('hold tied weights under both names, and no code', async () => {
    const shared = tensor('F32', [2], Float32Array.of(1, 2));
    const evil = new Call(new Global('os', 'system'), 'id');
    const out = join(folder, 'tied.safetensors');
    await convert(writeFile(folder, 'tied.pt', torchZip({ a: shared, b: shared, evil })), out);
    const content = await contentOf(out);
    expect(Object.keys(content)).toEqual(['a', 'b']);
    expect(content['a']).toEqual(content['b']);
    expect(readFileSync(out).includes('system')).toBe(false);
  });

  it('are not written where a tensor cannot be read: the error names it', async () => {
    const quantized = { storage: new TorchStorage('QInt8Storage', Uint8Array.of(1, 2), 1), shape: [2] };
    const out = join(folder, 'quantized.safetensors');
    await expect(convert(writeFile(folder, 'q.pt', torchZip({ quantized })), out)).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      place: { tensor: 'quantized' },
    });
    const cut = torchLegacy({ a: tensor('F32', [4], new Float32Array(4)) }).subarray(0, -4);
    await expect(convert(writeFile(folder, 'cut.bin', cut), out)).rejects.toThrow(
      /4 of its 16 bytes are missing/,
    );
    expect(existsSync(out)).toBe(false);
  });

  it('are not made of other formats', async () => {
    await expect(convert(sampleFolder, join(folder, 'again.safetensors'))).rejects.toThrow(
      'The model is safetensors; only PyTorch files are converted.',
    );
  });

  it('do not take along the modules next to an embedding model', async () => {
    const path = join(folder, 'modules');
    mkdirSync(join(path, '2_Dense'), { recursive: true });
    const type = 'sentence_transformers.models.Dense';
    writeFileSync(join(path, 'modules.json'), JSON.stringify([{ idx: 0, name: '0', path: '2_Dense', type }]));
    writeFile(path, 'pytorch_model.bin', torchZip({ w: tensor('F32', [1], Float32Array.of(1)) }));
    const linear = torchZip({ 'linear.weight': tensor('F32', [1], Float32Array.of(2)) });
    writeFile(join(path, '2_Dense'), 'pytorch_model.bin', linear);
    const out = join(path, 'model.safetensors');
    expect(await convert(path, out)).toMatchObject({ tensors: 1 });
  });
});
