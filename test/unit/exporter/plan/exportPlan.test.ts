import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { exportGguf } from '../../../../src/exporter/exportGguf';
import { planExport, planWeights, type ExportPlan, type WeightTarget } from '../../../../src/exporter/plan';
import type { PlannedTensor } from '../../../../src/exporter/plan/tensor';
import { openModel } from '../../../../src/layouts/openModel';
import type { Plan } from '../../../../src/protocol/plan';
import { formatById } from '../../../../src/quant/catalogue';
import { temporaryFolder, writeFile } from '../../../support/files';
import { GgufBytes } from '../../../support/ggufBytes';
import { statedPlan } from '../../../support/plans';
import { writeSyntheticGguf, type SyntheticModel } from '../../../support/syntheticGguf';
import { writeCheckpoint } from '../../../support/writeCheckpoint';

const folder = temporaryFolder();
const path = (name: string): string => join(folder, name);
const parts = ['attn_q', 'attn_v', 'ffn_down'];
/** 2 · 4 rows outside blocks and 3 · 2 in each of 3 blocks, of 256 weights each, and a norm; all float32. */
const small: SyntheticModel = { architecture: 'llama', blocks: 3, heads: 4, kvHeads: 4, parts };
const matrixWeights = (8 + 18) * 256;
const parameters = matrixWeights + 256;
const normBytes = 4 * 256;

type Planning = (...parameters: Parameters<typeof planWeights>) => Promise<ExportPlan>;

async function plan(file: string, target: WeightTarget, by: Planning = planWeights): Promise<ExportPlan> {
  const model = await openModel(path(file));
  return by(model, target).finally(() => model.close());
}

async function planOf(file: string, formats: Readonly<Record<string, string>>): Promise<Plan> {
  const model = await openModel(path(file));
  await model.close();
  return statedPlan(model, formats);
}

const named = ({ tensors }: ExportPlan, name: string): PlannedTensor =>
  tensors.find((tensor) => tensor.name === name)!;
const typesOf = ({ tensors }: ExportPlan, ...names: string[]): (string | undefined)[] =>
  names.map((name) => tensors.find((tensor) => tensor.name === name)?.to);
/** A tensor without what it is made of. */
const shown = (tensor: PlannedTensor): object =>
  Object.fromEntries(Object.entries(tensor).filter(([key]) => !['converted', 'values'].includes(key)));
const imatrixOf = (entries: Readonly<Record<string, number>>) => ({
  ...{ path: '/some/where/sample.imatrix', datasets: ['text.txt'], chunks: 3 },
  entries: new Map(
    Object.entries(entries).map(([name, count]) => [name, new Float32Array(count).fill(count)]),
  ),
});
const request = (message: string, place = {}) => ({ code: 'REQUEST', message, place });

beforeAll(async () => {
  await writeSyntheticGguf(path('small.gguf'), small);
  await writeSyntheticGguf(path('odd.gguf'), { ...small, extra: { 'odd.weight': [2, 100] } });
  await writeSyntheticGguf(path('stated.gguf'), {
    ...small,
    keyValues: [{ key: 'general.file_type', type: 'u32', value: 7 }],
  });
  await writeSyntheticGguf(path('experts.gguf'), { ...small, blocks: 1, experts: 2 });
  await writeCheckpoint(path('llama'), 'llama 3 with its rope scaling');
  await writeCheckpoint(path('gemma'), 'gemma');
  await writeCheckpoint(path('mixtral'), 'mixtral');
  const model = await openModel(path('small.gguf'));
  await exportGguf(model, { type: 'Q8_0' }, path('q8.gguf'));
  await exportGguf(model, { type: 'F32', split: { kind: 'tensors', value: 5 } }, path('parts.gguf'));
  await model.close();
});

/** Values of four blocks; neither their headers nor their data are in the order of names. */
function unsorted(name: string): string {
  const header = new GgufBytes().start(3, 4, 1).string('general.architecture').u32(8).string('llama');
  const places = { 3: 2, 0: 1, 1: 3, 2: 0 };
  for (const [block, place] of Object.entries(places).reverse())
    header.tensor(`blk.${block}.attn_v.weight`, [256, 2], 0, 2048 * place);
  writeFile(folder, name, header.data(4 * 2048));
  return name;
}

