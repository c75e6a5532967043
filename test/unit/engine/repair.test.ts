import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { printPlan } from '../../../src/ampq/planFile';
import { manifestPath, printManifest, readManifest } from '../../../src/files/digests/manifest';
import { DigestRecorder } from '../../../src/files/digests/recorder';
import type { ExportParams } from '../../../src/protocol/export';
import { flipByte } from '../../support/damage';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { planFor } from '../../support/plans';
import { presetById } from '../../../src/recipes/resolveRecipe';
import { writeTorchSample } from '../../support/torchSample';

const folder = temporaryFolder();
const here = (...names: string[]): string => join(folder, ...names);
const cacheDir = here('cache');
const { request, calibrate } = engineJobs(cacheDir);
const text = join(sampleFolder, 'generated-calibration.txt');

/** Writes the list of digests of a file again: of what it holds now, with chunks of another size. */
async function listAgain(file: string, chunkBytes: number): Promise<void> {
  const { tensors, origin } = (await readManifest(file))!;
  const bytes = readFileSync(file);
  const digests = new DigestRecorder(chunkBytes);
  for (const tensor of tensors)
    digests.tensor(tensor)(0, bytes.subarray(tensor.offset, tensor.offset + tensor.bytes));
  writeFileSync(manifestPath(file), printManifest(await digests.finish(file, origin)));
}

const exported = (name: string, params: Omit<ExportParams, 'path' | 'out'>) =>
  request('export/gguf', { path: sampleFolder, out: here(name), ...params });

/** Damages some tensors of files, repairs them, and expects the bytes that were there before. */
async function expectRepaired(
  path: string,
  files: readonly string[],
  { source = sampleFolder, every = 7, imatrix }: { source?: string; every?: number; imatrix?: string } = {},
): Promise<void> {
  const before = files.map((file) => readFileSync(file));
  const damaged: { file: string; tensors: string[] }[] = [];
  const out = here(`${basename(path)}-repaired`);
  for (const file of files) {
    const some = (await readManifest(file))!.tensors.filter((_, i) => i % every === 0);
    for (const { offset, bytes } of some) flipByte(file, offset + Math.floor(bytes / 2));
    damaged.push({ file: join(out, basename(file)), tensors: some.map(({ name }) => name) });
  }
  const params = { path, source, out, cacheDir, ...(imatrix === undefined ? {} : { imatrix }) };
  expect((await request('model/repair', params)).files).toEqual(damaged);
  for (const [i, file] of files.entries()) {
    expect(readFileSync(join(out, basename(file))).equals(before[i]!), file).toBe(true);
    const list = manifestPath(join(out, basename(file)));
    expect(readFileSync(list)).toEqual(readFileSync(manifestPath(file)));
  }
}

