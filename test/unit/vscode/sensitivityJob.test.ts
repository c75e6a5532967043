import { afterEach, describe, expect, it, vi } from 'vitest';
import type { SensitivityTable } from '../../../src/protocol/plan';
import type { JobState } from '../../../src/protocol/editorState';
import { SensitivityJob, type MeasuringSettings } from '../../../src/vscode/sensitivityJob';
import { FakeEngine, FakeLog, FakeNotices, settle } from '../../support/fakeHost';

const text = { file: '/texts/short.txt', tokens: 2048 };
const byWeights = 'Sensitivity from the weights alone';
const progress = (done: number) => ({ message: 'x', done, total: 9 });
const table = (name: string) => ({ modelHash: name }) as SensitivityTable;
const running = (title: string, more: object = {}): JobState => ({ kind: 'running', title, ...more });

interface Shown extends Partial<MeasuringSettings> {
  readonly showsGains?: boolean;
}

/** A job whose engine estimates 12 seconds and leaves the rest to the test. */
function setUp(estimate: () => object = () => ({}), { showsGains = false, ...chosen }: Shown = {}) {
  const measuring: { -readonly [K in keyof MeasuringSettings]: MeasuringSettings[K] } = {
    codes: 'reference',
    backend: 'cpu',
    ...chosen,
  };
  const engine = new FakeEngine({
    'sensitivity/estimate': ({ text: asked }) =>
      ({ seconds: 12, ...(asked === undefined ? {} : { text }), ...estimate() }) as never,
  });
  const [log, notices, life] = [new FakeLog(), new FakeNotices(), new AbortController()];
  const states: JobState[] = [];
  const shown: unknown[] = [];
  const job = new SensitivityJob(
    () => ({ path: '/m.gguf', alone: true }),
    ...([engine, log, notices] as const),
    {
      ...{ cacheDir: '/cells', evidenceDir: '/evidence', device: () => 'cpu' as const },
      ...{ measuring: () => measuring, showsGains: () => showsGains },
    },
    {
      job: (state) => states.push(state),
      table: ({ modelHash }) => shown.push(modelHash),
      done: ({ modelHash }, by) => shown.push(['done', modelHash, by]),
    },
    life.signal,
  );
  return { engine, log, notices, life, states, shown, job, measuring };
}

afterEach(() => void vi.useRealTimers());

