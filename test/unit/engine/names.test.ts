import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { printPlan } from '../../../src/ampq/planFile';
import { nameSyntaxes, type NameQuery, type NameSyntax } from '../../../src/protocol/names';
import { engineJobs } from '../../support/engineJobs';
import {
  safetensorsBytes,
  sampleFolder,
  sampleWeights,
  temporaryFolder,
  writeFile,
} from '../../support/files';
import { planFor } from '../../support/plans';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const cacheDir = temporaryFolder();
const { request } = engineJobs(cacheDir);
const weights = (name: string): Buffer =>
  safetensorsBytes({ [name]: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } }, 8);
const lookUp = (text: string, syntax: NameSyntax = 'name', ...paths: string[]) =>
  request('names/lookup', { paths: paths.length > 0 ? paths : [sampleWeights], query: { text, syntax } });

/** Names of the exported file that a text means in the sample. */
const rowsOf = async (text: string, syntax?: NameSyntax) => (await lookUp(text, syntax))[0]?.rows ?? [];
const inLayers = (name: string): string[] => Array.from({ length: 6 }, (_, i) => `blk.${i}.${name}.weight`);

describe('a name', () => {
  it('is that of a tensor in either scheme, with or without ".weight"', async () => {
    const [match, ...others] = await lookUp('model.layers.3.mlp.down_proj.weight');
    expect(others).toEqual([]);
    expect(match).toEqual({
      model: { path: sampleWeights, name: 'tiny-shakespeare-llama' },
      tensor: {
        ...{ name: 'model.layers.3.mlp.down_proj.weight', dtype: 'BF16', shape: [256, 768] },
        ...{ elements: 196608, byteLength: 393216, role: 'ffn_down', layer: 3 },
        alias: 'blk.3.ffn_down.weight',
      },
      ...{ tensors: 1, elements: 196608, byteLength: 393216, layers: 1 },
      rows: ['blk.3.ffn_down.weight'],
    });
    for (const other of ['model.layers.3.mlp.down_proj', 'blk.3.ffn_down', 'blk.3.ffn_down.weight'])
      expect(await lookUp(other)).toEqual([match]);
  });

  it('is that of a module, of whose tensors the bytes are summed', async () => {
    const [match] = await lookUp('model.layers.3.mlp');
    expect(match).toMatchObject({ tensors: 3, elements: 3 * 196608, byteLength: 3 * 393216, layers: 1 });
    expect(match!.tensor).toBeUndefined();
    expect((await lookUp('blk.3'))[0]).toMatchObject({ tensors: 9, layers: 1 });
    expect((await lookUp('model.layers'))[0]).toMatchObject({ tensors: 54, layers: 6 });
  });

  it('of part of a module or of nothing means nothing', async () => {
    for (const text of ['model.layers.3.ml', 'layers.3.mlp', 'model.layers.30', 'numpy.linalg'])
      expect(await lookUp(text), text).toEqual([]);
  });

  it('of a checkpoint is known in its GGUF file', async () => {
    const out = join(temporaryFolder(), 'sample.gguf');
    await request('export/gguf', { path: sampleWeights, type: 'Q4_K_M', out });
    const [down] = await lookUp('model.layers.3.mlp.down_proj', 'name', out);
    expect(down!.tensor).toMatchObject({ name: 'blk.3.ffn_down.weight', dtype: 'Q4_K', role: 'ffn_down' });
    expect(down!.tensor!.alias).toBe('model.layers.3.mlp.down_proj.weight');
    expect((await lookUp('model.layers.3.mlp', 'name', out))[0]!.tensors).toBe(3);
    const kept = await request('tensor/suggestion', {
      ...{ path: out, cacheDir, tensor: 'blk.3.ffn_down.weight', estimated: true },
    });
    // What is quantized already is never suggested to grow.
    expect(kept.row!.cells.at(-1)).toMatchObject({ format: 'Q4_K', relativeSquaredError: 0 });
    expect(Math.max(...kept.row!.cells.map(({ bytes }) => bytes))).toBe(down!.byteLength);
  });

  it('of an expert leads to the tensor that the experts become', async () => {
    const path = temporaryFolder();
    await writeCheckpoint(path, 'mixtral');
    const [expert] = await lookUp('model.layers.0.block_sparse_moe.experts.1.w2', 'name', path);
    expect(expert).toMatchObject({ tensors: 1, rows: ['blk.0.ffn_down_exps.weight'] });
    const [merged] = await lookUp('blk.0.ffn_down_exps', 'name', path);
    expect(merged!.tensors).toBeGreaterThan(1);
    expect(merged!.rows).toEqual(['blk.0.ffn_down_exps.weight']);
  });

  it('is found in every model that has it, in their order, and again when files have changed', async () => {
    const folder = join(temporaryFolder(), 'two');
    mkdirSync(folder);
    const path = writeFile(folder, 'model.safetensors', weights('lm_head.weight'));
    const found = await lookUp('lm_head', 'name', path, join(folder, 'missing.gguf'), sampleWeights);
    expect(found.map(({ model }) => model.path)).toEqual([path, sampleWeights]);
    rmSync(path);
    cpSync(writeFile(temporaryFolder(), 'x.safetensors', weights('changed-name')), path);
    await expect.poll(async () => (await lookUp('changed-name', 'name', path)).length).toBe(1);
    expect(await lookUp('lm_head', 'name', path)).toEqual([]);
  });

  it('is not looked up once the request is cancelled, nor by another syntax than there is', async () => {
    const query: NameQuery = { text: 'x', syntax: 'name' };
    const call = request('names/lookup', { paths: [sampleWeights], query }, { signal: AbortSignal.abort() });
    await expect(call).rejects.toMatchObject({ code: 'CANCELLED' });
    const wrong = { text: 'x', syntax: 'glob' } as unknown as NameQuery;
    await expect(request('names/lookup', { paths: [], query: wrong })).rejects.toThrow(/wildcard/);
  });
});