describe('an export plan', () => {
  it('has every tensor of the file in its order, and the sums', async () => {
    const planned = await plan('small.gguf', { type: 'q8_0' });
    const { tensors, ...summary } = planned;
    expect(tensors.map(({ name, to }) => `${name} ${to}`)).toEqual([
      ...['output.weight Q8_0', 'output_norm.weight F32', 'token_embd.weight Q8_0'],
      ...[0, 1, 2].flatMap((block) => parts.map((part) => `blk.${block}.${part}.weight Q8_0`)),
    ]);
    const dataBytes = (matrixWeights * 34) / 32 + normBytes;
    expect(summary).toEqual({
      ...{ architecture: 'llama', keyValues: [], overrides: [], warnings: [] },
      fileType: expect.objectContaining({ name: 'Q8_0', id: 7 }) as unknown,
      ...{ dataBytes, parameters, presetBytes: dataBytes, bitsPerWeight: (8 * dataBytes) / parameters },
    });
    expect(shown(named(planned, 'blk.1.attn_v.weight'))).toEqual({
      ...{ name: 'blk.1.attn_v.weight', source: 'blk.1.attn_v.weight', sources: 1, shape: [2, 256] },
      ...{ from: 'F32', to: 'Q8_0', bytes: 2 * 8 * 34, cause: 'default', reason: 'default of Q8_0' },
    });
    expect(shown(named(planned, 'output_norm.weight'))).toEqual({
      ...{ name: 'output_norm.weight', source: 'output_norm.weight', sources: 1, shape: [256] },
      ...{ from: 'F32', to: 'F32', bytes: normBytes, cause: 'kept', reason: 'copied unchanged' },
    });
  });

  it('notes the type in the preset where an option changes it, and the size of the preset', async () => {
    const rules = [{ pattern: 'attn_v', type: 'f16' }];
    const planned = await plan('small.gguf', { type: 'Q8_0', tensorTypes: rules });
    expect(shown(named(planned, 'blk.1.attn_v.weight'))).toMatchObject({
      ...{ to: 'F16', presetType: 'Q8_0', cause: 'rule', bytes: 1024 },
    });
    expect(planned.tensors.filter((tensor) => 'presetType' in tensor)).toHaveLength(3);
    const presetBytes = (matrixWeights * 34) / 32 + normBytes;
    expect(planned.presetBytes).toBe(presetBytes);
    expect(planned.dataBytes).toBe(presetBytes + 3 * (1024 - 544));
  });

  it('takes options for output and embedding', async () => {
    const options = { outputType: 'f16', tokenEmbeddingType: 'q5_0' };
    const outer = ['output.weight', 'token_embd.weight', 'blk.0.attn_q.weight'];
    expect(typesOf(await plan('small.gguf', { type: 'Q8_0', ...options }), ...outer)).toEqual([
      ...['F16', 'Q5_0', 'Q8_0'],
    ]);
    const left = await plan('small.gguf', { type: 'Q8_0', leaveOutput: true });
    expect(typesOf(left, ...outer)).toEqual(['F32', 'Q8_0', 'Q8_0']);
    expect(named(left, 'output.weight').reason).toBe('copied unchanged');
    const assigned = await planOf('small.gguf', { 'output.weight': 'Q4_0', 'blk.0.attn_q.weight': 'Q6_K' });
    expect(typesOf(await plan('small.gguf', { plan: assigned, ...options }), ...outer)).toEqual([
      ...['F16', 'Q5_0', 'Q6_K'],
    ]);
    expect(typesOf(await plan('small.gguf', { plan: assigned, leaveOutput: true }), ...outer)).toEqual([
      ...['F32', 'F16', 'Q6_K'],
    ]);
    await expect(plan('small.gguf', { type: 'Q8_0', outputType: 'Q9' })).rejects.toThrow(
      /^"Q9" is not a valid tensor type\./,
    );
  });

  it('is a copy on request, with the file type of the source', async () => {
    const copy = await plan('small.gguf', { type: 'copy' });
    expect(new Set(copy.tensors.map(({ to, cause, reason }) => `${to} ${cause}: ${reason}`))).toEqual(
      new Set(['F32 kept: copied unchanged']),
    );
    expect(copy).toMatchObject({ dataBytes: 4 * parameters, presetBytes: 4 * parameters });
    expect(copy.tensors.filter((tensor) => 'presetType' in tensor)).toEqual([]);
    expect(copy.fileType).toMatchObject({ name: 'COPY', id: 0, base: 'F32' });
    expect((await plan('stated.gguf', { type: 'COPY' })).fileType).toMatchObject({ name: 'COPY', id: 7 });
    expect((await plan('stated.gguf', { type: 'F16' })).fileType).toMatchObject({ name: 'F16', id: 1 });
  });

  it('is in one format wherever it fits a matrix of the blocks, also one that GGUF lacks', async () => {
    const names = ['output.weight', 'blk.0.attn_q.weight', 'blk.2.ffn_down.weight'];
    for (const file of ['small.gguf', 'llama']) {
      const kept = file === 'llama' ? 'BF16' : 'F32';
      const planned = await plan(file, { format: formatById('nf4') });
      expect(typesOf(planned, ...names.slice(0, 2))).toEqual([kept, 'nf4']);
      expect(named(planned, 'output.weight').reason).toBe('copied unchanged');
    }
    const planned = await plan('small.gguf', { format: formatById('Q4_0') });
    expect(typesOf(planned, ...names)).toEqual(['F32', 'Q4_0', 'Q4_0']);
    expect(planned.fileType.name).toBe('Q4_0');
  });

  it('keeps norms of a checkpoint in float32, and what is added to them', async () => {
    const copy = await plan('gemma', { type: 'COPY' });
    expect(named(copy, 'output_norm.weight')).toMatchObject({
      ...{ from: 'BF16', to: 'F32', cause: 'kept', reason: 'kept in full precision' },
    });
    expect(named(copy, 'token_embd.weight')).toMatchObject({ to: 'BF16', reason: 'copied unchanged' });
    expect(named(await plan('llama', { type: 'COPY' }), 'output_norm.weight').to).toBe('F32'); // llama.cpp computes with no other norms
    expect(named(await plan('llama', { type: 'F16' }), 'output_norm.weight')).toMatchObject({
      ...{ to: 'F32', reason: 'kept in full precision' },
    });
    const left = await plan('llama', { type: 'Q8_0', leaveOutput: true });
    expect(typesOf(left, 'output.weight', 'token_embd.weight', 'output_norm.weight')).toEqual([
      ...['BF16', 'Q8_0', 'F32'],
    ]);
  });

  it('has computed tensors among the others, and how many tensors were merged', async () => {
    const planned = await plan('llama', { type: 'F16' });
    const rope = named(planned, 'rope_freqs.weight');
    expect(planned.tensors.indexOf(rope)).toBe(2);
    expect(shown(rope)).toEqual({
      ...{ name: 'rope_freqs.weight', source: 'config.json', sources: 0, from: 'F32', to: 'F32' },
      ...{ shape: [rope.values!.length], bytes: 4 * rope.values!.length, cause: 'computed' },
      reason: rope.reason,
    });
    const merged = named(await plan('mixtral', { type: 'F16' }), 'blk.0.ffn_down_exps.weight');
    expect(merged).toMatchObject({ sources: 4, from: 'BF16', to: 'F16' });
    expect(merged.source).toBe('model.layers.0.block_sparse_moe.experts.0.w2.weight');
  });
});

