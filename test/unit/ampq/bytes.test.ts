import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makePlan, printPlan } from '../../../src/ampq/planFile';
import type { PlannedVariant } from '../../../src/engine/evaluation/plannedVariant';
import { planVariant } from '../../../src/engine/evaluation/weightVariant';
import { fileFrame } from '../../../src/exporter/fileFrame';
import { candidatesOf } from '../../../src/exporter/plan/candidates';
import { isMixed } from '../../../src/exporter/plan/mixed';
import { openModel } from '../../../src/layouts/openModel';
import type { Model } from '../../../src/model/model';
import type { ExportPreview } from '../../../src/protocol/export';
import type { EvaluationResult, WeightVariant } from '../../../src/protocol/evaluation';
import type { FileFrame } from '../../../src/protocol/fileFrame';
import { budgetRange, type SensitivityTable } from '../../../src/protocol/plan';
import type { CheckpointSpec } from '../../support/checkpointParts';
import { checkpoints, qwen3Mixture } from '../../support/checkpoints';
import { embeddingCheckpoints } from '../../support/embeddingCheckpoints';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder, writeFile } from '../../support/files';
import { planFor } from '../../support/plans';
import { writeSyntheticGguf } from '../../support/syntheticGguf';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const cacheDir = join(folder, 'cache');
const { request } = engineJobs(cacheDir);

/** Sizes need no run over a text. */
const measure = (path: string, formats?: readonly string[]): Promise<SensitivityTable> =>
  request('sensitivity/run', {
    ...{ path, device: 'cpu', cacheDir, weightsOnly: true },
    ...(formats ? { formats } : {}),
  });

/** Blocks of 256 weights and of 32, lattices, and types without blocks. */
const formats = ['Q2_K', 'IQ3_S', 'Q4_K', 'IQ4_NL', 'Q5_0', 'Q6_K', 'Q8_0', 'F16'];

/** Some checkpoints have the 20 layers or more by which llama.cpp knows them; their size is no other sum. */
const isShallow = ([, { config }]: readonly [string, CheckpointSpec]): boolean =>
  Number(config['num_hidden_layers'] ?? 0) < 20;

async function withModel<T>(path: string, use: (model: Model) => Promise<T>): Promise<T> {
  const model = await openModel(path);
  return use(model).finally(() => model.close());
}

/** What the exported file of a model holds besides the tensors of a plan. */
const frameOf = (path: string): Promise<FileFrame> => withModel(path, fileFrame);

/** A plan in the middle of what is possible, as a file. */
function planOf(table: SensitivityTable, name: string, frame?: FileFrame) {
  const { min, max } = budgetRange(table);
  const plan = makePlan(table, { kind: 'bits-per-weight', value: min + (max - min) / 4 }, frame);
  return { plan, planFile: writeFile(folder, `${name}.ampq.json`, printPlan(plan)) };
}

/** A run over one window. */
const evaluate = (path: string, planFile: string): Promise<EvaluationResult> =>
  request('evaluation/run', {
    ...{ path, device: 'cpu', cacheDir, planFile, memory: 'streamed', context: 32, windows: 1 },
    text: join(sampleFolder, 'generated-eval.txt'),
  });

/** What an evaluation would run, without running it. */
const variantOf = (model: Model, variant: WeightVariant): Promise<PlannedVariant> =>
  planVariant(model, variant, { signal: new AbortController().signal, progress: () => undefined });

/** An evaluation of a variant has the types, bytes and weights of the export. */
function expectSame({ changes, bytes, parameters }: PlannedVariant, preview: ExportPreview): void {
  expect({ bytes, parameters }).toEqual({ bytes: preview.dataBytes, parameters: preview.parameters });
  const types = new Map(preview.tensors.map(({ name, from, to }) => [name, { from, to }]));
  for (const [name, { format }] of changes) expect(format.id, name).toBe(types.get(name)?.to);
  for (const [name, { from, to }] of types)
    if (!changes.has(name)) expect(['F32', from], `${name} is unchanged`).toContain(to);
}

