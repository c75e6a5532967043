import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { openFileSource, type ByteSource } from '../../../src/model/byteSource';
import { QuantscopeError } from '../../../src/model/errors';
import { openModel } from '../../../src/layouts/openModel';
import { readSafetensorsHeader } from '../../../src/model/safetensors';
import { isQuantizable, tensorRole } from '../../../src/model/roles';
import {
  filesUnder,
  hasSharedData,
  projectRoot,
  sampleFolder,
  sampleWeights,
  sharedData,
  temporaryFolder,
  writeFile,
} from '../../support/files';

async function describeModel(path: string) {
  const model = await openModel(path);
  await model.close();
  return model.description;
}

describe('openModel', () => {
  it('describes the sample from its folder', async () => {
    const model = await describeModel(sampleFolder);
    expect(model.format).toBe('safetensors');
    expect(model.architecture).toBe('llama');
    expect(model.tensors).toHaveLength(57);
    expect(model.parameters).toBe(5_246_208);
    expect(model.dataBytes).toBe(2 * 5_246_208);
    const down = model.tensors.find((tensor) => tensor.name === 'model.layers.0.mlp.down_proj.weight');
    expect(down).toMatchObject({ dtype: 'BF16', shape: [256, 768], elements: 196_608, readable: true });
    expect(model.metadata).toContainEqual({
      key: 'hidden_size',
      type: 'number',
      text: '256',
      source: 'config.json',
    });
  });

  it('reads the header of a file and nothing else', async () => {
    const source = await openFileSource(sampleWeights);
    const ranges: [number, number][] = [];
    const counting: ByteSource = {
      ...{ path: source.path, size: source.size, mtimeMs: source.mtimeMs },
      read: (offset, length, signal) => {
        ranges.push([offset, offset + length]);
        return source.read(offset, length, signal);
      },
      readInto: (target, offset, signal) => {
        ranges.push([offset, offset + target.length]);
        return source.readInto(target, offset, signal);
      },
      close: () => source.close(),
    };
    const header = await readSafetensorsHeader(counting);
    await source.close();
    const dataStart = Math.min(...header.tensors.map((tensor) => tensor.offset));
    expect(Math.max(...ranges.map(([, end]) => end))).toBe(dataStart);
  });

  it('opens 40 GB with 1,000 tensors in less than 60 MB above Node itself', () => {
    const folder = temporaryFolder();
    const path = sparseModel(folder, 1000, 40_000_000);
    const script = join(folder, 'open.mjs');
    buildSync({
      stdin: {
        contents: `import { openModel } from './src/layouts/openModel';
          const before = process.memoryUsage().rss;
          const model = await openModel(process.argv[2]);
          const grown = process.memoryUsage().rss - before;
          console.log(JSON.stringify({ grown, tensors: model.description.tensors.length, bytes: model.description.dataBytes }));
          await model.close();`,
        resolveDir: projectRoot,
      },
      bundle: true,
      platform: 'node',
      format: 'esm',
      banner: {
        js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);",
      },
      outfile: script,
    });
    const result = JSON.parse(execFileSync(process.execPath, [script, path], { encoding: 'utf8' })) as Record<
      string,
      number
    >;
    expect(result['tensors']).toBe(1000);
    expect(result['bytes']).toBe(40_000_000_000);
    expect(result['grown']).toBeLessThan(60 * 2 ** 20);
  });

  it('lists what an index says when its shards are not there', async () => {
    const folder = temporaryFolder();
    const path = writeFile(
      folder,
      'model.safetensors.index.json',
      JSON.stringify({ weight_map: { 'a.weight': 'one.safetensors' } }),
    );
    const model = await describeModel(path);
    expect(model.missingFiles).toEqual(['one.safetensors']);
    expect(model.tensors).toMatchObject([{ name: 'a.weight', readable: false }]);
    expect(model.warnings.join()).toContain('one.safetensors');
  });

  it('rejects a shard outside the folder', async () => {
    const folder = temporaryFolder();
    const path = writeFile(
      folder,
      'model.safetensors.index.json',
      JSON.stringify({ weight_map: { a: '../x.safetensors' } }),
    );
    await expect(openModel(path)).rejects.toThrow(
      'The index names the shard "../x.safetensors", which is not a file name.',
    );
  });
});

