import { copyFileSync, cpSync, existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { planCheckpoint } from '../../../src/exporter/checkpoint/plan';
import { writeCheckpoint } from '../../../src/exporter/checkpoint/writeCheckpoint';
import { manifestPath, printManifest, readManifest } from '../../../src/files/digests/manifest';
import { DigestRecorder } from '../../../src/files/digests/recorder';
import { printPlan } from '../../../src/ampq/planFile';
import { openModel } from '../../../src/layouts/openModel';
import { seal } from '../../../src/model/sealedJson';
import type { VerifyParams, VerifyResult } from '../../../src/protocol/verify';
import { presetById } from '../../../src/recipes/resolveRecipe';
import { flipByte } from '../../support/damage';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, sampleWeights, temporaryFolder } from '../../support/files';
import { planFor } from '../../support/plans';
import { writeTorchSample } from '../../support/torchSample';

const folder = temporaryFolder();
const here = (...names: string[]): string => join(folder, ...names);
const { request } = engineJobs(here('cache'));
const verify = (path: string, more: Partial<VerifyParams> = {}): Promise<VerifyResult> =>
  request('model/verify', { path, ...more });

/** What is found where one byte is damaged; the file is as before afterwards. */
async function withDamage(model: string, file: string, offset: number): Promise<VerifyResult> {
  flipByte(file, offset);
  return verify(model).finally(() => flipByte(file, offset));
}

/** Damages one byte of every tensor that was written with a file, and expects that it alone is named, with the place. @param every so many. */
async function expectEveryTensorIsGuarded(
  model: string,
  files: readonly string[],
  every = 1,
): Promise<number> {
  expect((await verify(model)).faults).toEqual([]);
  let tensors = 0;
  for (const file of files) {
    const { tensors: written, chunkBytes } = (await readManifest(file))!;
    for (const [i, { name, offset, bytes }] of written.entries()) {
      if (i % every !== 0) continue;
      const at = offset + ((i * 7919) % bytes);
      const { faults, damaged } = await withDamage(model, file, at);
      expect(damaged).toEqual([name]);
      const fault = faults.find(({ kind }) => kind === 'bytes')!;
      expect(fault).toMatchObject({ file, tensor: name });
      expect(fault.offset!).toBeLessThanOrEqual(at);
      expect(fault.offset! + fault.bytes!).toBeGreaterThan(at);
      expect(fault.bytes!).toBeLessThanOrEqual(chunkBytes);
      tensors += 1;
    }
  }
  return tensors;
}

describe('a flipped byte in any tensor is found and named', () => {
  it('in a GGUF file', async () => {
    const out = here('whole.gguf');
    await request('export/gguf', { path: sampleFolder, type: 'Q4_K_M', out });
    expect(await expectEveryTensorIsGuarded(out, [out])).toBe(57);
  });

  it('in the parts of a split GGUF file', async () => {
    const split = { kind: 'tensors', value: 20 } as const;
    await request('export/gguf', { path: sampleFolder, type: 'IQ4_XS', out: here('split.gguf'), split });
    const files = [1, 2, 3].map((part) => here(`split-0000${part}-of-00003.gguf`));
    expect(await expectEveryTensorIsGuarded(files[0]!, files)).toBe(57);
  });

  it('in the shards of a quantized checkpoint, codes and scales alike', async () => {
    const model = await openModel(sampleFolder);
    const plan = planCheckpoint(model, presetById('bnb-nf4'), 2_000_000);
    await writeCheckpoint(model, plan, here('shards')).finally(() => model.close());
    const files = plan.shards.map(({ name }) => here('shards', name));
    expect(files.length).toBeGreaterThan(1);
    expect(await expectEveryTensorIsGuarded(here('shards'), files, 3)).toBeGreaterThan(57);
  });

  it('in a safetensors file that was made of PyTorch files', async () => {
    await writeTorchSample(here('torch'), 'zip');
    const out = here('converted.safetensors');
    await request('model/convert', { path: here('torch'), out });
    expect(await expectEveryTensorIsGuarded(out, [out])).toBe(57);
  });

  it('in layers saved in a format', async () => {
    const out = here('layers.safetensors');
    const tensors = ['model.layers.0.mlp.up_proj.weight', 'model.layers.1.self_attn.q_proj.weight'];
    const choices = tensors.map((tensor) => ({ tensor, format: 'Q8_0' }));
    await request('tensor/quantize', { path: sampleFolder, choices, out });
    await expectEveryTensorIsGuarded(out, [out]);
  });

  it('in an ONNX graph, and in the file of weights beside one', async () => {
    for (const external of [false, true]) {
      const out = here(`onnx-${external}`);
      await request('export/onnx', { path: sampleFolder, weights: 'matmulnbits-4', external, out });
      const file = join(out, external ? 'model.onnx_data' : 'model.onnx');
      expect(await expectEveryTensorIsGuarded(out, [file], 5)).toBeGreaterThan(20);
      expect(await expectEveryTensorIsGuarded(join(out, 'model.onnx'), [])).toBe(0);
    }
  });
});