describe('a sensitivity analysis', () => {
  it('measures gains for few bits over the text of the others, and ends with what is kept of both', async () => {
    const chosen = { showsGains: true, tokens: 64, sampleBlocks: 3 };
    const { engine, shown, job, measuring } = setUp(undefined, chosen);
    const named = job.stored();
    const run = job.run(undefined, undefined, { text: '/t.txt', tokens: 512, context: 256 });
    await settle();
    const call = engine.last('sensitivity/run');
    expect(call.params).toStrictEqual({
      ...{ path: '/m.gguf', alone: true, device: 'cpu', cacheDir: '/cells' },
      ...{ text: '/t.txt', tokens: 512, context: 256, sampleBlocks: 3, fewBits: true },
    });
    measuring.imatrix = '/later.gguf'; // settings that are changed meanwhile are those of the next run
    await call.answer(table('few alone'));
    const kept = engine.last('sensitivity/stored');
    expect(kept.params).toStrictEqual(named);
    await kept.answer(table('both'));
    expect(await run).toBe(true);
    expect(shown).toEqual([['done', 'both', '/t.txt']]);
  });

  it('is estimated as the usual run, whatever the last one was asked for', async () => {
    const { engine, states, job } = setUp(undefined, { tokens: 64 });
    void job.run('/texts/t.txt', ['Q4_K']);
    await settle();
    const shown = states.length;
    const { signal } = new AbortController();
    expect(await job.estimate(signal)).toEqual({ seconds: 12 });
    const { params, options } = engine.last('sensitivity/estimate');
    expect(params).toStrictEqual({
      ...{ path: '/m.gguf', alone: true, device: 'cpu', cacheDir: '/cells', tokens: 64 },
    });
    expect(options.signal).toBe(signal);
    expect(states).toHaveLength(shown); // nothing runs for the page
  });

  it('shows what runs and about how long it takes, and ends with the table', async () => {
    const { engine, states, shown, job } = setUp();
    expect(job.job).toEqual({ kind: 'idle' });
    const run = job.run();
    const params = { path: '/m.gguf', alone: true, device: 'cpu', cacheDir: '/cells' };
    expect(engine.last('sensitivity/estimate').params).toStrictEqual(params);
    await settle();
    const call = engine.last('sensitivity/run');
    expect([call.params, call.options.title]).toStrictEqual([params, byWeights]);
    call.options.onProgress!(progress(3));
    expect(job.job).toEqual(running(byWeights, { progress: progress(3) }));
    await call.answer(table('whole'));
    await run;
    expect(states).toEqual([
      running('Sensitivity'),
      running(`${byWeights}, about 12 s`),
      running(byWeights, { progress: progress(3) }),
      { kind: 'idle' },
    ]);
    expect([shown, engine.of('sensitivity/stored')]).toEqual([[['done', 'whole', undefined]], []]);
  });

  it('names the text that it runs over: the one that was asked for, then the one that is taken', async () => {
    const { engine, states, shown, job } = setUp();
    const run = job.run('/texts/long.txt');
    await settle();
    const call = engine.last('sensitivity/run');
    expect(call.params['text']).toBe('/texts/long.txt');
    await call.answer(table('whole'));
    await run;
    expect(states.slice(0, 2)).toEqual([
      running('Sensitivity over long.txt'),
      running('Sensitivity over short.txt, about 12 s'),
    ]);
    expect(shown).toEqual([['done', 'whole', '/texts/long.txt']]);
  });

  it.each([
    ['without a text keeps the gains that are shown', undefined, { showsGains: true }, { keptGains: true }],
    ['with a text replaces them', '/t.txt', { showsGains: true }, { text: '/t.txt' }],
    ['encodes with the chosen matrix', undefined, { imatrix: '/i.gguf' }, { imatrix: '/i.gguf' }],
    ['measures over as many tokens as the user chose', undefined, { tokens: 4096 }, { tokens: 4096 }],
    [
      'takes gains from gradients where the user chose that',
      undefined,
      { curvature: true },
      { curvature: true },
    ],
    [
      'measures the codes that the user chose',
      '/t.txt',
      { codes: 'optimised', backend: 'gpu' },
      { text: '/t.txt', optimised: { evidenceDir: '/evidence', backend: 'gpu' } },
    ],
  ] as [string, string | undefined, Shown, object][])('%s', async (_, over, shown, expected) => {
    const { engine, job } = setUp(undefined, shown);
    void job.run(over);
    await settle();
    const params = { path: '/m.gguf', alone: true, device: 'cpu', cacheDir: '/cells', ...expected };
    expect(engine.last('sensitivity/estimate').params).toStrictEqual(params);
    expect(engine.last('sensitivity/run').params).toStrictEqual(params);
  });

  it('measures what the settings ask for, or the formats that it is given', async () => {
    const chosen = { codes: 'optimised', lattices: true, backend: 'gpu' } as const;
    const { engine, job } = setUp(() => ({}), chosen);
    const run = job.run();
    const place = { path: '/m.gguf', alone: true, cacheDir: '/cells' };
    const optimised = { evidenceDir: '/evidence', backend: 'gpu' };
    const params = { ...place, device: 'cpu', optimised };
    expect(engine.last('sensitivity/estimate').params).toStrictEqual({ ...params, lattices: true });
    expect(job.stored()).toStrictEqual({ ...place, backend: 'gpu' });
    await settle();
    await engine.last('sensitivity/run').answer(table('whole'));
    expect(await run).toBe(true);
    const named = job.run(undefined, ['Q4_K']);
    expect(engine.last('sensitivity/estimate').params).toStrictEqual({ ...params, formats: ['Q4_K'] });
    job.cancel();
    await settle();
    await engine.last('sensitivity/stored').answer(undefined);
    expect(await named).toBe(false);
  });

  it('is the only one of its model, which another may follow', async () => {
    const { engine, states, job } = setUp();
    const run = job.run();
    await settle();
    await job.run('/t.txt');
    job.reset();
    expect(states).toEqual([running('Sensitivity'), running(`${byWeights}, about 12 s`)]);
    await engine.last('sensitivity/run').answer(table('whole'));
    await run;
    void job.run();
    await settle();
    expect(engine.of('sensitivity/run')).toHaveLength(2);
  });

  it('shows nothing any more once its model is released, and starts no other', async () => {
    const { engine, log, notices, life, states, shown, job } = setUp();
    const run = job.run();
    await settle();
    const before = states.length;
    life.abort();
    await run;
    await job.run();
    expect([states.length, shown, log.lines, notices.shown]).toEqual([before, [], [], []]);
    expect(engine.of('sensitivity/estimate')).toHaveLength(1);
  });
});

