import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { splitText } from '../../../src/engine/refinement/planRefinement';
import { exportGguf } from '../../../src/exporter/exportGguf';
import { openModel } from '../../../src/layouts/openModel';
import { modelHash } from '../../../src/model/identity';
import type { EngineProgress } from '../../../src/protocol/engine';
import type { RefinementResult, RunRefinementParams } from '../../../src/protocol/refinement';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const at = (...names: string[]): string => join(folder, ...names);
const text = join(sampleFolder, 'generated-calibration.txt');
const { request } = engineJobs(at('jobs'));
const settings = {
  ...{ path: at('start.gguf'), original: at('llama'), text, cacheDir: at('cache'), device: 'cpu' as const },
  ...{ context: 16, tokens: 24 * 16, steps: 20, batch: 2 },
};

type Context = { readonly signal?: AbortSignal; readonly progress?: (progress: EngineProgress) => void };
const refine = (
  out: string,
  changed: Partial<RunRefinementParams> = {},
  context: Context = {},
): Promise<RefinementResult> => request('refinement/run', { ...settings, out: at(out), ...changed }, context);

beforeAll(async () => {
  await writeCheckpoint(at('llama'), 'llama');
  const model = await openModel(at('llama'));
  await exportGguf(model, { type: 'Q4_0' }, at('start.gguf'));
  await model.close();
});

/** What is kept of runs that were stopped. */
function kept(cache = at('cache')): string[] {
  const root = join(cache, 'refinement');
  return existsSync(root) ? readdirSync(root).flatMap((run) => readdirSync(join(root, run))) : [];
}

/** Runs until a step was measured, and is cancelled then. */
async function stopAt(step: number, out: string, changed: Partial<RunRefinementParams> = {}): Promise<void> {
  const stop = new AbortController();
  const progress = ({ refinement }: EngineProgress): void => {
    if (refinement?.points.some((point) => point.step === step)) stop.abort();
  };
  const running = refine(out, changed, { signal: stop.signal, progress });
  await expect(running).rejects.toMatchObject({ code: 'CANCELLED' });
}

/** Changes a byte of the latest (`state`) or the best state of the only run that is kept. */
function damage(cache: string, which: string): void {
  const root = join(cache, 'refinement');
  const [run] = readdirSync(root);
  const name = readdirSync(join(root, run!)).find((file) => file.startsWith(`${which}-`))!;
  const state = readFileSync(join(root, run!, name));
  state[500]! ^= 1;
  writeFileSync(join(root, run!, name), state);
}