describe('roles', () => {
  it.each([
    ['model.layers.3.self_attn.q_proj.weight', { role: 'attn_q', layer: 3 }],
    ['blk.11.ffn_down.weight', { role: 'ffn_down', layer: 11 }],
    ['lm_head.weight', { role: 'output' }],
    ['output_norm.weight', { role: 'norm' }],
    ['model.layers.0.input_layernorm.weight', { role: 'norm', layer: 0 }],
    ['blk.0.attn_output.weight', { role: 'attn_output', layer: 0 }],
    ['token_embd.weight', { role: 'token_embd' }],
  ])('%s', (name, expected) => expect(tensorRole(name)).toEqual(expected));

  it('takes matrices of weights and leaves norms alone', async () => {
    const { tensors } = await describeModel(sampleFolder);
    expect(tensors.filter(isQuantizable)).toHaveLength(57 - 13);
  });
});

describe.skipIf(!hasSharedData)('real files', () => {
  const real = [...filesUnder(sharedData, /\.(safetensors|gguf)$/)].filter(
    (path) => !/hostile|v1\.gguf|[\\/]cases[\\/]/.test(path), // cases.test.ts has the others
  );

  it.each(real)('%s opens', async (path) => {
    const model = await describeModel(path);
    expect(model.tensors.length + model.metadata.length).toBeGreaterThan(0);
    for (const tensor of model.tensors)
      for (const { offset, byteLength } of tensor.stored?.parts ?? [tensor])
        expect(offset + byteLength).toBeLessThanOrEqual(model.files[0]!.size);
  });

  it.each(filesUnder(join(sharedData, 'index'), /index\.json$/).filter((path) => !path.includes('sglang')))(
    '%s lists its tensors',
    async (path) => {
      const model = await describeModel(path);
      expect(model.tensors.length).toBeGreaterThan(200);
      expect(model.missingFiles.length).toBeGreaterThan(0);
    },
  );

  it.each([
    [
      'lfs-pointer-model-00058-of-00059.safetensors',
      'This is a Git LFS pointer, not the file itself: run "git lfs pull" to fetch the file.',
      0,
    ],
    [
      'ollama-test-6bytes.gguf',
      'The file of 6 bytes ends inside the version: it is truncated or damaged.',
      4,
    ],
    [
      'prototype-byteswapped-magic-FUGG-v1.gguf',
      'The file is byte-swapped (magic "FUGG"): big-endian GGUF cannot be read.',
      0,
    ],
    [
      'safetensors_abuse_attempt_1.safetensors',
      'The header of 1000 bytes is cut off: the file has only 88 bytes.',
      0,
    ],
    [
      'utf8-mangled-ggml-vocab-llama-spm.gguf',
      'The length of key 10 of 22 is 73939795391; at most 65535 is allowed.',
      399,
    ],
    [
      'prototype-llamacpp-test_writer.gguf',
      'The type of the value of "dict1" is 13; GGUF has types 0 to 12.',
      204,
    ],
  ])('%s fails naming file and offset', async (name, message, offset) => {
    const file = join(sharedData, 'hostile', name);
    const error = await openModel(file).catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(QuantscopeError);
    expect(error).toMatchObject({
      ...{ code: 'MODEL_FILE', place: { file, offset } },
      message: `${message} (${file}, byte ${offset})`,
    });
  });

  it('a GGUF file without tensors opens', async () => {
    expect((await describeModel(join(sharedData, 'hostile', 'weight-inspect-empty.gguf'))).tensors).toEqual(
      [],
    );
  });

  it('a GGUF file whose data is missing opens', async () => {
    const model = await describeModel(join(sharedData, 'hostile', 'weight-inspect-tiny-no-tensor-data.gguf'));
    expect(model.missingBytes).toBe(model.dataBytes);
    expect(model.tensors).toMatchObject([{ readable: false }]);
  });

  it('a GGUF older than version 2 is named as such', async () => {
    await expect(openModel(join(sharedData, 'gguf', 'llamacpp-example-v1.gguf'))).rejects.toThrow(
      'The file is byte-swapped (magic "FUGG"): big-endian GGUF cannot be read.',
    );
  });
});

/** A safetensors file whose data is a hole in the file system. */
function sparseModel(folder: string, tensors: number, bytesEach: number): string {
  const header = Object.fromEntries(
    Array.from({ length: tensors }, (_, i) => [
      `model.layers.${i}.weight`,
      { dtype: 'BF16', shape: [4000, 5000], data_offsets: [i * bytesEach, (i + 1) * bytesEach] },
    ]),
  );
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const path = join(folder, 'big.safetensors');
  const file = openSync(path, 'w');
  writeSync(file, Buffer.concat([length, text]));
  ftruncateSync(file, 8 + text.length + tensors * bytesEach);
  closeSync(file);
  return path;
}