describe('a plan for each tensor', () => {
  it('gives matrices that it does not list F16, and names the file type of most weights', async () => {
    const down = Object.fromEntries([0, 1, 2].map((block) => [`blk.${block}.ffn_down.weight`, 'q4_0']));
    const few = await plan('small.gguf', { plan: await planOf('small.gguf', down) });
    expect(typesOf(few, 'blk.0.attn_q.weight', 'blk.0.ffn_down.weight')).toEqual(['F16', 'Q4_0']);
    expect(few.fileType.name).toBe('F16');
    expect(named(few, 'blk.0.attn_q.weight')).toMatchObject({ cause: 'plan', reason: 'not in the plan' });
    expect(named(few, 'blk.0.ffn_down.weight')).toMatchObject({ cause: 'plan', reason: 'plan' });
    // Of 26 rows 14 are Q4_0: fewer tensors, more weights.
    const most = { ...down, 'output.weight': 'Q4_0', 'token_embd.weight': 'Q4_0' };
    const many = await plan('small.gguf', { plan: await planOf('small.gguf', most) });
    expect(many.fileType.name).toBe('Q4_0');
    expect(many.tensors.filter(({ to }) => to === 'Q4_0')).toHaveLength(5);
  });

  it('gives way to rules, and leaves quantized tensors unchanged', async () => {
    const rules = [{ pattern: 'attn_v', type: 'Q8_0' }];
    const assigned = await planOf('small.gguf', { 'blk.0.attn_v.weight': 'Q4_0' });
    const ruled = await plan('small.gguf', { plan: assigned, tensorTypes: rules });
    expect(named(ruled, 'blk.0.attn_v.weight')).toMatchObject({ to: 'Q8_0', reason: 'rule attn_v' });
    const listed = await planOf('q8.gguf', { 'output_norm.weight': 'F32' });
    const again = await plan('q8.gguf', { plan: { ...listed, assignments: [] } });
    expect(named(again, 'blk.0.attn_v.weight')).toMatchObject({ to: 'Q8_0', cause: 'kept' });
  });

  it('names formats that GGUF lacks, unless weights are only evaluated', async () => {
    const foreign = { plan: await planOf('small.gguf', { 'blk.1.attn_q.weight': 'nf4' }) };
    expect(typesOf(await plan('small.gguf', foreign), 'blk.1.attn_q.weight')).toEqual(['nf4']);
    await expect(plan('small.gguf', foreign, planExport)).rejects.toMatchObject({
      code: 'REQUEST',
      message: expect.stringMatching(
        /^The plan's format "nf4" does not exist in GGUF\..* The types are: Q1_0, IQ1_S, .*, F16, BF16, F32\. /,
      ) as string,
      place: { tensor: 'blk.1.attn_q.weight' },
    });
    const known = { plan: await planOf('small.gguf', { 'blk.1.attn_q.weight': 'NVFP4' }) };
    expect(typesOf(await plan('small.gguf', known, planExport), 'blk.1.attn_q.weight')).toEqual(['NVFP4']);
  });
});

