import { existsSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TensorReader } from '../../../src/analysis/tensorReader';
import { ensureFreeSpace } from '../../../src/exporter/diskSpace';
import { exportGguf, previewGguf, type ExportOptions } from '../../../src/exporter/exportGguf';
import type { ExportTarget } from '../../../src/exporter/plan';
import { openModel } from '../../../src/layouts/openModel';
import type { EngineProgress } from '../../../src/protocol/engine';
import { sampleFolder, sampleWeights, temporaryFolder } from '../../support/files';
import { planFor, statedPlan } from '../../support/plans';
import { writeSyntheticGguf } from '../../support/syntheticGguf';

const folder = temporaryFolder();
const path = (name: string): string => join(folder, name);
const tiny = { architecture: 'llama', blocks: 2, heads: 4, kvHeads: 4 };

async function exportTo(from: string, target: ExportTarget, to: string, options: ExportOptions = {}) {
  const model = await openModel(from);
  return exportGguf(model, target, to, options).finally(() => model.close());
}

async function weightsOf(file: string, tensor: string): Promise<Float32Array> {
  const model = await openModel(file);
  const slabs: number[] = [];
  for await (const { values } of new TensorReader(model, model.tensor(tensor)).values())
    slabs.push(...values);
  await model.close();
  return Float32Array.from(slabs);
}

