import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { sealBytes } from '../../../src/files/sealedFile';
import type { EngineProgress } from '../../../src/protocol/engine';
import type { EvaluationParams, EvaluationResult } from '../../../src/protocol/evaluation';
import { seal, unseal } from '../../../src/model/sealedJson';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder, writeFile } from '../../support/files';
import { exportTo } from '../../support/imatrixFiles';

const folder = temporaryFolder();
const { evaluate, request } = engineJobs(folder);
const text = join(sampleFolder, 'generated-eval.txt');
const settings = { text, context: 64, windows: 8, memory: 'streamed', threads: 1 } as const;
const scored = 8 * 31;

const path = (...names: string[]): string => join(folder, ...names);
const run = (params: Partial<EvaluationParams>): Promise<EvaluationResult> =>
  evaluate({ ...settings, ...params });
const stored = (cacheDir: string, model = sampleFolder) =>
  request('evaluation/stored', { path: model, cacheDir });
const idsIn = async (cacheDir: string, model?: string): Promise<string[]> =>
  (await stored(cacheDir, model)).map(({ id }) => id);
const filesIn = (cacheDir: string): string[] =>
  existsSync(cacheDir)
    ? readdirSync(cacheDir, { recursive: true, encoding: 'utf8' }).filter((name) =>
        statSync(join(cacheDir, name)).isFile(),
      )
    : [];

beforeAll(() => exportTo(sampleFolder, { type: 'Q4_0' }, path('small.gguf')));