describe('a plan that does not fit', () => {
  it.each([
    ['names a norm', { 'output_norm.weight': 'F32' }, 'The plan names a tensor that the model does not have'],
    [
      'names no tensor',
      { 'blk.9.attn_q.weight': 'F16' },
      'The plan names a tensor that the model does not have',
    ],
    ['has an unknown format', { 'blk.0.attn_q.weight': 'Q9_9' }, 'The plan\'s format "Q9_9" does not exist.'],
    [
      'has blocks that rows are not',
      { 'odd.weight': 'Q8_0' },
      'The plan specifies Q8_0, but the row length (100)',
    ],
  ])('%s', async (_, formats, message) => {
    const [tensor] = Object.keys(formats);
    await expect(plan('odd.gguf', { plan: await planOf('odd.gguf', formats) })).rejects.toMatchObject({
      code: 'REQUEST',
      message: expect.stringContaining(message) as string,
      place: { file: path('odd.gguf'), tensor },
    });
  });

  it('is of another model', async () => {
    const other = await planOf('small.gguf', { 'output.weight': 'F16' });
    await expect(plan('odd.gguf', { plan: other })).rejects.toMatchObject({
      code: 'REQUEST',
      message: expect.stringMatching(/^The plan was made for another model: "any" with the hash /) as string,
    });
  });
});