describe('a pattern', () => {
  it.each<[NameSyntax, string, string[]]>([
    ['module', 'v_proj', inLayers('attn_v')],
    ['module', 'mlp.down_proj', inLayers('ffn_down')],
    ['module', 'lm_head', ['output.weight']],
    ['module', 'proj', []],
    ['search', 'layers\\.[0-9]+\\.mlp\\.up', inLayers('ffn_up')],
    ['search', 'blk\\.\\d\\.ffn_up', inLayers('ffn_up')],
    ['start', '.*\\.q_proj$', inLayers('attn_q')],
    ['start', 'q_proj', []],
    ['start', '(?i).*Q_PROJ', inLayers('attn_q')],
    ['start', '.*(?P<what>k_proj)\\Z', inLayers('attn_k')],
    ['whole', '.*\\.(gate|nothing)_proj', inLayers('ffn_gate')],
    ['whole', 'model\\.layers', []],
    ['contains', 'o_proj', inLayers('attn_output')],
    ['contains', '.*', []],
    ['wildcard', 'model.layers.*.mlp.gate_pr?j', inLayers('ffn_gate')],
    ['wildcard', '*.[!ox]_norm', []],
    ['exported', 'attn_v', inLayers('attn_v')],
    ['exported', 'v_proj', []],
    ['tensor-type', 'BLK\\.[[:digit:]]\\.ATTN_V', inLayers('attn_v')],
    ['search', '(unclosed', []],
    ['search', '', []],
  ])('by %s: %s', async (syntax, text, expected) => {
    expect([...(await rowsOf(text, syntax))].sort()).toEqual([...expected].sort());
  });

  it('that backtracks without end means nothing', async () => {
    expect(await rowsOf('^(\\w+\\.?)+\\w+!$', 'search')).toEqual([]);
  });
});

describe('what is known of names', () => {
  it('is an estimate where nothing was measured, by the same solver', async () => {
    const params = { path: sampleWeights, cacheDir };
    const lens = { ...params, estimated: true };
    const head = await request('tensor/suggestion', { ...lens, tensor: 'lm_head.weight' });
    expect(head).toMatchObject({ isEstimate: true, assignment: { format: 'Q6_K' } });
    expect([head.evidence, head.plannedBy]).toEqual([undefined, undefined]);
    const all = await request('group/suggestion', { ...params, rows: await rowsOf('model.layers') });
    expect(all).toMatchObject({ isEstimate: true, tensors: 42 });
    expect(all!.formats.reduce((sum, { tensors }) => sum + tensors, 0)).toBe(42);
    expect(all!.bytes).toBeLessThan(all!.lossless / 3);
    const norm = await request('group/suggestion', { ...params, rows: ['output_norm.weight'] });
    expect(norm).toBeUndefined();
  });

  it('are measurements and plans of the files as soon as they are there', async () => {
    const folder = temporaryFolder();
    cpSync(sampleFolder, folder, { recursive: true });
    const path = join(folder, 'model.safetensors');
    const params = { path, cacheDir: temporaryFolder() };
    const tensor = 'lm_head.weight';
    const ask = () => request('tensor/suggestion', { ...params, tensor, estimated: true });
    const before = await request('model/sizes', params);
    expect(before).toMatchObject({
      bytes: 10_492_416,
      parameters: 5_246_208,
      dtype: 'BF16',
      missingFiles: 0,
    });
    expect(before.planned!.bitsPerWeight).toBeCloseTo(4.85, 1);
    expect((await ask()).isEstimate).toBe(true);
    await request('sensitivity/run', {
      ...params,
      device: 'cpu',
      formats: ['Q4_K', 'Q8_0'],
      weightsOnly: true,
    });
    const measured = await ask();
    expect(measured.isEstimate).toBeUndefined();
    expect(measured.evidence).toContain('weights alone');
    expect(measured.row!.cells.map(({ format }) => format)).toEqual(['Q4_K', 'Q8_0']);
    const plan = await planFor(path, { 'output.weight': 'F16' });
    writeFile(folder, 'mine.ampq.json', printPlan(plan));
    expect((await ask()).assignment!.format).toBe('F16');
    expect((await request('model/sizes', params)).planned).toEqual({
      ...{ bytes: plan.total.bytes, bitsPerWeight: plan.total.bitsPerWeight, file: 'mine.ampq.json' },
    });
    rmSync(join(folder, 'mine.ampq.json'));
    expect((await ask()).assignment!.format).not.toBe('F16');
  });

  it('is said of a model without a plan and of one without files of weights', async () => {
    const path = writeFile(temporaryFolder(), 'model.safetensors', weights('a'));
    const sizes = await request('model/sizes', { path, cacheDir });
    expect(sizes).toMatchObject({ bytes: 8, dtype: 'F32' });
    expect(sizes.planned).toBeUndefined();
  });
});

it.each([
  ['a long row of brackets', '['.repeat(10_000)],
  ['a longer row', '[!'.repeat(100_000)],
  ['a longer text', 'a'.repeat(100_000)],
  ['one that never ends', '^(([a-z0-9._])+)+!$'],
])('no pattern is %s, and it means nothing in any syntax', async (_, text) => {
  for (const syntax of nameSyntaxes) expect(await lookUp(text, syntax), syntax).toEqual([]);
});