describe('verification', () => {
  const file = here('checked.gguf');
  beforeAll(async () => {
    await request('export/gguf', { path: sampleFolder, type: 'Q4_K_M', out: file });
  });
  /** A copy that a test may change. */
  const copied = (name: string, withDigests = true): string => {
    copyFileSync(file, here(name));
    if (withDigests) copyFileSync(manifestPath(file), manifestPath(here(name)));
    return here(name);
  };

  it('says what a file was made of, and what was read', async () => {
    const { files, tensors, checkedBytes, notes } = await verify(file);
    const { size } = { size: readFileSync(file).length };
    expect(files).toEqual([
      { file, bytes: size, tensors: 57, digests: 'checked', source: 'tiny-shakespeare-llama' },
    ]);
    expect(tensors).toBe(57);
    expect(checkedBytes).toBe(3_148_288);
    expect(notes).toEqual([]);
    const { origin } = (await readManifest(file))!;
    expect(origin).toMatchObject({ action: 'gguf', settings: { type: 'Q4_K_M' } });
    expect(readFileSync(manifestPath(file), 'utf8')).not.toContain(folder);
  });

  it('finds damage of the header, also where the file cannot be opened any more', async () => {
    const open = copied('key.gguf');
    flipByte(open, readFileSync(open).indexOf('general.name') + 3);
    expect((await request('model/verifyHeaders', { path: open })).faults).toMatchObject([
      { kind: 'header', offset: 0 },
    ]);
    const closed = copied('magic.gguf');
    flipByte(closed, 0);
    const { faults, notes, damaged } = await verify(closed);
    expect(faults.map(({ kind }) => kind)).toEqual(['header']);
    expect(damaged).toEqual([]);
    expect(notes.join()).toContain('Not opened as a model');
  });

  it('finds damage of padding, and says where it is', async () => {
    const path = copied('padding.gguf');
    const { tensors, bytes: offset } = (await readManifest(path))!;
    writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.alloc(16)]));
    const digests = new DigestRecorder(32 * 1024);
    for (const tensor of tensors)
      digests.tensor(tensor)(0, readFileSync(path).subarray(tensor.offset, tensor.offset + tensor.bytes));
    writeFileSync(manifestPath(path), printManifest(await digests.finish(path, undefined)));
    expect((await verify(path)).faults).toEqual([]);
    flipByte(path, offset + 7);
    const { name } = tensors.at(-1)!;
    const message = `Bytes after the tensor "${name}", which are of no tensor, differ from what was written.`;
    expect((await verify(path)).faults).toEqual([{ kind: 'header', file: path, offset, bytes: 16, message }]);
    const place = { file: path, offset };
    await expect(request('model/open', { path, checked: true })).rejects.toMatchObject({ place });
    flipByte(path, readFileSync(path).indexOf('general.name') + 3);
    expect((await verify(path)).faults.map((fault) => [fault.offset, fault.bytes])).toEqual([
      [0, tensors[0]!.offset],
      [offset, 16],
    ]);
  });

  it('finds a file that was cut, and one that another program replaced', async () => {
    const cut = copied('cut.gguf');
    const { tensors } = (await readManifest(cut))!;
    const last = tensors.at(-1)!;
    truncateSync(cut, last.offset + 5);
    const result = await verify(cut);
    expect(result.faults[0]).toMatchObject({ kind: 'size' });
    expect(result.damaged).toEqual([last.name]);
    expect(result.faults.find(({ kind }) => kind === 'bytes')!.message).toContain('ends before');
    const other = copied('other.gguf');
    await request('export/gguf', { path: sampleFolder, type: 'Q8_0', out: here('q8.gguf') });
    copyFileSync(here('q8.gguf'), other);
    expect((await request('model/verifyHeaders', { path: other })).faults.map(({ kind }) => kind)).toContain(
      'header',
    );
  });

  it('without digests checks values and scales, and says so', async () => {
    const plain = copied('plain.gguf', false);
    const { notes, files, faults } = await verify(plain);
    expect(files[0]!.digests).toBe('missing');
    expect(notes.join()).toContain('No digests were written with 1 file');
    expect(faults).toEqual([]);
    const { tensors } = (await readManifest(file))!;
    const { name, offset } = tensors.find(({ dtype }) => dtype === 'Q4_K')!;
    const bytes = readFileSync(plain);
    for (const [scale, message] of [
      [0x7c00, 'A scale is not finite.'],
      [0x7bff, 'A scale is saturated (±65504).'],
    ] as const) {
      bytes.writeUInt16LE(scale, offset + 5 * 144);
      writeFileSync(plain, bytes);
      expect((await verify(plain)).faults).toEqual([
        {
          ...{ kind: 'values', file: plain, tensor: name, offset: offset + 5 * 144, bytes: 144 },
          ...{ blocks: { first: 5, last: 5 }, message },
        },
      ]);
    }
  });

  it('is done by any reader that is asked to, for what it reads', async () => {
    const path = copied('read.gguf');
    const { tensors, chunkBytes } = (await readManifest(path))!;
    const ref = { path, checked: true };
    const isRejected = (at: number): Promise<boolean> => {
      flipByte(path, at);
      return request('model/open', ref).then(
        () => false,
        () => true,
      );
    };
    // Opening reads samples: a chunk that none of them is in shows what other readers do.
    const chunks = tensors.flatMap(({ name, offset, bytes }) =>
      Array.from({ length: Math.ceil(bytes / chunkBytes) }, (_, i) => ({
        name,
        offset: offset + i * chunkBytes,
      })),
    );
    let unread: (typeof chunks)[number] | undefined;
    for (const chunk of chunks) {
      if (!(await isRejected(chunk.offset + 9))) unread = chunk;
      if (unread) break;
      flipByte(path, chunk.offset + 9);
    }
    const { name, offset } = unread!;
    const analyse = (tensor: string) => request('tensor/analyse', { ...ref, tensor });
    const whole = tensors.find((tensor) => tensor.name !== name)!.name;
    expect((await analyse(whole)).tensor).toBe(whole);
    const place = { file: path, tensor: name, offset };
    await expect(analyse(name)).rejects.toMatchObject({ code: 'MODEL_FILE', place });
    await expect(
      request('export/gguf', { ...ref, type: 'COPY', out: here('copy.gguf') }),
    ).rejects.toMatchObject({ place });
    expect(existsSync(here('copy.gguf'))).toBe(false);
    expect((await request('tensor/analyse', { path, tensor: name })).tensor).toBe(name);
    flipByte(path, 60);
    await expect(request('model/open', ref)).rejects.toThrow('The header differs from what was written');
    await expect(request('model/open', { path: sampleFolder, checked: true })).rejects.toThrow(
      'No digests were written with the file',
    );
  });

  it('checks the plan', async () => {
    const plan = await planFor(sampleFolder, { 'output.weight': 'Q8_0', 'blk.0.ffn_up.weight': 'Q4_K' });
    const planFile = here('a.ampq.json');
    writeFileSync(planFile, printPlan(plan));
    const { faults } = await verify(file, { planFile });
    expect(faults).toMatchObject([
      { kind: 'plan', tensor: 'output.weight', message: 'The tensor is Q6_K; the plan assigns Q8_0.' },
    ]);
    const torn = copied('torn.gguf');
    flipByte(torn, 0);
    const unopened = await verify(torn, { planFile });
    expect(unopened.faults.map(({ kind }) => kind)).toEqual(['header', 'plan']);
    expect(unopened.faults[1]).toMatchObject({
      ...{ file: torn, message: expect.stringMatching(/cannot be compared with the plan/) as string },
    });
  });

  it('rejects lists of digests that are damaged, edited, or claim what no file has', async () => {
    const path = copied('list.gguf');
    const text = readFileSync(manifestPath(path), 'utf8');
    const { content } = JSON.parse(text) as { content: { tensors: Record<string, unknown>[] } };
    const claim = (change: object): string =>
      seal({ ...content, tensors: [{ ...content.tensors[0], ...change }, ...content.tensors.slice(1)] });
    for (const [changed, message] of [
      [text.replace('Q6_K', 'Q5_K'), 'is damaged, or was edited'],
      [text.slice(0, 1000), 'is damaged, or was edited'],
      [claim({ bytes: 2 ** 53 - 1 }), 'outside the file'],
      [claim({ bytes: 2 ** 60 }), 'outside the file'],
      [claim({ bytes: 100_000 }), 'have 4 chunks'],
      [seal({ ...content, bytes: 2 ** 60 }), '"bytes" is not the size of a file'],
      [seal({ ...content, outside: '' }), '"outside" does not hold the digests'],
      [seal({ ...content, version: 1 }), 'of version 1; this program reads 2'],
      [seal({ ...content, chunkBytes: 0 }), '"chunkBytes"'],
      [seal({ ...content, chunkBytes: 1 }), 'chunks'],
      [seal({ ...content, origin: { source: { name: 'a' }, action: 'gguf' } }), '"origin"'],
      [seal({ ...content, origin: { source: { name: 'a', hash: 'b' }, action: 'else' } }), '"origin"'],
      [
        seal({ ...content, origin: { source: { name: 'a', hash: 'b' }, action: 'gguf', settings: 1 } }),
        '"origin"',
      ],
    ] as const) {
      writeFileSync(manifestPath(path), changed);
      const { faults, files } = await verify(path);
      expect(files[0]!.digests).toBe('unusable');
      expect(faults).toMatchObject([{ kind: 'digests', file: path }]);
      expect(faults[0]!.message).toContain(message);
      expect(faults[0]!.message).toContain(manifestPath(path));
    }
  });

  it('is cancelled within a tensor, and reports bytes', async () => {
    const controller = new AbortController();
    const steps: number[] = [];
    const run = request(
      'model/verify',
      { path: file },
      {
        signal: controller.signal,
        progress: ({ done, total }) => {
          steps.push(done);
          expect(total).toBe(3_148_288);
          if (done > 0) controller.abort();
        },
      },
    );
    await expect(run).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(steps.at(-1)).toBeLessThan(3_148_288);
  });

  it('of a model that nobody exported reads its values', async () => {
    const { faults, files, checkedBytes } = await verify(sampleFolder);
    expect(faults).toEqual([]);
    expect(files.map(({ digests }) => digests)).toEqual(['missing']);
    expect(checkedBytes).toBe(10_492_416);
    const copy = here('nan');
    cpSync(sampleFolder, copy, { recursive: true });
    const model = await openModel(sampleWeights);
    const { offset, name } = model.tensor('model.layers.2.mlp.up_proj.weight');
    await model.close();
    const bytes = readFileSync(join(copy, 'model.safetensors'));
    bytes.writeUInt16LE(0x7fc0, offset + 2 * 777);
    writeFileSync(join(copy, 'model.safetensors'), bytes);
    expect((await verify(copy)).faults).toMatchObject([
      { kind: 'values', tensor: name, offset: offset + 2 * 777, blocks: { first: 777, last: 777 } },
    ]);
  });

  it('leaves no list of digests where an export fails', async () => {
    const out = here('failed.gguf');
    await expect(request('export/gguf', { path: sampleFolder, type: 'IQ2_XXS', out })).rejects.toMatchObject({
      code: 'REQUEST',
    });
    expect([out, manifestPath(out)].map((path) => existsSync(path))).toEqual([false, false]);
    rmSync(out, { force: true });
  });
});
