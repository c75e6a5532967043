import { existsSync } from 'node:fs';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assignmentDigest } from '../../../src/ampq/assignmentDigest';
import { makePlan, printPlan } from '../../../src/ampq/planFile';
import { obtainEvidence } from '../../../src/engine/evaluation/obtainEvidence';
import { fileFrame } from '../../../src/exporter/fileFrame';
import { allWeights } from '../../../src/layouts/changedModel';
import { openModel } from '../../../src/layouts/openModel';
import type { Model } from '../../../src/model/model';
import type { ExportResult } from '../../../src/protocol/export';
import type { Objective } from '../../../src/protocol/export';
import type { EvaluationResult } from '../../../src/protocol/evaluation';
import type { Plan } from '../../../src/protocol/plan';
import type { EvidenceSource } from '../../../src/quant/evidence';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder, writeFile } from '../../support/files';
import { planFor } from '../../support/plans';
import { twoSidedError } from '../../support/outputError';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const path = (name: string): string => join(folder, name);
const cacheDir = path('cache');
const { request, evaluate } = engineJobs(cacheDir);
const text = join(sampleFolder, 'generated-calibration.txt');
const calibration = { text, context: 32, tokens: 12 * 32 };
const shared = { type: 'Q4_0', pure: true, codes: 'optimised', cacheDir, device: 'cpu' } as const;

const exported = (model: string, name: string, settings: object = {}): Promise<ExportResult> =>
  request('export/gguf', { path: path(model), out: path(name), ...shared, ...settings });

async function withModel<T>(from: string, use: (model: Model) => Promise<T>): Promise<T> {
  const model = await openModel(path(from));
  return use(model).finally(() => model.close());
}

const weightsOf = (file: string, tensor: string): Promise<Float32Array> =>
  withModel(file, (model) => allWeights(model, model.tensor(tensor)));

const keysOf = (file: string): Promise<(string | undefined)[]> =>
  withModel(file, ({ description: { metadata } }) =>
    Promise.resolve(
      ['objective', 'two_sided_tensors'].map(
        (name) => metadata.find(({ key }) => key === `quantscope.codes.${name}`)?.text,
      ),
    ),
  );

let llama: Model;
let source: EvidenceSource;
beforeAll(async () => {
  for (const name of ['llama', 'mixtral'] as const) await writeCheckpoint(path(name), name);
  llama = await openModel(path('llama'));
  const context = { signal: new AbortController().signal, progress: () => undefined };
  const settings = { ...calibration, needs: ['gradients'], device: 'cpu' } as const;
  source = await obtainEvidence(llama, settings, cacheDir, context);
});
afterAll(() => llama.close());

const written = new Map<Objective, ExportResult>();