describe('exportGguf', () => {
  it('converts the sample: names, order, types, rows of q in GGUF’s order, norms in float32', async () => {
    const out = path('f16.gguf');
    const result = await exportTo(sampleFolder, { type: 'F16' }, out);
    expect(result.tensors).toHaveLength(57);
    expect(result.tensors.slice(0, 4).map(({ name, source, from, to }) => [name, source, from, to])).toEqual([
      ['output.weight', 'lm_head.weight', 'BF16', 'F16'],
      ['output_norm.weight', 'model.norm.weight', 'BF16', 'F32'],
      ['token_embd.weight', 'model.embed_tokens.weight', 'BF16', 'F16'],
      ['blk.0.attn_k.weight', 'model.layers.0.self_attn.k_proj.weight', 'BF16', 'F16'],
    ]);
    const source = await weightsOf(sampleWeights, 'model.layers.1.self_attn.q_proj.weight');
    const target = await weightsOf(out, 'blk.1.attn_q.weight');
    const row = (values: Float32Array, index: number) => [...values.subarray(index * 256, (index + 1) * 256)];
    for (const [to, from] of [
      [0, 0],
      [1, 32],
      [2, 1],
      [63, 63],
      [64, 64],
      [65, 96],
      [255, 255],
    ] as const) {
      row(source, from).forEach((value, i) => expect(row(target, to)[i]).toBeCloseTo(value, 6));
    }
    const norm = 'model.layers.3.input_layernorm.weight';
    expect(await weightsOf(out, 'blk.3.attn_norm.weight')).toEqual(await weightsOf(sampleWeights, norm));
  });

  it('plans exactly the size that it then writes', async () => {
    const out = path('q4km.gguf');
    const model = await openModel(sampleFolder);
    const plan = await previewGguf(model, { type: 'q4_k_m' });
    await model.close();
    const result = await exportTo(sampleFolder, { type: 'Q4_K_M' }, out);
    expect(plan.fileBytes).toBe(result.fileBytes);
    expect(readFileSync(out).length).toBe(result.fileBytes);
    expect(result.bitsPerWeight).toBeCloseTo((8 * 3_148_288) / 5_246_208, 12);
    expect(result.tensors.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(3_148_288);
  });

  it('follows a plan; matrices that it does not list become F16', async () => {
    const out = path('plan.gguf');
    const plan = await planFor(sampleFolder, {
      'output.weight': 'Q8_0',
      'blk.0.ffn_down.weight': 'q6_k',
      'blk.0.ffn_up.weight': 'BF16',
    });
    const { dataBytes } = await exportTo(sampleFolder, { plan }, out);
    expect(plan.total.bytes).toBe(dataBytes);
    const model = await openModel(out);
    const dtype = (name: string): string => model.tensor(name).dtype;
    expect(dtype('output.weight')).toBe('Q8_0');
    expect(dtype('blk.0.ffn_down.weight')).toBe('Q6_K');
    expect(dtype('blk.0.ffn_up.weight')).toBe('BF16');
    expect(dtype('blk.0.ffn_gate.weight')).toBe('F16');
    expect(dtype('blk.0.ffn_norm.weight')).toBe('F32');
    expect(model.gguf?.metadata.get('general.file_type')?.scalar).toBe(1); // most weights are F16
    await model.close();
  });

  it.each<[string, string, Record<string, string>, RegExp]>([
    ['a tensor that does not exist', 'sample', { 'blk.9.ffn_up.weight': 'Q8_0' }, /does not have.*blk\.9/],
    [
      'a name of the checkpoint',
      'sample',
      { 'lm_head.weight': 'Q8_0' },
      /in the exported file it is "output/,
    ],
    ['a norm', 'sample', { 'output_norm.weight': 'Q8_0' }, /is kept in full precision.*output_norm/],
    [
      'a format that GGUF lacks',
      'sample',
      { 'output.weight': 'nf4' },
      /"nf4" does not exist in GGUF.*output/,
    ],
    [
      'a format that there is not',
      'sample',
      { 'output.weight': 'Q9_K' },
      /"Q9_K" does not exist. Did you mean/,
    ],
    ['rows that are not whole blocks', 'odd', { 'odd.weight': 'Q4_K' }, /row length \(100\)/],
  ])('rejects a plan with %s', async (_, name, formats, message) => {
    const source = path('odd.gguf');
    await writeSyntheticGguf(source, { ...tiny, extra: { 'odd.weight': [2, 100] } });
    const from = name === 'odd' ? source : sampleFolder;
    const model = await openModel(from);
    const plan = statedPlan(model, formats);
    await model.close();
    await expect(exportTo(from, { plan }, path('refused.gguf'))).rejects.toThrow(message);
    expect(existsSync(path('refused.gguf'))).toBe(false);
  });

  it('rejects a plan that was made for another model', async () => {
    const plan = await planFor(path('odd.gguf'), { 'odd.weight': 'F16' });
    await expect(exportTo(sampleFolder, { plan }, path('refused.gguf'))).rejects.toThrow(
      /made for another model: "any" with the hash [0-9a-f]{12}…; this one has [0-9a-f]{12}…/,
    );
  });

  it('copies tensors that already have the wanted type, and does not requantize others', async () => {
    const again = path('q4km-again.gguf');
    await exportTo(path('q4km.gguf'), { type: 'Q4_K_M' }, again);
    expect(readFileSync(again).equals(readFileSync(path('q4km.gguf')))).toBe(true);
    await expect(exportTo(path('q4km.gguf'), { type: 'Q8_0' }, path('refused.gguf'))).rejects.toThrow(
      /already quantized to Q6_K.*output\.weight/,
    );
  });

  it('keeps key-values in order, byte for byte, drops those of splits and writes its own last', async () => {
    const source = path('keys.gguf');
    const damagedText = Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe]); // length, then bytes that are not UTF-8
    await writeSyntheticGguf(source, {
      ...tiny,
      keyValues: [
        { key: 'general.file_type', type: 'u32', value: 0 },
        { key: 'split.count', type: 'u16', value: 1 },
        { key: 'general.name', type: 'string', raw: damagedText },
        { key: 'tokenizer.ggml.tokens', type: 'array', elementType: 'string', values: ['a', 'Ġb'] },
      ],
    });
    await exportTo(source, { type: 'Q8_0' }, path('keys-q8.gguf'));
    const model = await openModel(path('keys-q8.gguf'));
    const keys = [...model.gguf!.metadata.keys()];
    expect(keys.slice(0, 3)).toEqual(['general.name', 'tokenizer.ggml.tokens', 'general.architecture']);
    expect(keys.slice(-2)).toEqual(['general.quantization_version', 'general.file_type']);
    expect(model.gguf!.metadata.get('general.file_type')?.scalar).toBe(7);
    expect(model.gguf!.metadata.get('tokenizer.ggml.tokens')?.array?.first).toEqual(['a', 'Ġb']);
    const { offset, byteLength } = model.gguf!.metadata.get('general.name')!;
    const copied = await model.source(path('keys-q8.gguf')).read(offset, byteLength);
    expect(damagedText.equals(copied)).toBe(true);
    await model.close();
  });

  it('reports bytes done, rising to the total', async () => {
    const reports: EngineProgress[] = [];
    await exportTo(sampleFolder, { type: 'Q6_K' }, path('q6.gguf'), {
      onProgress: (report) => reports.push(report),
    });
    const done = reports.map((report) => report.done);
    expect(done).toEqual([...done].sort((a, b) => a - b));
    expect(reports[0]).toMatchObject({ message: 'tensor 1 of 57: output.weight → Q6_K', done: 0 });
    expect(reports[reports.length - 1]).toMatchObject({ secondsLeft: 0 });
    expect(done[done.length - 1]).toBe(reports[0]?.total);
  });

  it('leaves the old file and nothing else when cancelled in the middle', async () => {
    const target = path('cancelled.gguf');
    writeFileSync(target, 'the old file');
    const before = readdirSync(folder);
    const stop = new AbortController();
    const cancelled = exportTo(sampleFolder, { type: 'Q4_K_M' }, target, {
      signal: stop.signal,
      onProgress: ({ done }) => {
        expect(readdirSync(folder).length).toBe(before.length + 1); // the temporary file
        if (done > 0) stop.abort();
      },
    });
    await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(readFileSync(target, 'utf8')).toBe('the old file');
    expect(readdirSync(folder)).toEqual(before);
  });

  it('does not overwrite the model that it reads, under any name', async () => {
    const source = path('source.gguf');
    await writeSyntheticGguf(source, tiny);
    symlinkSync(source, path('link.gguf'));
    const bytes = readFileSync(source);
    for (const target of [source, path('link.gguf')])
      await expect(exportTo(source, { type: 'Q8_0' }, target)).rejects.toThrow(/would replace an input file/);
    expect(readFileSync(source).equals(bytes)).toBe(true);
  });

  it.each([
    ['NaN', NaN, 'Q8_0', /Weight 300 is NaN.*blk\.1\.attn_v\.weight/],
    ['infinity', -Infinity, 'F16', /Weight 300 is infinite.*blk\.1\.attn_v\.weight/],
    ['a weight beyond half precision', 1e6, 'F16', /weights from 300 on are too large for F16.*attn_v/],
    ['a scale beyond half precision', 1e9, 'Q8_0', /weights from 288 on are too large for Q8_0.*attn_v/],
  ])('names the weight that is %s', async (_, value, type, message) => {
    const source = path('bad.gguf');
    await writeSyntheticGguf(source, tiny);
    const model = await openModel(source);
    const { offset } = model.tensor('blk.1.attn_v.weight');
    await model.close();
    const bytes = readFileSync(source);
    bytes.writeFloatLE(value, offset + 4 * 300);
    writeFileSync(source, bytes);
    await expect(exportTo(source, { type }, path('bad-out.gguf'))).rejects.toThrow(message);
    expect(existsSync(path('bad-out.gguf'))).toBe(false);
  });

  it('lists the file types in an error', async () => {
    await expect(exportTo(sampleFolder, { type: 'Q9_X' }, path('x.gguf'))).rejects.toThrow(
      /"Q9_X".*The file types are: Q1_0, .*Q4_K_M, .*Q8_0, F16, BF16, F32/,
    );
  });

  it('requires config.json', async () => {
    writeFileSync(path('model.safetensors'), readFileSync(sampleWeights));
    await expect(exportTo(path('model.safetensors'), { type: 'F16' }, path('x.gguf'))).rejects.toThrow(
      /config\.json/,
    );
  });
});

describe('ensureFreeSpace', () => {
  it('says how much is needed and how much is free', async () => {
    await ensureFreeSpace(path('new/folder/file'), 1);
    await expect(ensureFreeSpace(path('new/folder/file'), 1e18)).rejects.toThrow(
      /needs 1000000\.00 TB, but only [\d.]+ [MGT]B are free/,
    );
  });
});