describe('damaged tensors are made again, byte for byte', () => {
  it('of a file type', async () => {
    await exported('type.gguf', { type: 'Q4_K_M' });
    await expectRepaired(here('type.gguf'), [here('type.gguf')]);
  });

  it('of an export with options, in parts', async () => {
    await exported('parts.gguf', {
      ...{ type: 'IQ4_XS', pruneLayers: [1], outputType: 'Q8_0' },
      ...{ tensorTypes: [{ pattern: 'ffn_up', type: 'Q5_K' }], split: { kind: 'tensors', value: 20 } },
    });
    const files = [1, 2, 3].map((part) => here(`parts-0000${part}-of-00003.gguf`));
    await expectRepaired(files[0]!, files);
  });

  it('of a plan', async () => {
    const formats = { 'output.weight': 'Q8_0', 'blk.0.ffn_up.weight': 'Q3_K', 'blk.1.attn_q.weight': 'BF16' };
    writeFileSync(here('a.ampq.json'), printPlan(await planFor(sampleFolder, formats)));
    await exported('plan.gguf', { planFile: here('a.ampq.json') });
    await expectRepaired(here('plan.gguf'), [here('plan.gguf')], { every: 1 });
  });

  it('of an importance matrix, which has to be the same', async () => {
    await calibrate({ text, out: here('imatrix.gguf'), windows: 1, context: 64 });
    await calibrate({ text, out: here('other.gguf'), windows: 2, context: 64 });
    const imatrix = here('imatrix.gguf');
    await exported('important.gguf', { type: 'IQ2_XS', imatrix });
    const file = here('important.gguf');
    const { offset } = (await readManifest(file))!.tensors[0]!;
    flipByte(file, offset);
    const params = { path: file, source: sampleFolder, out: here('none') };
    await expect(request('model/repair', params)).rejects.toThrow(
      /importance matrix imatrix\.gguf .*give it/,
    );
    await expect(request('model/repair', { ...params, imatrix: here('other.gguf') })).rejects.toThrow(
      'this is another one',
    );
    flipByte(file, offset);
    expect(existsSync(here('none'))).toBe(false);
    await expectRepaired(file, [file], { imatrix, every: 20 });
  });

  it('of optimised codes, from what is kept of the text', async () => {
    const calibration = { text, tokens: 256, context: 64 };
    await exported('codes.gguf', {
      type: 'Q4_K_S',
      codes: 'optimised',
      objective: 'one-sided',
      calibration,
      cacheDir,
      device: 'cpu',
    });
    await expectRepaired(here('codes.gguf'), [here('codes.gguf')], { every: 20 });
    const file = here('codes.gguf');
    const params = { path: file, source: sampleFolder, out: here('none'), cacheDir: here('empty') };
    await expect(request('model/repair', params)).rejects.toThrow('what was measured there is not kept');
  });

  it('of a plan with optimised codes of a type that has them without an importance matrix only', async () => {
    const tensor = 'blk.0.attn_k.weight';
    writeFileSync(here('lattice.ampq.json'), printPlan(await planFor(sampleFolder, { [tensor]: 'IQ2_XS' })));
    const calibration = { text, tokens: 256, context: 64 };
    await exported('lattice.gguf', {
      ...{ planFile: here('lattice.ampq.json'), codes: 'optimised', objective: 'one-sided' },
      ...{ calibration, cacheDir, device: 'cpu' },
    });
    const file = here('lattice.gguf');
    const before = readFileSync(file);
    flipByte(file, (await readManifest(file))!.tensors.find(({ name }) => name === tensor)!.offset);
    const params = { path: file, source: sampleFolder, out: here('lattice'), cacheDir };
    expect((await request('model/repair', params)).files.flatMap(({ tensors }) => tensors)).toEqual([tensor]);
    expect(readFileSync(here('lattice', 'lattice.gguf')).equals(before)).toBe(true);
  });

  it('of a safetensors file made of PyTorch files', async () => {
    await writeTorchSample(here('torch'), 'shards');
    await request('model/convert', { path: here('torch'), out: here('converted.safetensors') });
    await expectRepaired(here('converted.safetensors'), [here('converted.safetensors')], {
      source: here('torch'),
    });
  });

  it('of a checkpoint in F16 that was made of a GGUF file, in shards', async () => {
    const path = here('source.gguf');
    await request('export/gguf', { path: sampleFolder, out: path, type: 'Q8_0' });
    const out = here('restored');
    const { files } = await request('model/convert', { path, out, dtype: 'f16', maxShardBytes: 3_000_000 });
    expect(files.length).toBeGreaterThan(2);
    await expectRepaired(
      out,
      files.map((file) => join(out, file)),
      { source: path, every: 5 },
    );
  });

  it('of a quantized checkpoint in shards', async () => {
    const inline = presetById('bnb-nf4-dq');
    const out = here('checkpoint');
    await request('model/quantize', { path: sampleFolder, inline, out, maxShardBytes: 2_000_000 });
    const files = readdirSync(out)
      .filter((name) => name.endsWith('.safetensors'))
      .sort();
    expect(files.length).toBeGreaterThan(1);
    await expectRepaired(
      out,
      files.map((name) => join(out, name)),
    );
  });
});

