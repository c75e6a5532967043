import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { convertModel, type ConvertTarget } from '../../../src/exporter/convert/writeConversion';
import { openModel } from '../../../src/layouts/openModel';
import { writeSafetensors } from '../../../src/exporter/writeSafetensors';
import { modelOf } from '../../../src/model/model';
import type { EngineProgress } from '../../../src/protocol/engine';
import type { ConvertSettings } from '../../../src/protocol/convert';
import { openFiles } from '../../../src/model/openFiles';
import { convert } from '../../support/conversion';
import {
  hasSharedData,
  sampleFolder,
  sampleWeights,
  sharedData,
  temporaryFolder,
  writeFile,
} from '../../support/files';
import { Call, Global, tensor, TorchStorage, torchLegacy, torchZip } from '../../support/torchFiles';
import { writeCheckpoint } from '../../support/writeCheckpoint';
import { writeTorchCopy, writeTorchSample } from '../../support/torchSample';

const folder = temporaryFolder();

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

/** A checkpoint of two weights in the given dtype. */
async function smallCheckpoint(name: string, values: Float32Array, config: object = {}): Promise<string> {
  const path = join(folder, name);
  mkdirSync(path);
  const data = () => [new Uint8Array(values.buffer)];
  const parts = [{ name: 'w', dtype: 'F32', shape: [2, values.length / 2], data }];
  await writeSafetensors(join(path, 'model.safetensors'), parts, { format: 'pt', made: 'by hand' });
  writeFileSync(join(path, 'config.json'), JSON.stringify(config, undefined, 2));
  return path;
}