describe('the size of a plan', () => {
  it.each(Object.entries({ ...checkpoints, ...embeddingCheckpoints }).filter(isShallow))(
    'is that of the preview, of the evaluation and of the file that is written: %s',
    async (name, spec) => {
      const path = join(folder, name);
      mkdirSync(path);
      await writeCheckpoint(path, spec);
      const table = await measure(path, formats);
      expect(table.notExportable).toBeUndefined();
      expect(table.rows.every(({ tensor, shape }) => isMixed({ name: tensor, shape }))).toBe(true);
      const { plan, planFile } = planOf(table, name, await frameOf(path));
      const preview = await request('export/preview', { path, planFile });
      expect(preview.dataBytes).toBe(plan.total.bytes);
      expect(preview.parameters).toBe(plan.model.parameters);
      await withModel(path, async (model) => {
        expectSame(await variantOf(model, { planFile }), preview);
        for (const type of ['Q4_K_M', 'Q3_K_S', 'BF16'])
          expectSame(await variantOf(model, { type }), await request('export/preview', { path, type }));
      });
      const out = join(folder, `${name}.gguf`);
      const written = await request('export/gguf', { path, planFile, out });
      expect(written.dataBytes).toBe(plan.total.bytes);
      expect(statSync(out).size).toBe(written.fileBytes);
      expect(plan.total.fileBytes).toBe(written.fileBytes);
      const bytes = new Map(written.tensors.map((item) => [item.name, item.bytes]));
      for (const item of plan.assignments) expect(bytes.get(item.tensor), item.tensor).toBe(item.bytes);
      // Read back, nothing about it is different.
      expect(await request('plan/read', { path, planFile })).toEqual(plan);
    },
  );

  it.each(['Q2_K', 'IQ4_NL', 'Q4_0', 'Q5_1', 'Q6_K', 'Q8_0', 'BF16', 'F32'])(
    'is that of the file in %s, with padding to the alignment that the model states',
    async (type) => {
      const path = join(folder, 'aligned.gguf');
      const parts = { blocks: 1, heads: 4, kvHeads: 4, extra: { 'odd.weight': [3, 512] }, alignment: 256 };
      await writeSyntheticGguf(path, { architecture: 'llama', ...parts });
      const { tensors } = await withModel(path, candidatesOf);
      const plan = await planFor(
        path,
        Object.fromEntries(tensors.map(({ converted }) => [converted.name, type])),
      );
      const framed = { ...plan, frame: await frameOf(path) };
      const planFile = writeFile(folder, 'aligned.ampq.json', printPlan(framed));
      const { total } = await request('plan/read', { path, planFile });
      const out = join(folder, `aligned-${type}.gguf`);
      await request('export/gguf', { path, planFile, out });
      expect(framed.frame.alignment).toBe(256);
      expect(total.fileBytes).toBe(statSync(out).size);
    },
  );

  it('uses up a budget to the last byte that fits', async () => {
    const table = await measure(sampleFolder);
    const frame = await frameOf(sampleFolder);
    const sized = (value: number) => makePlan(table, { kind: 'bytes', value }, frame).total;
    const { fileBytes, error } = sized(3_200_000);
    expect(fileBytes).toBeLessThanOrEqual(3_200_000);
    expect(sized(fileBytes!)).toMatchObject({ fileBytes, error });
    expect(sized(fileBytes! - 1).fileBytes).toBeLessThan(fileBytes!);
  });

  it('is that of the preview, the file and the evaluation for 32 experts', async () => {
    const path = join(folder, '32 experts');
    await writeCheckpoint(path, qwen3Mixture(32));
    const table = await measure(path);
    const experts = table.rows.filter(({ sources }) => sources.length > 1);
    expect(experts.map(({ tensor, sources }) => [tensor, sources.length])).toEqual(
      [0, 1].flatMap((block) =>
        ['down', 'gate', 'up'].map((part) => [`blk.${block}.ffn_${part}_exps.weight`, 32]),
      ),
    );
    const { plan, planFile } = planOf(table, '32-experts');
    const out = join(folder, '32-experts.gguf');
    const { dataBytes } = await request('export/preview', { path, planFile });
    const written = await request('export/gguf', { path, planFile, out });
    expect([dataBytes, written.dataBytes]).toEqual([plan.total.bytes, plan.total.bytes]);
    expect(statSync(out).size).toBe(written.fileBytes);
    expect((await evaluate(path, planFile)).bytes).toBe(plan.total.bytes);
  });

  it('of the original model counts an empty tensor as nothing', async () => {
    const path = join(folder, 'empty.gguf');
    const parts = { blocks: 1, heads: 4, kvHeads: 4, extra: { 'empty.weight': [0, 256] } };
    await writeSyntheticGguf(path, { architecture: 'llama', ...parts });
    const { dataBytes, parameters } = await request('model/open', { path });
    const { bytes, parameters: counted } = await withModel(path, (model) => variantOf(model, {}));
    expect({ bytes, counted }).toEqual({ bytes: dataBytes, counted: parameters });
  });

  it('is that of the evaluation', async () => {
    const { plan, planFile } = planOf(await measure(sampleFolder), 'sample');
    const { bytes, bitsPerWeight } = await evaluate(sampleFolder, planFile);
    expect(bytes).toBe(plan.total.bytes);
    expect(bitsPerWeight).toBe((8 * plan.total.bytes) / plan.model.parameters);
  });
});