describe('blocks that are left out', () => {
  const pruneLayers = [1];

  it('make later ones move up, and the file say how many are left', async () => {
    const pruned = await plan('small.gguf', { type: 'F16', pruneLayers });
    expect(pruned.tensors.map(({ name, source }) => [name, source]).slice(3)).toEqual(
      [0, 2].flatMap((block, at) =>
        parts.map((part) => [`blk.${at}.${part}.weight`, `blk.${block}.${part}.weight`]),
      ),
    );
    expect(pruned.overrides).toEqual([{ key: 'llama.block_count', type: 'u32', value: 2 }]);
  });

  it('are counted whatever the number of their digits', async () => {
    await writeSyntheticGguf(path('deep.gguf'), { ...small, blocks: 13, parts: ['attn_q'] });
    const pruned = await plan('deep.gguf', { type: 'F16', pruneLayers: [0, 5] });
    expect(pruned.overrides).toEqual([{ key: 'llama.block_count', type: 'u32', value: 11 }]);
  });

  it('leave plans and importance under the names of the model', async () => {
    const assigned = await planOf('small.gguf', {
      'blk.1.attn_q.weight': 'Q8_0',
      'blk.2.attn_q.weight': 'Q4_0',
    });
    const pruned = await plan('small.gguf', { plan: assigned, pruneLayers });
    expect(typesOf(pruned, 'blk.0.attn_q.weight', 'blk.1.attn_q.weight')).toEqual(['F16', 'Q4_0']);
    const imatrix = imatrixOf({ 'blk.2.attn_q.weight': 256 });
    const weighed = await plan('small.gguf', { type: 'Q4_0', imatrix, pruneLayers });
    expect(named(weighed, 'blk.1.attn_q.weight').importance).toBe(imatrix.entries.get('blk.2.attn_q.weight'));
    expect(named(weighed, 'blk.0.attn_q.weight')).not.toHaveProperty('importance');
  });
});

describe('the parts of a split model', () => {
  it('keep their tensors, in the order of the files', async () => {
    const first = 'parts-00001-of-00003.gguf';
    const model = await openModel(path(first));
    await model.close();
    const order = model.description.tensors.map(({ name }) => name);
    const kept = await plan(first, { type: 'F16', split: { kind: 'keep' } });
    expect(kept.tensors.map(({ name }) => name)).toEqual(order);
    // Written by name outside blocks first: the synthetic file has another order.
    const single = await plan('small.gguf', { type: 'F16', split: { kind: 'keep' } });
    expect(single.tensors.map(({ name }) => name).slice(0, 3)).toEqual([
      ...['token_embd.weight', 'output_norm.weight', 'output.weight'],
    ]);
  });

  it('keep the order of data, which need not be that of headers; types follow names all the same', async () => {
    const shuffled = unsorted('shuffled.gguf');
    const types = ['Q5_K', 'Q5_K', 'Q4_K', 'Q4_K'];
    const name = (block: number): string => `blk.${block}.attn_v.weight`;
    const kept = await plan(shuffled, { type: 'Q3_K_M', split: { kind: 'keep' } });
    expect(kept.tensors.map((tensor) => tensor.name)).toEqual([2, 0, 3, 1].map(name));
    const sorted = await plan(shuffled, { type: 'Q3_K_M' });
    expect(sorted.tensors.map((tensor) => [tensor.name, tensor.to])).toEqual(
      types.map((type, block) => [name(block), type]),
    );
  });

  it('cannot be kept where there are none', async () => {
    await expect(plan('llama', { type: 'F16', split: { kind: 'keep' } })).rejects.toMatchObject({
      code: 'REQUEST',
      message: expect.stringMatching(/^Only the parts of a split GGUF model can be kept\./) as string,
      place: { file: expect.stringContaining(path('llama')) as string },
    });
  });
});