describe('a repair of a checkpoint', () => {
  const out = here('calibrated');
  const file = join(out, 'model.safetensors');
  const w4a16 = presetById('w4a16');
  const inline = { ...w4a16, rules: w4a16.rules.map((rule) => ({ ...rule, method: { id: 'ecb' } })) };
  const quantize = (folder: string, tokens: number) => {
    const calibration = { text, tokens, context: 64 };
    const recipe = { ...inline, calibration };
    return request('model/quantize', { path: sampleFolder, inline: recipe, out: folder, cacheDir });
  };

  it('uses what was measured over its text, not the latest', async () => {
    await quantize(out, 256);
    await quantize(here('later'), 128);
    expect(readFileSync(file).equals(readFileSync(here('later', 'model.safetensors')))).toBe(false);
    await expectRepaired(out, [file]);
  });

  it('is rejected where that is not kept', async () => {
    const params = { path: out, source: sampleFolder, out: here('none'), cacheDir: here('empty') };
    await expect(request('model/repair', params)).rejects.toThrow(
      'which is not kept: quantize the model again',
    );
  });
});

describe('a repair', () => {
  const file = here('cut.gguf');

  it('extends a file that was cut', async () => {
    await exported('cut.gguf', { type: 'Q4_0' });
    const before = readFileSync(file);
    truncateSync(file, before.length - 150_000);
    const { files } = await request('model/repair', { path: file, source: sampleFolder, out: here('cut') });
    expect(files[0]!.tensors.length).toBeGreaterThan(1);
    expect(readFileSync(here('cut', 'cut.gguf')).equals(before)).toBe(true);
  });

  it('extends a file of which only the padding at the end was cut', async () => {
    await exported('padded.gguf', { type: 'Q4_0' });
    const padded = here('padded.gguf');
    const before = Buffer.concat([readFileSync(padded), Buffer.alloc(16)]);
    writeFileSync(padded, before);
    await listAgain(padded, 32 * 1024);
    truncateSync(padded, before.length - 5);
    const { files } = await request('model/repair', {
      ...{ path: padded, source: sampleFolder, out: here('unpadded') },
    });
    expect(files).toEqual([{ file: here('unpadded', 'padded.gguf'), tensors: [] }]);
    expect(readFileSync(here('unpadded', 'padded.gguf')).equals(before)).toBe(true);
  });

  it('compares chunks of the size that the list states', async () => {
    await exported('chunks.gguf', { type: 'Q4_0' });
    await listAgain(here('chunks.gguf'), 64 * 1024);
    await expectRepaired(here('chunks.gguf'), [here('chunks.gguf')], { every: 20 });
  });

  it('is rejected for a file that no export makes, such as a refined one', async () => {
    await exported('trained.gguf', { type: 'Q4_0' });
    const trained = here('trained.gguf');
    const manifest = (await readManifest(trained))!;
    const { source, action } = manifest.origin!;
    writeFileSync(manifestPath(trained), printManifest({ ...manifest, origin: { source, action } }));
    flipByte(trained, manifest.tensors[0]!.offset);
    const params = { path: trained, source: sampleFolder, out: here('trained') };
    await expect(request('model/repair', params)).rejects.toMatchObject({
      ...{ code: 'UNSUPPORTED', place: { file: trained } },
    });
  });

  it.each([
    [{ dtype: 5 }, '"dtype" is 5'],
    [{ dtype: 'f64' }, '"dtype" is "f64"'],
    [{ scale: 2 }, '"scale" is not a setting'],
  ])('of a conversion is rejected where its list states the settings %j', async (settings, message) => {
    const weights = join(sampleFolder, 'model.safetensors');
    const out = here('stated.safetensors');
    await request('model/convert', { path: weights, out });
    const manifest = (await readManifest(out))!;
    const { tensors, origin } = manifest;
    writeFileSync(manifestPath(out), printManifest({ ...manifest, origin: { ...origin!, settings } }));
    flipByte(out, tensors[0]!.offset);
    const params = { path: out, source: weights, out: here('never') };
    await expect(request('model/repair', params)).rejects.toMatchObject({
      ...{ code: 'MODEL_FILE', place: { file: manifestPath(out) } },
      message: expect.stringContaining(`not those of a conversion: ${message}`) as string,
    });
  });

  it('writes nothing where nothing is damaged', async () => {
    await exported('whole.gguf', { type: 'Q4_0' });
    const params = { path: here('whole.gguf'), source: sampleFolder, out: here('nothing') };
    expect((await request('model/repair', params)).files).toEqual([]);
    expect(existsSync(here('nothing'))).toBe(false);
  });

  it('is rejected for another model, a damaged header, its own folder, and files without digests', async () => {
    await exported('bad.gguf', { type: 'Q4_0' });
    const bad = here('bad.gguf');
    const { tensors } = (await readManifest(bad))!;
    flipByte(bad, tensors[3]!.offset + 9);
    const params = { path: bad, source: sampleFolder, out: here('bad') };
    await expect(request('model/repair', { ...params, source: here('whole.gguf') })).rejects.toThrow(
      'Give the model that it was made of.',
    );
    await expect(request('model/repair', { ...params, out: folder })).rejects.toThrow(
      'The output would replace an input file',
    );
    flipByte(bad, 40);
    await expect(request('model/repair', params)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    await expect(request('model/repair', { ...params, path: sampleFolder })).rejects.toThrow(
      'No digests were written',
    );
    expect(existsSync(here('bad'))).toBe(false);
  });

  it.each([
    ['a setting that does not exist', { type: 'Q4_0', kind: 'fast' }, '"kind" is not a setting'],
    ['a setting of another kind', { type: 5 }, '"type" is 5'],
    ['a list that is a text', { type: 'Q4_0', includeWeights: 'output' }, '"includeWeights" is "output"'],
    ['rules without types', { type: 'Q4_0', tensorTypes: [{ pattern: '.' }] }, '"tensorTypes" is'],
    ['a block that cannot be', { type: 'Q4_0', pruneLayers: [-1] }, '"pruneLayers" is [-1]'],
    ['a plan that is a number', { plan: 3 }, '"plan" is 3'],
    ['an importance matrix without a digest', { type: 'Q4_0', imatrix: { file: 'a' } }, '"hash" is missing'],
    [
      'an objective that does not exist',
      { type: 'Q4_0', optimised: { method: 'gptq-cd 1', objective: 'three-sided', text: 'a' } },
      '"objective" is "three-sided"',
    ],
  ])('is rejected where the list of digests has %s', async (_, settings, message) => {
    await exported('forged.gguf', { type: 'Q4_0' });
    const forged = here('forged.gguf');
    const manifest = (await readManifest(forged))!;
    const origin = { ...manifest.origin!, settings };
    writeFileSync(manifestPath(forged), printManifest({ ...manifest, origin }));
    flipByte(forged, manifest.tensors[0]!.offset);
    const params = { path: forged, source: sampleFolder, out: here('forged') };
    await expect(request('model/repair', params)).rejects.toMatchObject({
      ...{ code: 'MODEL_FILE', place: { file: manifestPath(forged) } },
      message: expect.stringContaining(message) as string,
    });
    expect(existsSync(here('forged'))).toBe(false);
  });

  it('does not put bytes in place that are not those that were written', async () => {
    await exported('changed.gguf', { type: 'Q4_0' });
    const changed = here('changed.gguf');
    // A list whose settings are those of another file, and so make other codes.
    const manifest = (await readManifest(changed))!;
    const origin = { ...manifest.origin!, settings: { type: 'Q4_0', pure: true } };
    writeFileSync(manifestPath(changed), printManifest({ ...manifest, origin }));
    const output = manifest.tensors.find(({ name }) => name === 'output.weight')!;
    expect(output.dtype).toBe('Q6_K');
    flipByte(changed, output.offset + 1);
    const params = { path: changed, source: sampleFolder, out: here('changed') };
    await expect(request('model/repair', params)).rejects.toMatchObject({
      ...{ code: 'MODEL_FILE', place: { file: changed, tensor: 'output.weight' } },
    });
    expect(existsSync(here('changed'))).toBe(false);
  });
});