describe('a checkpoint in another dtype', () => {
  it('has its floats rounded, its config.json in step, and all other files', async () => {
    const out = join(folder, 'sample-f32');
    const result = await convert(sampleFolder, out, { dtype: 'f32' });
    expect(result).toMatchObject({ out, tensors: 57, files: ['model.safetensors'], notes: [] });
    const [before, after] = [await openModel(sampleFolder), await openModel(out)];
    for (const tensor of before.description.tensors) {
      expect(tensor.dtype).toBe('BF16');
      const bits = new Uint16Array((await before.read(tensor, 0, tensor.byteLength)).slice().buffer);
      const wide = Uint32Array.from(bits, (half) => half << 16);
      const found = await after.read(after.tensor(tensor.name), 0, wide.byteLength);
      expect(Buffer.from(wide.buffer).equals(found), tensor.name).toBe(true);
    }
    await Promise.all([before.close(), after.close()]);
    const config = readFileSync(join(out, 'config.json'), 'utf8');
    expect(config).toBe(
      readFileSync(join(sampleFolder, 'config.json'), 'utf8').replace(
        /("(?:torch_)?dtype": )"bfloat16"/,
        '$1"float32"',
      ),
    );
    expect(readFileSync(join(out, 'tokenizer.json'))).toEqual(
      readFileSync(join(sampleFolder, 'tokenizer.json')),
    );
    // And back: nothing is lost.
    const back = join(folder, 'sample-bf16');
    await convert(out, back, { dtype: 'bf16' });
    expect(await contentOf(join(back, 'model.safetensors'))).toEqual(await contentOf(sampleWeights));
  });

  it('states the dtype of nested configurations too, and keeps how numbers are written', async () => {
    const nested =
      '{\n  "text_config": {\n    "dtype": "float32",\n    "theta": 10000.0\n  },\n  "dtype": "float32"\n}';
    const path = await smallCheckpoint('nested', Float32Array.of(1, 2, 3, 4));
    writeFileSync(join(path, 'config.json'), nested);
    await convert(path, join(folder, 'nested-f16'), { dtype: 'f16' });
    expect(readFileSync(join(folder, 'nested-f16', 'config.json'), 'utf8')).toBe(
      nested.replaceAll('float32', 'float16'),
    );
  });

  it('is an error where a weight does not fit: the weight is named and nothing is left', async () => {
    const path = await smallCheckpoint('large', Float32Array.of(1, 2, 3, 4, 70_000, -1e9));
    const out = join(folder, 'large-f16');
    await expect(convert(path, out, { dtype: 'f16' })).rejects.toMatchObject({
      code: 'MODEL_FILE',
      message: expect.stringContaining(
        'Weight [1, 1] is 70000, which does not fit into F16 (at most 65504)',
      ) as unknown,
      place: { tensor: 'w' },
    });
    expect(readdirSync(folder).filter((name) => name.includes('large-f16'))).toEqual([]);
    const { notes } = await convert(path, out, { dtype: 'f16', allowInfinity: true });
    expect(notes).toEqual(['2 weights of w became infinite in F16.']);
    const [tensor] = Object.values(await contentOf(join(out, 'model.safetensors'))) as [unknown[]];
    expect(Buffer.from(tensor[2] as string, 'base64').readUInt16LE(8)).toBe(0x7c00);
    expect(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'))).toEqual({ torch_dtype: 'float16' });
  });
});

describe('files of weights', () => {
  it('keep the names that they have beside a params.json', async () => {
    const source = join(folder, 'mistral');
    await writeCheckpoint(source, 'mistral, consolidated');
    const out = join(folder, 'mistral-f16');
    const { files } = await convert(source, out, { dtype: 'f16' }, { maxShardBytes: 100_000 });
    expect(files[0]).toMatch(/^consolidated-00001-of-0000\d\.safetensors$/);
    expect(readFileSync(join(out, 'params.json'))).toEqual(readFileSync(join(source, 'params.json')));
    expect(existsSync(join(out, 'consolidated.safetensors.index.json'))).toBe(true);
    const model = await openModel(out);
    await model.close();
    expect(model.description.weightFiles).toEqual({ present: files.length, total: files.length });
    expect(model.description.tensors.every(({ dtype }) => dtype === 'F16')).toBe(true);
  });

  it('are split, listed by an index, merged again, and keep their metadata and digests', async () => {
    const path = await smallCheckpoint('unsplit', Float32Array.of(1, 2));
    expect(await convert(path, join(folder, 'resaved'))).toMatchObject({ files: ['model.safetensors'] });
    const split = join(folder, 'split');
    const { files } = await convert(sampleFolder, split, {}, { maxShardBytes: 300_000 });
    expect(files.length).toBeGreaterThan(3);
    const index = JSON.parse(readFileSync(join(split, 'model.safetensors.index.json'), 'utf8')) as {
      weight_map: Record<string, string>;
    };
    expect(new Set(Object.values(index.weight_map))).toEqual(new Set(files));
    for (const file of files) expect(existsSync(join(split, `${file}.digests.json`))).toBe(true);
    const merged = join(folder, 'merged');
    await convert(split, merged, {}, { single: true });
    expect(await contentOf(join(merged, 'model.safetensors'))).toEqual(await contentOf(sampleWeights));
    const one = await openModel(join(folder, 'resaved'));
    expect(one.description.metadata.filter(({ source }) => source === 'model.safetensors')).toMatchObject([
      { key: 'format', text: 'pt' },
      { key: 'made', text: 'by hand' },
    ]);
    await one.close();
  });

  it('lose metadata of which files state different values, but none by which tensors are read', async () => {
    const path = join(folder, 'two-files');
    mkdirSync(path);
    writeFileSync(join(path, 'config.json'), '{}');
    const write = (number: number, metadata: Record<string, string>) =>
      writeSafetensors(
        join(path, `model-0000${number}-of-00002.safetensors`),
        [{ name: `w${number}`, dtype: 'F32', shape: [1], data: () => [Buffer.alloc(4)] }],
        metadata,
      );
    await write(1, { made: 'here', by: 'hand' });
    await write(2, { made: 'there', by: 'hand' });
    const { notes } = await convert(path, join(folder, 'one-file'), {}, { single: true });
    expect(notes).toEqual(['The metadata key "made" is left out: the files state different values of it.']);
    const one = await openModel(join(folder, 'one-file'));
    expect(
      one.description.metadata.flatMap(({ source, key }) => (source === 'model.safetensors' ? [key] : [])),
    ).toEqual(['format', 'by']);
    await one.close();
    await write(2, { made: 'there', 'quantscope.x': '1' });
    await write(1, { made: 'there', 'quantscope.x': '2' });
    await expect(convert(path, join(folder, 'never-one'))).rejects.toThrow(/"quantscope.x", by which/);
  });

  it('of one shard alone are a file, not the folder of a checkpoint', async () => {
    const parts = join(folder, 'parts');
    const { files } = await convert(sampleFolder, parts, {}, { maxShardBytes: 8_000_000 });
    const shard = await openModel({ path: join(parts, files[0]!), alone: true });
    const never = join(folder, 'of one shard');
    await expect(convertModel(shard, {}, { out: never })).rejects.toMatchObject({
      ...{ code: 'REQUEST', place: { file: never } },
      message: expect.stringContaining(`${files[0]!} alone is file 1 of 2`) as string,
    });
    expect(existsSync(never)).toBe(false);
    const { tensors } = await convertModel(shard, {}, { out: `${never}.safetensors` });
    expect(tensors).toBe(shard.description.tensors.length);
    await shard.close();
  });

  it('replace neither the model nor what others wrote, and an earlier output only when told to', async () => {
    const path = await smallCheckpoint('kept', Float32Array.of(1, 2));
    await expect(convert(path, path)).rejects.toThrow(/is that of the model/);
    await expect(convert(path, join(path, 'model.safetensors'))).rejects.toThrow(
      /would replace an input file/,
    );
    const foreign = join(folder, 'foreign');
    mkdirSync(foreign);
    writeFileSync(join(foreign, 'notes.txt'), 'mine');
    await expect(convert(path, foreign, {}, { overwrite: true })).rejects.toThrow(/not an earlier output/);
    const out = join(folder, 'kept-again');
    await convert(path, out);
    await expect(convert(path, out)).rejects.toThrow(/--overwrite/);
    await convert(path, out, { dtype: 'bf16' }, { overwrite: true });
    expect(await contentOf(join(out, 'model.safetensors'))).toMatchObject({
      w: ['BF16', [2, 1], 'gD8AQA=='],
    });
  });

  it('leave nothing when they are cancelled in the middle, nor where the model changes meanwhile', async () => {
    const model = await openModel(sampleFolder);
    const out = join(folder, 'cancelled');
    const controller = new AbortController();
    const onProgress = ({ done, total = 1 }: EngineProgress): void => {
      if (done > total / 2) controller.abort();
    };
    const { signal } = controller;
    await expect(
      convertModel(model, { dtype: 'f32' }, { out }, { signal, onProgress }),
    ).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    await model.close();
    const path = await smallCheckpoint('changing', Float32Array.of(1, 2));
    const changing = await openModel(path);
    const change = () => utimesSync(join(path, 'model.safetensors'), 1, 1);
    const target = { out: join(folder, 'changed') };
    await expect(convertModel(changing, {}, target, { onProgress: change })).rejects.toThrow(/changed/);
    await changing.close();
    expect(readdirSync(folder).filter((name) => /cancelled|changed/.test(name))).toEqual([]);
  });

  it('reject settings that mean nothing', async () => {
    const file = join(folder, 'never.safetensors');
    const isRejected = (
      settings: ConvertSettings,
      target: Omit<ConvertTarget, 'out'>,
      message: RegExp,
      out = file,
    ): Promise<void> => expect(convert(sampleFolder, out, settings, target)).rejects.toThrow(message);
    await isRejected({}, { single: true }, /one file/);
    await isRejected({}, { maxShardBytes: 9 }, /one file/);
    await isRejected({}, { overwrite: true }, /--overwrite/);
    await isRejected({}, { single: true, maxShardBytes: 9 }, /exclude/, join(folder, 'never'));
    await isRejected({ allowInfinity: true }, {}, /nothing is rounded/);
    await isRejected({ decode: true }, {}, /nothing to decode/);
    expect(existsSync(file)).toBe(false);
  });
});