describe('results of evaluations', () => {
  const cacheDir = path('kept');
  let original: EvaluationResult;
  let coarse: EvaluationResult;
  let fine: EvaluationResult;
  let file: EvaluationResult;
  beforeAll(async () => {
    original = await run({ cacheDir });
    coarse = await run({ cacheDir, type: 'Q3_K_S' });
    fine = await run({ cacheDir, type: 'Q6_K' });
    file = await run({ cacheDir, path: path('small.gguf'), against: sampleFolder });
  });

  const pair = (a: EvaluationResult, b: EvaluationResult, model = sampleFolder) =>
    request('evaluation/pair', { path: model, cacheDir, a: a.id, b: b.id });
  const floats = ({ id }: EvaluationResult): Float64Array =>
    new Float64Array(
      Uint8Array.from(readFileSync(path('kept', 'results', `${id}.tokens`))).buffer.slice(0, -sealBytes),
    );
  const mean = (values: Float64Array): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;

  it('are kept, the latest first, with the model and with the one that they were measured from', async () => {
    expect(await stored(cacheDir)).toEqual([file, fine, coarse, original]);
    expect(await stored(cacheDir, path('small.gguf'))).toEqual([file]);
    expect(new Set((await stored(cacheDir)).map(({ model }) => model.name))).toEqual(
      new Set(['small', 'tiny-shakespeare-llama']),
    );
  });

  it('keep the losses of all tokens, and their divergences where there is a base', () => {
    expect(floats(original)).toHaveLength(scored);
    expect(mean(floats(original))).toBeCloseTo(original.text!.loss.value, 12);
    expect(floats(coarse)).toHaveLength(2 * scored);
    expect(mean(floats(coarse).subarray(0, scored))).toBeCloseTo(coarse.text!.loss.value, 12);
    const divergences = floats(coarse).subarray(scored);
    expect(mean(divergences)).toBeCloseTo(coarse.text!.divergence!.mean.value, 12);
    expect(Math.max(...divergences)).toBe(coarse.text!.divergence!.max);
    expect(Math.min(...divergences)).toBeGreaterThanOrEqual(0);
  });

  it('are paired token by token, which resolves more than the two means do', async () => {
    const { loss, divergence, ...named } = await pair(coarse, fine);
    expect(named).toEqual({ a: 'Q3_K_S', b: 'Q6_K', scoredTokens: scored });
    expect(loss.value).toBeCloseTo(coarse.text!.loss.value - fine.text!.loss.value, 12);
    const unpaired = Math.hypot(coarse.text!.loss.standardError, fine.text!.loss.standardError);
    expect(loss.standardError).toBeLessThan(unpaired / 5);
    expect(divergence!.value).toBeGreaterThan(3 * divergence!.standardError);
    const [a, b] = [floats(coarse), floats(fine)];
    const differences = a.subarray(scored).map((value, i) => value - b[scored + i]!);
    expect(divergence!.value).toBeCloseTo(mean(differences), 12);
    const back = await pair(fine, coarse);
    expect(back.loss.value).toBeCloseTo(-loss.value, 12);
  });

  it('are paired with those of other models from the same base, and by losses alone without one', async () => {
    expect((await pair(file, coarse)).divergence!.value).not.toBe(0);
    expect(await pair(coarse, original)).not.toHaveProperty('divergence');
    expect((await pair(coarse, original)).loss.value).toBeCloseTo(
      coarse.text!.divergence!.logPerplexityRatio.value,
      6,
    );
  });

  it('of other tokens, or of no tokens that are kept, are not paired', async () => {
    const other = await run({ cacheDir, windows: 7 });
    await expect(pair(other, original)).rejects.toMatchObject({
      code: 'REQUEST',
      message: expect.stringContaining('not for the same tokens') as string,
    });
    rmSync(path('kept', 'results', `${other.id}.tokens`));
    await expect(pair(other, other)).rejects.toMatchObject({
      code: 'REQUEST',
      message: expect.stringContaining(`${other.id}.tokens`) as string,
    });
    await expect(pair(coarse, { ...fine, id: 'nothing' })).rejects.toMatchObject({ code: 'REQUEST' });
    // A result of the sample is none of the GGUF file.
    await expect(pair(file, coarse, path('small.gguf'))).rejects.toMatchObject({ code: 'REQUEST' });
    await request('evaluation/remove', { path: sampleFolder, cacheDir, id: other.id });
  });

  it('are left out when their files are damaged', async () => {
    const before = await idsIn(cacheDir);
    const good = readFileSync(path('kept', 'results', `${coarse.id}.json`), 'utf8');
    const results = path('kept', 'results');
    writeFile(results, 'cut.json', good.slice(0, good.length / 2));
    writeFile(results, 'empty.json', '');
    writeFile(results, 'list.json', '[]');
    const content = unseal(good.trimEnd()) as { readonly versions: object; readonly result: object };
    writeFile(results, 'edited.json', good.replace(/"value":(\d)/, '"value":9$1'));
    const older = { ...content, versions: { ...content.versions, states: 0 } };
    writeFile(results, 'older.json', seal(older));
    writeFile(results, 'nameless.json', seal({ ...content, result: { ...content.result, id: 7 } }));
    mkdirSync(join(results, 'folder.json'));
    expect(await idsIn(cacheDir)).toEqual(before);
  });

  it('are reported where they cannot be kept, and figures with a base are still available', async () => {
    const nowhere = join(writeFile(folder, 'no-folder', ''), 'results');
    const lost = await run({ cacheDir: nowhere, type: 'Q3_K_S' });
    expect(lost.notKept).toContain('ENOTDIR');
    expect(lost.text!.divergence!.mean.value).toBeCloseTo(coarse.text!.divergence!.mean.value, 9);
    expect(coarse.notKept).toBeUndefined();
  });

  it('do not use states of the base that were edited', async () => {
    const [states] = readdirSync(path('kept', 'bases'));
    const bytes = readFileSync(path('kept', 'bases', states!));
    writeFileSync(path('kept', 'bases', states!), Buffer.from(bytes).fill(0x3f, 0, 4000));
    const again = await run({ cacheDir, type: 'Q3_K_S' });
    expect(again.text!.divergence).toEqual(coarse.text!.divergence);
    await request('evaluation/remove', { path: sampleFolder, cacheDir, id: again.id });
  });

  it('are removed with their tokens, and only those inside the folder', async () => {
    const kept = path('kept', 'results', 'other.tokens');
    writeFileSync(kept, 'x');
    await request('evaluation/remove', { path: sampleFolder, cacheDir, id: fine.id });
    expect(await idsIn(cacheDir)).toEqual([file.id, coarse.id, original.id]);
    expect(readdirSync(path('kept', 'results')).filter((name) => name.startsWith(fine.id))).toEqual([]);
    const outside = request('evaluation/remove', { path: sampleFolder, cacheDir, id: '../results/other' });
    await expect(outside).rejects.toMatchObject({ code: 'REQUEST' });
    expect(existsSync(kept)).toBe(true);
  });

  it('of a folder that does not exist are none', async () => {
    expect(await stored(path('never'))).toEqual([]);
  });
});