describe('cells of a running analysis', () => {
  async function started() {
    vi.useFakeTimers({ toFake: ['Date'], now: 0 });
    const all = setUp();
    const run = all.job.run();
    await settle();
    const call = all.engine.last('sensitivity/run');
    const at = (ms: number): number => {
      vi.setSystemTime(ms);
      call.options.onProgress!(progress(1));
      return all.engine.of('sensitivity/stored').length;
    };
    return { ...all, run, call, at };
  }

  it('are read after a second, one reading at a time, and never for more than a tenth of the time', async () => {
    const { engine, at, shown } = await started();
    expect([at(999), at(1000), at(1500)]).toEqual([0, 1, 1]);
    expect(engine.last('sensitivity/stored').params).toEqual({
      ...{ path: '/m.gguf', alone: true, cacheDir: '/cells', backend: 'cpu' },
    });
    await engine.last('sensitivity/stored').answer(table('first')); // after half a second
    expect([shown, at(6499), at(6500)]).toEqual([['first'], 1, 2]);
    await engine.last('sensitivity/stored').answer(undefined);
    expect([shown, at(7499), at(7500)]).toEqual([['first'], 2, 3]);
  });

  it('that cannot be read are logged, and the analysis continues', async () => {
    const { engine, at, log, job, shown, call, run } = await started();
    at(1000);
    await engine.last('sensitivity/stored').fail('MODEL_FILE', 'It is torn.');
    expect([log.lines, job.job.kind]).toEqual([['Cells of a running analysis: It is torn.'], 'running']);
    await call.answer(table('whole'));
    await run;
    expect(shown).toEqual([['done', 'whole', undefined]]);
  });

  it('that are being read are shown before the result', async () => {
    const { engine, at, call, run, shown } = await started();
    at(1000);
    await call.answer(table('whole'));
    expect(shown).toEqual([]);
    await engine.last('sensitivity/stored').answer(table('part'));
    await run;
    expect(shown).toEqual(['part', ['done', 'whole', undefined]]);
  });

  it('are shown when it fails, after those that are being read', async () => {
    const { engine, at, call, run, shown, job } = await started();
    at(1000);
    await call.fail('REQUEST', 'why');
    expect(engine.of('sensitivity/stored')).toHaveLength(1);
    await engine.last('sensitivity/stored').answer(table('part'));
    await engine.last('sensitivity/stored').answer(table('rest'));
    await run;
    expect([shown, job.job.kind]).toEqual([['part', 'rest'], 'failed']);
  });

  it('of a model that was released are not shown', async () => {
    const { at, life, run, shown, log } = await started();
    at(1000);
    life.abort();
    await run;
    expect([shown, log.lines]).toEqual([[], []]);
  });
});

describe('an analysis that fails', () => {
  it('says why, and is forgotten on request', async () => {
    const { log, notices, job, engine } = setUp(() => {
      throw new Error('no text');
    });
    const run = job.run();
    await settle();
    await engine.last('sensitivity/stored').answer(undefined);
    await run;
    expect(job.job).toEqual({ kind: 'failed', title: 'Sensitivity', message: 'no text' });
    expect([log.lines, notices.shown]).toEqual([['Sensitivity: no text'], []]);
    await job.resume();
    expect([engine.of('sensitivity/estimate').length, engine.forgiven]).toEqual([1, 0]);
    job.reset();
    expect(job.job).toEqual({ kind: 'idle' });
  });

  it('with its process can be resumed, also after the notice was closed', async () => {
    const { engine, log, notices, job } = setUp();
    const run = job.run('/texts/long.txt');
    await settle();
    await engine.last('sensitivity/run').fail('ENGINE_DIED', 'killed');
    await engine.last('sensitivity/stored').answer(undefined);
    await run;
    const title = 'Sensitivity over short.txt';
    expect(job.job).toEqual({ kind: 'engine-died', title, message: 'killed', resumable: true });
    expect(log.lines).toEqual([`${title}: killed`]);
    expect(notices.shown).toEqual([`${title}: the engine process ended. Finished work is kept.`]);
    await notices.close();
    expect(engine.of('sensitivity/run')).toHaveLength(1);
    void job.resume();
    await settle();
    expect(engine.of('sensitivity/run').map(({ params }) => params['text'])).toEqual(
      Array(2).fill('/texts/long.txt'),
    );
    expect(engine.forgiven).toBe(1);
    await job.resume(); // it runs already
    expect(engine.of('sensitivity/run')).toHaveLength(2);
  });
});