describe('an importance matrix', () => {
  it('is noted in the file, and its weights go with the tensors that are quantized', async () => {
    const imatrix = imatrixOf({ 'blk.0.attn_q.weight': 256, 'output_norm.weight': 7 });
    const planned = await plan('small.gguf', { type: 'Q4_0', imatrix });
    expect(planned.overrides).toEqual([
      { key: 'quantize.imatrix.file', type: 'string', value: 'sample.imatrix' },
      { key: 'quantize.imatrix.dataset', type: 'string', value: 'text.txt' },
      { key: 'quantize.imatrix.entries_count', type: 'u32', value: 2 },
      { key: 'quantize.imatrix.chunks_count', type: 'u32', value: 3 },
    ]);
    const weighed = planned.tensors.filter(({ importance }) => importance);
    expect(weighed.map(({ name }) => name)).toEqual(['blk.0.attn_q.weight']);
    for (const type of ['F16', 'COPY'])
      expect((await plan('q8.gguf', { type, imatrix, allowRequantize: true })).tensors).not.toContainEqual(
        expect.objectContaining({ importance: expect.anything() as unknown }),
      );
  });

  it('counts in types and in those of the preset', async () => {
    const imatrix = imatrixOf({ 'blk.0.attn_q.weight': 256 });
    const overrideKeyValues = ['llama.block_count=int:24'];
    for (const [given, type] of [
      [{}, 'Q4_0'],
      [{ imatrix }, 'Q4_1'],
    ] as const) {
      const planned = await plan('small.gguf', { type: 'Q4_0', overrideKeyValues, ...given });
      expect(typesOf(planned, 'blk.0.ffn_down.weight')).toEqual([type]);
      expect(planned.tensors.filter((tensor) => 'presetType' in tensor)).toEqual([]);
      expect(planned.presetBytes).toBe(planned.dataBytes);
    }
  });

  it('of which nothing is selected counts as none', async () => {
    const imatrix = imatrixOf({ 'blk.0.attn_q.weight': 256 });
    for (const choice of [{ includeWeights: ['attn_v'] }, { excludeWeights: ['attn_q'] }])
      expect((await plan('small.gguf', { type: 'Q4_0', imatrix, ...choice })).overrides).toEqual([]);
    const chosen = await plan('small.gguf', { type: 'Q4_0', imatrix, includeWeights: ['attn_q'] });
    expect(chosen.overrides).toHaveLength(4);
  });

  it('has values for each expert', async () => {
    const name = 'blk.0.ffn_down_exps.weight';
    const planned = await plan('experts.gguf', { type: 'Q4_0', imatrix: imatrixOf({ [name]: 512 }) });
    expect(named(planned, name).importance).toHaveLength(512);
    await expect(plan('experts.gguf', { type: 'Q4_0', imatrix: imatrixOf({ [name]: 256 }) })).rejects.toThrow(
      'has 256 values, but the tensor needs 512',
    );
  });

  it('is needed by the smallest types', async () => {
    const needed =
      'IQ2_XXS needs an importance matrix (imatrix): without one the model would be nearly unusable. Compute one from a text (“Compute Importance Matrix…”, or quantscope imatrix) and choose it for the export, or let the codes be optimised.';
    const tensorTypes = [{ pattern: 'attn_q', type: 'IQ2_XXS' }];
    const target = { type: 'Q8_0', tensorTypes };
    await expect(plan('small.gguf', target)).rejects.toMatchObject(
      request(`${needed} (tensor "blk.0.attn_q.weight")`, { tensor: 'blk.0.attn_q.weight' }),
    );
    const imatrix = imatrixOf({ 'blk.0.attn_q.weight': 256 });
    await expect(plan('small.gguf', { ...target, imatrix })).rejects.toMatchObject(
      request(
        'IQ2_XXS needs importance weights, and the importance matrix has none for this tensor. (tensor "blk.1.attn_q.weight")',
        { tensor: 'blk.1.attn_q.weight' },
      ),
    );
    const whole = Object.fromEntries([0, 1, 2].map((block) => [`blk.${block}.attn_q.weight`, 256]));
    const planned = await plan('small.gguf', { ...target, imatrix: imatrixOf(whole) });
    expect(typesOf(planned, 'blk.2.attn_q.weight')).toEqual(['IQ2_XXS']);
  });
});