describe('an export with the two-sided objective', () => {
  beforeAll(async () => {
    await exported('llama', 'exact.gguf', { type: 'F32', codes: 'reference' });
    written.set('two-sided', await exported('llama', 'two-sided.gguf', { calibration }));
    written.set('one-sided', await exported('llama', 'one-sided.gguf', { objective: 'one-sided' }));
  });

  it('is usual where the model has a backward pass, and named in the file', async () => {
    expect(written.get('two-sided')!.optimised!.objective).toBe('two-sided');
    const matrices = 2 * 7 + 1; // of two blocks, and the output
    expect(await keysOf('two-sided.gguf')).toEqual(['two-sided', `${matrices}`]);
    expect(await keysOf('one-sided.gguf')).toEqual(['one-sided', '0']);
    expect(written.get('two-sided')!.warnings.join()).not.toContain('one-sided');
  });

  it('is that of recipes, too, and one-sided where no more is kept and they name none', async () => {
    const settings = { path: path('llama'), recipe: 'gguf-q4_k_m', device: 'cpu' } as const;
    const notes = async (from: string, options?: { objective: Objective }): Promise<string> => {
      const changes = { method: 'gptq-cd', ...(options ? { options } : {}) };
      const preview = await request('model/quantizePreview', { ...settings, changes, cacheDir: from });
      const out = path('recipe.gguf');
      const result = await request('model/quantize', { ...settings, changes, cacheDir: from, out });
      expect(preview.evidence).toEqual(result.evidence);
      return result.notes.join();
    };
    expect(await notes(cacheDir)).toContain('objective two-sided');
    await exported('llama', 'as-exported.gguf', { type: 'Q4_K_M', pure: false });
    expect(readFileSync(path('recipe.gguf')).equals(readFileSync(path('as-exported.gguf')))).toBe(true);
    expect(await notes(cacheDir, { objective: 'one-sided' })).toContain('objective one-sided');
    const inputsAlone = path('inputs-alone');
    const context = { signal: new AbortController().signal, progress: () => undefined };
    const hessians = { ...calibration, needs: ['hessian'], device: 'cpu' } as const;
    await obtainEvidence(llama, hessians, inputsAlone, context);
    expect(await notes(inputsAlone)).toContain('objective one-sided');
    await expect(notes(inputsAlone, { objective: 'two-sided' })).rejects.toThrow('--calibration');
  });

  it.each([
    ['blk.0.attn_q.weight', 'q_proj'],
    ['blk.1.attn_k.weight', 'k_proj'],
    ['blk.1.attn_output.weight', 'o_proj'],
  ])(
    'makes what errors of %s do to the predictions smaller, rows being in the order of the file',
    async (tensor, part) => {
      const name = `model.layers.${tensor[4]}.self_attn.${part}.weight`;
      const { hessian, gradients } = await source.for(name, 'gradients', {
        output: { tensor, order: 'gguf' },
      });
      const exact = await weightsOf('exact.gguf', tensor);
      const error = async (objective: Objective): Promise<number> =>
        twoSidedError(gradients!.covariance!, hessian!, exact, await weightsOf(`${objective}.gguf`, tensor));
      expect((await error('two-sided')) / (await error('one-sided'))).toBeLessThan(0.97);
    },
  );

  it('counts the codes of a plan, which is evaluated as it is exported', async () => {
    const table = await request('sensitivity/run', {
      ...{ path: path('llama'), device: 'cpu', cacheDir: path('cells'), formats: ['Q4_0', 'Q8_0'], text },
      ...{ tokens: 128, context: 32, optimised: { evidenceDir: cacheDir, text, tokens: calibration.tokens } },
    });
    const frame = await fileFrame(llama, { isOptimised: true });
    const plan = makePlan(table, { kind: 'bits-per-weight', value: 5 }, frame);
    const planFile = writeFile(folder, 'plan.ampq.json', printPlan(plan));
    const { out, fileBytes } = await request('export/gguf', {
      ...{ path: path('llama'), planFile, out: path('plan.gguf'), cacheDir, device: 'cpu' },
    });
    expect(fileBytes).toBe(plan.total.fileBytes);
    expect((await keysOf('plan.gguf'))[0]).toBe('two-sided');
    const divergenceOf = async (variant: object): Promise<number> => {
      const over = { text, context: 32, windows: 8, cacheDir };
      const result = await evaluate({ against: path('llama'), ...over, ...variant });
      return result.text!.divergence!.mean.value;
    };
    const ofFile = await divergenceOf({ path: out });
    expect((await divergenceOf({ path: path('llama'), planFile })) / ofFile).toBeCloseTo(1, 4);
  });

  it('is not taken where a plan was made for the one-sided one, whatever is kept', async () => {
    const measured = {
      path: path('llama'),
      device: 'cpu',
      cacheDir: path('cells'),
      formats: ['Q4_0', 'Q8_0'],
      ...{ text, tokens: 128, context: 32 },
    } as const;
    const optimised = { evidenceDir: cacheDir, text, tokens: calibration.tokens };
    const planOf = async (objective: Objective): Promise<{ plan: Plan; planFile: string }> => {
      const table = await request('sensitivity/run', { ...measured, optimised: { ...optimised, objective } });
      const plan = makePlan(table, { kind: 'bits-per-weight', value: 5 });
      return { plan, planFile: writeFile(folder, `${objective}.ampq.json`, printPlan(plan)) };
    };
    const [one, two] = [await planOf('one-sided'), await planOf('two-sided')];
    expect(one.plan.codes).toEqual({ ...two.plan.codes, objective: 'one-sided' });
    expect(one.plan.assignments).toEqual(two.plan.assignments);
    expect(assignmentDigest(one.plan)).not.toBe(assignmentDigest(two.plan));
    const evaluated = ({ planFile }: { planFile: string }) =>
      evaluate({
        path: path('llama'),
        against: path('llama'),
        text,
        context: 32,
        windows: 8,
        cacheDir,
        planFile,
      });
    const [oneResult, twoResult] = [await evaluated(one), await evaluated(two)];
    expect([oneResult.objective, twoResult.objective]).toEqual(['one-sided', 'two-sided']);
    const divergence = ({ text: of }: EvaluationResult): number => of!.divergence!.mean.value;
    expect(divergence(oneResult)).not.toBe(divergence(twoResult));
    const { optimised: written } = await request('export/gguf', {
      ...{ path: path('llama'), planFile: one.planFile, out: path('one.gguf'), cacheDir, device: 'cpu' },
    });
    expect(written!.objective).toBe('one-sided');
    expect((await keysOf('one.gguf'))[0]).toBe('one-sided');
  });

  it('is rejected for codes of llama.cpp, also of a plan', async () => {
    const planFile = writeFile(folder, 'reference.ampq.json', printPlan(await planFor(path('llama'), {})));
    const params = {
      path: path('llama'),
      out: path('never.gguf'),
      planFile,
      cacheDir,
      device: 'cpu',
    } as const;
    await expect(request('export/gguf', { ...params, objective: 'two-sided' })).rejects.toThrow(
      'An objective is for optimised codes, and the plan was made for the codes of llama.cpp.',
    );
    await expect(request('export/gguf', { ...params, calibration })).rejects.toThrow(
      'A text to calibrate on is for optimised codes',
    );
    await expect(
      request('export/preview', { path: path('llama'), type: 'Q4_0', objective: 'one-sided' }),
    ).rejects.toThrow('and these are the codes of llama.cpp.');
    expect(existsSync(path('never.gguf'))).toBe(false);
  });

  it('is that of each expert', async () => {
    await exported('mixtral', 'mixtral.gguf', { calibration });
    const [, tensors] = await keysOf('mixtral.gguf');
    expect(Number(tensors)).toBe(2 * 7 + 1);
  });

  it('is an option of a layer, whose rows are in the order of the checkpoint', async () => {
    const name = 'model.layers.0.self_attn.q_proj.weight';
    const cellWith = async (objective: Objective, from = cacheDir) => {
      const { rows } = await request('tensor/lens', {
        ...{ path: path('llama'), tensor: name, cacheDir: from },
        recipes: [{ grid: 'Q4_0', method: 'gptq-cd' }],
        options: { 'gptq-cd': { objective } },
      });
      return rows[0]!;
    };
    expect((await cellWith('one-sided')).result!.evidence).toBe('hessian');
    expect((await cellWith('two-sided')).result!.evidence).toBe('gradients');
    const inputsAlone = path('inputs alone');
    await exported('llama', 'short.gguf', { cacheDir: inputsAlone, calibration, objective: 'one-sided' });
    expect(await cellWith('two-sided', inputsAlone)).toEqual({
      ...{ grid: 'Q4_0', method: 'gptq-cd', missing: 'gradients' },
    });

    const output = { tensor: 'blk.0.attn_q.weight', order: 'checkpoint' } as const;
    const named = await source.for(name, 'gradients', { output });
    expect((await source.for(name, 'gradients')).gradients).toEqual(named.gradients);
  });

  it('needs gradients where it is asked for', async () => {
    const own = { cacheDir: path('own') };
    await exported('llama', 'short.gguf', { ...own, calibration, objective: 'one-sided' });
    const asked = exported('llama', 'never.gguf', { ...own, objective: 'two-sided' });
    await expect(asked).rejects.toMatchObject({ code: 'REQUEST' });
    expect(existsSync(path('never.gguf'))).toBe(false);
    // Where no objective is named, what was measured decides.
    const { optimised } = await exported('llama', 'short.gguf', own);
    expect(optimised!.objective).toBe('one-sided');
  });
});