describe('refinement', () => {
  it('writes a file of the same tensors that names what was done, keeps nothing, and reports its curve', async () => {
    const curve: number[] = [];
    const result = await refine(
      'refined.gguf',
      {},
      {
        progress: ({ refinement, total }) => {
          expect(total).toBe(20);
          if (refinement) curve.push(refinement.points.length);
        },
      },
    );
    expect(result).toMatchObject({ steps: 20, tokens: { learned: 22 * 16, heldBack: 2 * 16 } });
    expect(result.points.map(({ step }) => step)).toEqual(Array.from({ length: 21 }, (_, step) => step));
    expect(curve.at(-1)).toBe(21);
    const smallest = Math.min(...result.points.map(({ divergence }) => divergence));
    expect(result.best.divergence).toBe(smallest);
    const [before, after] = [await openModel(settings.path), await openModel(result.out)];
    const layout = (model: typeof before) =>
      model.description.tensors.map(({ name, dtype, shape, byteLength }) => [name, dtype, shape, byteLength]);
    expect(layout(after)).toEqual(layout(before));
    expect(result.tensors).toEqual({ trained: layout(after).length, all: layout(after).length });
    expect(after.gguf!.metadata.get('quantscope.codes.refinement')!.scalar).toBe(
      `distillation 1: norms, factors and codes of ${result.tensors.trained} tensors, ${result.best.step} steps`,
    );
    // Its list of digests says which file it was made from, and does not say that an export makes it again.
    const list = readFileSync(`${result.out}.digests.json`, 'utf8');
    expect(list).toContain(
      `"origin":{"source":{"name":"${before.description.name}","hash":"${modelHash(before.description)}"},"action":"gguf"}`,
    );
    await before.close();
    await after.close();
    expect(kept()).toEqual([]);
  });

  it('continues a run that was stopped, with the same result, and not one of other settings', async () => {
    const whole = await refine('whole.gguf');
    await stopAt(8, 'stopped.gguf');
    expect(existsSync(at('stopped.gguf'))).toBe(false);
    expect(kept().sort()).toEqual([expect.stringMatching(/^best-\d+$/), 'progress.json', 'state-8']);
    const estimate = await request('refinement/estimate', settings);
    expect(estimate).toMatchObject({ steps: 20, done: 8 });
    expect(estimate.seconds).toBeGreaterThan(0);
    expect(estimate.memory).toBeGreaterThan(0);
    expect((await request('refinement/estimate', { ...settings, batch: 3 })).done).toBe(0);
    expect(readdirSync(join(at('cache'), 'refinement'))).toHaveLength(1);
    const continued = await refine('continued.gguf');
    expect(continued.points).toEqual(whole.points);
    expect(readFileSync(continued.out).equals(readFileSync(whole.out))).toBe(true);
  });

  it.each(['state', 'best'])('starts again where the kept %s is damaged', async (which) => {
    const cacheDir = at(`damaged-${which}`);
    mkdirSync(cacheDir);
    await stopAt(4, 'damaged.gguf', { cacheDir });
    damage(cacheDir, which);
    const measured: number[] = [];
    const progress = ({ refinement }: EngineProgress): void => {
      if (refinement) measured.push(refinement.points.length);
    };
    const again = await refine('again.gguf', { cacheDir }, { progress });
    expect(measured[0]).toBe(1);
    expect(again.points).toHaveLength(21);
    expect(readFileSync(again.out).equals(readFileSync(at('whole.gguf')))).toBe(true);
  });

  it('finishes a run by its best state alone, and says where that is damaged', async () => {
    const cacheDir = at('by-best');
    mkdirSync(cacheDir);
    await stopAt(4, 'best.gguf', { cacheDir });
    damage(cacheDir, 'state');
    expect((await refine('best.gguf', { finish: true, cacheDir })).steps).toBe(4);
    damage(cacheDir, 'best');
    await expect(refine('best.gguf', { finish: true, cacheDir })).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining('The best state of the refinement is damaged.') as string,
    });
  });

  it('is not run twice at a time with the same settings', async () => {
    const cacheDir = at('twice');
    mkdirSync(cacheDir);
    let second: Promise<unknown> | undefined;
    const progress = ({ refinement }: EngineProgress): void => {
      if (refinement) second ??= refine('second.gguf', { cacheDir }).catch((error: unknown) => error);
    };
    const first = await refine('first.gguf', { cacheDir }, { progress });
    expect(await second).toMatchObject({
      code: 'REQUEST',
      message: expect.stringContaining(
        `A refinement of this file with these settings is already running in process ${process.pid}`,
      ) as string,
    });
    expect(first.points).toHaveLength(21);
    expect(kept(cacheDir)).toEqual([]);
  });

  it('writes the best state of a run that was stopped without another step, and keeps it', async () => {
    const cacheDir = at('finish');
    mkdirSync(cacheDir);
    await expect(refine('none.gguf', { finish: true, cacheDir })).rejects.toMatchObject({ code: 'REQUEST' });
    await stopAt(6, 'half.gguf', { cacheDir });
    const { steps, points, best } = await refine('half.gguf', { finish: true, cacheDir });
    expect([steps, points.length]).toEqual([6, 7]);
    expect(best.step).toBeLessThanOrEqual(6);
    expect(kept(cacheDir)).toContain('state-6');
  });

  it('is rejected where the file or its original overflows, before anything is written', async () => {
    const model = await openModel(at('start.gguf'));
    const { offset, byteLength } = model.tensor('output_norm.weight');
    await model.close();
    const bytes = readFileSync(at('start.gguf'));
    bytes.set(new Uint8Array(new Float32Array(byteLength / 4).fill(3e38).buffer), offset);
    writeFileSync(at('overflowing.gguf'), bytes);
    const running = refine('never.gguf', { path: at('overflowing.gguf'), cacheDir: at('overflown') });
    await expect(running).rejects.toThrow(/^The loss of scored token 0 is NaN: the weights, .* overflow/);
    expect(existsSync(at('never.gguf'))).toBe(false);
    expect(kept(at('overflown'))).toEqual([]);
  });

  it.each([
    ['its original', 'read', (original: string) => writeFileSync(original, readFileSync(original))],
    ['its output', 'being made', (_: string, out: string) => writeFileSync(out, 'of others')],
  ])(
    'writes nothing where %s was overwritten while it ran, and keeps what it reached',
    async (what, said, overwrite) => {
      const original = at(`${what}.gguf`);
      const out = at(`${what} refined.gguf`);
      const model = await openModel(at('llama'));
      await exportGguf(model, { type: 'F16' }, original);
      await model.close();
      const progress = ({ refinement }: EngineProgress): void => {
        if (refinement?.points.length === 1) overwrite(original, out);
      };
      const few = { original, steps: 2, parts: 'factors', cacheDir: at(what) } as const;
      await expect(refine(out.slice(folder.length + 1), few, { progress })).rejects.toMatchObject({
        code: 'IO',
        message: expect.stringMatching(`changed while .*${said}`) as string,
      });
      expect(existsSync(out) && readFileSync(out, 'utf8')).toBe(what === 'its output' && 'of others');
      expect(kept(at(what))).toContain('progress.json');
    },
  );

  it('rejects what cannot be refined, naming it', async () => {
    const rejects = (changed: Partial<RunRefinementParams>, code: string, message: RegExp) =>
      expect(refine('no.gguf', changed)).rejects.toMatchObject({
        code,
        message: expect.stringMatching(message) as string,
      });
    await rejects({ path: at('llama') }, 'REQUEST', /Only GGUF files can be refined/);
    await rejects({ original: sampleFolder }, 'REQUEST', /was not made from it/);
    await rejects({ tokens: 16, context: 16, text: at('short.txt') }, 'IO', /short\.txt/);
    await rejects({ batch: 1_000_000_000 }, 'REQUEST', /text has 22 windows to learn from/);
    await rejects({ out: settings.path }, 'REQUEST', /start\.gguf/);
    expect(existsSync(at('no.gguf'))).toBe(false);
  });

  it('keeps back windows from all over the text', () => {
    expect(splitText(2)).toEqual({ learned: [0], heldBack: [1] });
    const { learned, heldBack } = splitText(240);
    expect(heldBack).toHaveLength(16);
    expect(heldBack[0]).toBe(7);
    expect(heldBack.at(-1)).toBe(232);
    expect([...learned, ...heldBack].sort((a, b) => a - b)).toEqual(Array.from({ length: 240 }, (_, i) => i));
  });
});