describe('overridden key-values', () => {
  it('are written, and types are chosen by them', async () => {
    const typesWith = async (...overrideKeyValues: string[]) => {
      const planned = await plan('small.gguf', { type: 'Q4_K_M', overrideKeyValues });
      return { overrides: planned.overrides, types: typesOf(planned, 'blk.0.ffn_down.weight') };
    };
    expect(await typesWith()).toEqual({ overrides: [], types: ['Q4_K'] });
    // Of 24 blocks the first eighth gets more bits.
    expect(await typesWith('llama.block_count=int:24')).toEqual({
      overrides: [{ key: 'llama.block_count', type: 'u32', value: 24 }],
      types: ['Q6_K'],
    });
  });
});

describe('settings that do not fit', () => {
  const either = 'An export needs either a file type or a plan.';
  it.each<[string, WeightTarget]>([
    [either, {}],
    [either, { type: 'F16', format: formatById('nf4') }],
    [
      'The output tensor can be left unchanged or given a type, but not both.',
      { type: 'F16', leaveOutput: true, outputType: 'F16' },
    ],
  ])('%s', async (message, target) => {
    await expect(plan('small.gguf', target)).rejects.toMatchObject(request(message));
  });

  it('are a plan together with options of a file type', async () => {
    const assigned = await planOf('small.gguf', {});
    await expect(plan('small.gguf', { plan: assigned, type: 'F16' })).rejects.toMatchObject(request(either));
    await expect(plan('small.gguf', { plan: assigned, pure: true })).rejects.toMatchObject(
      request('A plan defines the type of each tensor; "pure" applies only to a file type.'),
    );
    expect(typesOf(await plan('small.gguf', { plan: assigned }), 'output.weight')).toEqual(['F16']);
  });

  it('are types whose block size does not divide the row length', async () => {
    const fallback = await plan('odd.gguf', { type: 'Q8_0' });
    expect(named(fallback, 'odd.weight')).toMatchObject({ to: 'F16', cause: 'fallback', bytes: 400 });
    await writeSyntheticGguf(path('narrow.gguf'), { ...small, columns: 96 });
    await expect(plan('narrow.gguf', { type: 'F16', outputType: 'Q4_K' })).rejects.toMatchObject(
      request(
        'The row length (96) is not a multiple of the block size of Q4_K; choose another type for this tensor. (tensor "output.weight")',
        { tensor: 'output.weight' },
      ),
    );
    const fits = await plan('narrow.gguf', { type: 'F16', outputType: 'Q8_0' });
    expect(named(fits, 'output.weight').bytes).toBe(4 * 3 * 34);
  });

  it('are weights of a type that is not floating-point', async () => {
    await writeCheckpoint(path('integers'), 'llama');
    const [shard] = readdirSync(path('integers')).filter((name) => name.endsWith('.safetensors'));
    const bytes = readFileSync(path(`integers/${shard}`));
    bytes.write('"I16" ', bytes.indexOf('"BF16"'));
    writeFile(path('integers'), shard!, bytes);
    await expect(plan('integers', { type: 'F16' })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringMatching(/^I16 does not hold weights that can be converted\. /) as string,
      place: { file: path(`integers/${shard}`) },
    });
  });

  it('are quantized weights that would be quantized again, unless that is allowed', async () => {
    const source = path('q8.gguf');
    await expect(plan('q8.gguf', { type: 'Q4_0' })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringMatching(
        /^The tensor is already quantized to Q8_0; requantizing it to Q6_K would add to its error\. Export from an F16, BF16 or F32 file, or allow requantizing\. /,
      ) as string,
      place: { file: source, tensor: 'output.weight' },
    });
    const again = await plan('q8.gguf', { type: 'Q4_0', allowRequantize: true });
    expect(named(again, 'output.weight')).toMatchObject({ from: 'Q8_0', to: 'Q6_K' });
    expect(again.warnings).toHaveLength(1);
    expect(typesOf(await plan('q8.gguf', { type: 'Q8_0' }), 'output.weight')).toEqual(['Q8_0']);
  });
});