describe('the base of a divergence', () => {
  const messages = async (params: Partial<EvaluationParams>): Promise<string[]> => {
    const found: string[] = [];
    const progress = ({ message }: EngineProgress): void => void found.push(message);
    await evaluate({ ...settings, type: 'Q8_0', ...params }, { progress });
    return found;
  };
  const ofBase = (found: readonly string[]): boolean =>
    found.some((message) => message.startsWith('the base:'));

  it('runs over a text once, and again for another text or when its files were rewritten', async () => {
    const copy = path('copy');
    mkdirSync(copy);
    for (const name of readdirSync(sampleFolder)) copyFileSync(join(sampleFolder, name), join(copy, name));
    const own = { path: copy, cacheDir: path('bases') };
    expect(ofBase(await messages(own))).toBe(true);
    expect(ofBase(await messages({ ...own, type: 'Q4_0' }))).toBe(false);
    expect(ofBase(await messages({ ...own, windows: 3 }))).toBe(true);
    copyFileSync(join(sampleFolder, 'model.safetensors'), join(copy, 'model.safetensors'));
    expect(ofBase(await messages(own))).toBe(true);
  });
});

describe('an evaluation that is cancelled', () => {
  /** Ends at the first step whose name matches. */
  async function cancelledAt(cacheDir: string, step: RegExp): Promise<unknown> {
    const controller = new AbortController();
    const progress = ({ message }: EngineProgress): void => {
      if (step.test(message)) controller.abort();
    };
    return evaluate({ ...settings, cacheDir, type: 'Q8_0' }, { signal: controller.signal, progress }).catch(
      (error: unknown) => error,
    );
  }

  it.each([/^the base: block 1/, /^the base: block 5/])(
    'while its base runs leaves no files: %s',
    async (step) => {
      const cacheDir = path(`cancelled ${step.source.at(-1)}`);
      expect(await cancelledAt(cacheDir, step)).toMatchObject({ code: 'CANCELLED' });
      expect(filesIn(cacheDir)).toEqual([]);
      const next = await run({ cacheDir, type: 'Q8_0' });
      expect(next.text!.scoredTokens).toBe(scored);
      expect(await idsIn(cacheDir)).toEqual([next.id]);
    },
  );

  it('after its base keeps the base’s states complete, which the next run uses', async () => {
    const cacheDir = path('cancelled late');
    expect(await cancelledAt(cacheDir, /^block 2/)).toMatchObject({ code: 'CANCELLED' });
    const [states, ...others] = filesIn(cacheDir);
    expect(states).toMatch(/^bases.\w+\.states$/);
    expect(others).toEqual([]);
    expect(statSync(join(cacheDir, states!)).size).toBe(scored * 256 * 4 + sealBytes);
    const late = await run({ cacheDir, type: 'Q8_0' });
    const { text: fresh } = await run({ cacheDir: path('fresh'), type: 'Q8_0' });
    expect(late.text!.divergence!.mean).toEqual(fresh!.divergence!.mean);
    expect(filesIn(cacheDir)).toHaveLength(3);
  });

  it('before it begins does nothing', async () => {
    const cacheDir = path('cancelled early');
    const ended = evaluate({ ...settings, cacheDir }, { signal: AbortSignal.abort() });
    await expect(ended).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(filesIn(cacheDir)).toEqual([]);
  });
});
