import { describe, expect, it } from 'vitest';
import type { QuantizationStep } from '../../../src/protocol/quantizationView';
import { Latest } from '../../../src/vscode/latest';
import { Quantizations, QuantizationSession } from '../../../src/vscode/quantizationSession';
import { FakeEngine, FakeLog, settle } from '../../support/fakeHost';

function setUp() {
  const engine = new FakeEngine();
  const log = new FakeLog();
  const session = new QuantizationSession({ path: '/m' }, engine, log, '/cache');
  const steps: QuantizationStep[] = [];
  session.onEvent((step) => steps.push(step));
  return { engine, log, session, steps };
}

const settings = { recipe: 'gptq-int4-g128', changes: { bits: 3 } };
const output = { out: '/m-gptq', device: 'cpu' } as const;
const request = { title: 't', settings, output };
const weight = (name: string) => ({
  name,
  bytes: 1,
  relativeError: 0,
  seconds: 1,
  evidence: 'none' as const,
});
const result = {
  ...{ out: '/m-gptq', fileBytes: 10, sourceBytes: 40, bitsPerWeight: 4.5, relativeError: 0.01, seconds: 2 },
  ...{ warnings: [], notes: ['n'] },
};

describe('a quantization of a whole model', () => {
  it('reports each finished matrix once and ends with its result', async () => {
    const { engine, session, steps } = setUp();
    const run = session.run({ ...request, title: 'gptq → m-gptq' });
    const call = engine.last('model/quantize');
    expect([call.options.title, call.params]).toEqual([
      'gptq → m-gptq',
      { path: '/m', cacheDir: '/cache', ...settings, ...output },
    ]);
    const progress = { message: 'a', done: 1, total: 3 };
    call.options.onProgress!({ ...progress, finished: [weight('a')] });
    call.options.onProgress!({ ...progress, done: 2, finished: [weight('b'), weight('c')] });
    await call.answer({ ...result, tensors: [], weights: [], files: [] });
    await run;
    expect(steps.map(({ before, finished }) => [before, finished.map(({ name }) => name)])).toEqual([
      [0, []],
      [0, ['a']],
      [1, ['b', 'c']],
      [3, []],
    ]);
    expect(steps.at(-1)!.outcome).toEqual({ kind: 'quantized', result });
    expect(steps.map((step) => step.settings)).toEqual([settings, settings, settings, settings]);
    expect(session.whole!.finished.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
    expect(session.result).toBe('/m-gptq');
  });

  it('is cancelled without a result, and another run starts without its matrices', async () => {
    const { engine, log, session, steps } = setUp();
    const run = session.run(request);
    engine.last('model/quantize').options.onProgress!({
      ...{ message: '', done: 1, total: 2, finished: [weight('a')] },
    });
    session.cancel();
    expect(await run).toBeUndefined();
    expect([steps.at(-1)!.outcome, log.lines, session.result]).toEqual([
      { kind: 'cancelled' },
      [],
      undefined,
    ]);
    void session.run(request);
    expect(session.whole).toMatchObject({ run: 2, before: 0, finished: [] });
    await expect(session.run(request)).rejects.toThrow('already being quantized');
    session.dispose();
  });

  it.each([
    ['ENGINE_DIED', 'engine-died'],
    ['REQUEST', 'failed'],
  ] as const)('that ends with %s is shown as "%s" and can be repeated', async (code, kind) => {
    const { engine, log, session } = setUp();
    const run = session.run(request);
    await engine.last('model/quantize').fail(code, 'why');
    await run;
    expect([session.activity!.outcome, log.lines]).toEqual([{ kind, message: 'why' }, ['t: why']]);
    const again = session.repeat();
    expect(engine.forgiven).toBe(1);
    await engine.last('model/quantize').answer(result);
    await again;
    expect(session.result).toBe('/m-gptq');
  });

  it('previews settings of several editors, which do not cancel each other', async () => {
    const { engine, session } = setUp();
    const { signal } = new AbortController();
    const all = ['a', 'b'].map((recipe) => session.preview({ recipe }, signal));
    const calls = engine.of('model/quantizePreview');
    expect(calls.map((call) => call.params)).toEqual([
      { path: '/m', cacheDir: '/cache', recipe: 'a' },
      { path: '/m', cacheDir: '/cache', recipe: 'b' },
    ]);
    for (const [i, call] of calls.entries()) await call.answer({ fileBytes: i });
    expect(await Promise.all(all)).toEqual([{ fileBytes: 0 }, { fileBytes: 1 }]);
  });
});

it('of requests of which the latest counts, each cancels the one before it', () => {
  const latest = new Latest();
  const page = new AbortController();
  const [first, second] = [latest.next(page.signal), latest.next(page.signal)];
  expect([first.aborted, second.aborted]).toEqual([true, false]);
  page.abort();
  expect(second.aborted).toBe(true);
});

it('results know the model that they were quantized from', async () => {
  const engine = new FakeEngine();
  const all = new Quantizations(engine, new FakeLog(), '/cache');
  const run = all.get({ path: '/m' }).run(request);
  expect(all.sourceOf('/m-gptq')).toBeUndefined();
  await engine.last('model/quantize').answer(result);
  await run;
  await settle();
  expect([all.sourceOf('/m-gptq'), all.get({ path: '/m' }) === all.get({ path: '/m' })]).toEqual([
    '/m',
    true,
  ]);
});
