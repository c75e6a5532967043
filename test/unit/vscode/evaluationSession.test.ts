import { describe, expect, it } from 'vitest';
import type { EvaluationActivity } from '../../../src/protocol/evaluationView';
import { Evaluations, EvaluationSession } from '../../../src/vscode/evaluationSession';
import { FakeEngine, FakeLog, settle } from '../../support/fakeHost';

function setUp(stored: () => readonly { id: string }[] = () => []) {
  const engine = new FakeEngine({ 'evaluation/stored': stored as () => [] });
  const log = new FakeLog();
  const session = new EvaluationSession({ path: '/m.gguf' }, engine, log, '/cache');
  const shown: EvaluationActivity[] = [];
  const results: unknown[] = [];
  session.onEvent(({ name, payload }) => {
    if (name === 'evaluation') shown.push(payload);
    else results.push(payload);
  });
  return { engine, log, session, shown, results };
}
const settings = { text: '/t.txt', device: 'cpu' } as const;
const place = { path: '/m.gguf', cacheDir: '/cache' };
const progress = { message: '', done: 1, total: 2 };

describe('an evaluation', () => {
  it('runs under its title, reports its curve and ends with its result', async () => {
    const { engine, session, shown, results } = setUp(() => [{ id: 'x' }]);
    const run = session.evaluate(settings, 'Q4_K_M on t.txt');
    const call = engine.last('evaluation/run');
    expect([call.options.title, call.params]).toEqual(['Q4_K_M on t.txt', { ...place, ...settings }]);
    const curve = [{ windows: 1, perplexity: 8 }];
    call.options.onProgress!({ ...progress, curve: curve as never });
    call.options.onProgress!({ ...progress, done: 2 });
    await call.answer({ id: 'x' });
    expect(await run).toEqual({ id: 'x' });
    const activity = { what: 'evaluation', title: 'Q4_K_M on t.txt' };
    expect(shown).toStrictEqual([
      activity,
      { ...activity, progress: { ...progress, curve }, curve },
      { ...activity, progress: { ...progress, done: 2 }, curve },
      { ...activity, progress: { ...progress, done: 2 }, curve, outcome: { kind: 'evaluated', id: 'x' } },
    ]);
    expect([results, session.activity]).toEqual([[[{ id: 'x' }]], shown.at(-1)]);
  });

  it('says why its result is not kept', async () => {
    const { engine, session } = setUp();
    const run = session.evaluate(settings, 'x');
    await engine.last('evaluation/run').answer({ id: 'x', notKept: 'the disk is full' });
    await run;
    const outcome = { kind: 'evaluated', id: 'x', notKept: 'the disk is full' };
    expect(session.activity).toStrictEqual({ what: 'evaluation', title: 'x', outcome });
  });

  it('is a success even where the list of results cannot be read', async () => {
    const { engine, log, session, results } = setUp(() => {
      throw new Error('unreadable');
    });
    const run = session.evaluate(settings, 'x');
    await engine.last('evaluation/run').answer({ id: 'x' });
    await run;
    expect(session.activity!.outcome).toStrictEqual({ kind: 'evaluated', id: 'x' });
    expect([log.lines, results]).toEqual([['Stored results: unreadable'], []]);
  });

  it.each([
    ['ENGINE_DIED', 'engine-died'],
    ['REQUEST', 'failed'],
  ] as const)('that ends with %s is shown as "%s" and can be repeated', async (code, kind) => {
    const { engine, log, session } = setUp();
    const run = session.evaluate(settings, 'x');
    await engine.last('evaluation/run').fail(code, 'why');
    expect(await run).toBeUndefined();
    expect([session.activity!.outcome, log.lines]).toEqual([{ kind, message: 'why' }, ['x: why']]);
    const again = session.repeat();
    expect(engine.of('evaluation/run').map(({ params, options }) => [params, options.title])).toEqual(
      Array(2).fill([{ ...place, ...settings }, 'x']),
    );
    session.cancel();
    await again;
    expect(session.activity!.outcome).toEqual({ kind: 'cancelled' });
    expect([log.lines, engine.forgiven]).toEqual([['x: why'], 1]);
  });

  it('that fails by a fault of the program is a failure', async () => {
    const engine = new FakeEngine({
      'evaluation/run': () => {
        throw new TypeError('x is undefined');
      },
    });
    const session = new EvaluationSession({ path: '/m.gguf' }, engine, new FakeLog(), '/cache');
    expect(await session.evaluate(settings, 'x')).toBeUndefined();
    expect(session.activity!.outcome).toEqual({ kind: 'failed', message: 'x is undefined' });
  });

  it('is the only one of its model, and reports nothing once that is closed', async () => {
    const { engine, session, shown, results } = setUp();
    const run = session.evaluate(settings, 'x');
    await expect(session.calibrate({ ...settings, out: '/i.gguf' }, 'y')).rejects.toMatchObject({
      code: 'REQUEST',
      message: 'An evaluation of this model is already running.',
    });
    session.dispose();
    expect(await run).toBeUndefined();
    const removing = session.remove('x');
    await engine.last('evaluation/remove').answer(undefined);
    await removing;
    expect([shown.length, results]).toEqual([1, []]);
    expect(engine.last('evaluation/run').options.signal!.aborted).toBe(true);
  });
});

describe('an importance matrix', () => {
  const calibration = { ...settings, out: '/i.gguf' };

  it('is computed like an evaluation, and again on request', async () => {
    const { engine, session, shown, results } = setUp();
    const run = session.calibrate(calibration, 'Importance');
    const call = engine.last('calibration/run');
    expect([call.params, call.options.title]).toEqual([{ path: '/m.gguf', ...calibration }, 'Importance']);
    await call.answer({ chunks: 3 });
    expect(await run).toEqual({ chunks: 3 });
    const activity = { what: 'calibration', title: 'Importance' };
    expect(shown).toEqual([
      activity,
      { ...activity, outcome: { kind: 'calibrated', result: { chunks: 3 } } },
    ]);
    const again = session.repeat();
    expect(engine.last('calibration/run')).not.toBe(call);
    expect(engine.last('calibration/run').params).toEqual(call.params);
    await engine.last('calibration/run').fail('REQUEST', 'why');
    await again;
    expect([session.activity!.outcome, results]).toEqual([{ kind: 'failed', message: 'why' }, []]);
  });
});

describe('stored results', () => {
  it('are read, paired and removed', async () => {
    const { engine, session, results } = setUp(() => [{ id: 'left' }]);
    expect(await session.stored()).toEqual([{ id: 'left' }]);
    expect(engine.last('evaluation/stored').params).toEqual(place);
    const { signal } = new AbortController();
    void session.pair('a', 'b', signal);
    void session.pair('b', 'a');
    expect(engine.of('evaluation/pair').map(({ params, options }) => [params, options])).toStrictEqual([
      [{ ...place, a: 'a', b: 'b' }, { signal }],
      [{ ...place, a: 'b', b: 'a' }, {}],
    ]);
    const removing = session.remove('gone');
    expect(engine.last('evaluation/remove').params).toEqual({ ...place, id: 'gone' });
    expect(results).toEqual([]);
    await engine.last('evaluation/remove').answer(undefined);
    await removing;
    expect(results).toEqual([[{ id: 'left' }]]);
  });

  it('cannot be repeated or cancelled', async () => {
    const { engine, session } = setUp();
    session.cancel();
    await session.repeat();
    expect([engine.calls, session.activity]).toEqual([[], undefined]);
  });
});

describe('the evaluations of all models', () => {
  it('are one session each, until the window closes', async () => {
    const engine = new FakeEngine();
    const evaluations = new Evaluations(engine, new FakeLog(), '/cache');
    const [a, b, idle] = ['/a', '/b', '/c'].map((path) => evaluations.get({ path })) as [
      ...[EvaluationSession, EvaluationSession, EvaluationSession],
    ];
    expect(idle.activity).toBeUndefined();
    expect(evaluations.get({ path: '/a' })).toBe(a);
    expect(evaluations.get({ path: '/b' })).toBe(b);
    expect(a).not.toBe(b);
    const runs = [a.evaluate(settings, 'x'), b.evaluate(settings, 'y')];
    expect(engine.calls.map(({ params }) => params)).toEqual([
      { path: '/a', cacheDir: '/cache', ...settings },
      { path: '/b', cacheDir: '/cache', ...settings },
    ]);
    evaluations.dispose();
    await Promise.all(runs);
    await settle();
    expect(engine.calls.map(({ options }) => options.signal!.aborted)).toEqual([true, true]);
    expect(evaluations.get({ path: '/a' })).not.toBe(a);
  });

  it('are about one file of a model where that is what an editor shows', () => {
    const engine = new FakeEngine();
    const evaluations = new Evaluations(engine, new FakeLog(), '/cache');
    const model = { path: '/a', alone: true };
    const alone = evaluations.get(model);
    expect(alone).not.toBe(evaluations.get({ path: '/a' }));
    expect(evaluations.get({ ...model })).toBe(alone);
    void alone.evaluate(settings, 'x');
    void alone.stored();
    void alone.pair('1', '2');
    void alone.remove('1');
    for (const { method, params } of engine.calls) expect(params, method).toMatchObject(model);
    expect(engine.calls).toHaveLength(4);
    evaluations.dispose();
  });

  it('compute importance matrices of one file, too', () => {
    const engine = new FakeEngine();
    const evaluations = new Evaluations(engine, new FakeLog(), '/cache');
    void evaluations
      .get({ path: '/a', alone: true })
      .calibrate({ text: '/t', device: 'cpu', out: '/o' }, 'x');
    expect(engine.last('calibration/run').params).toMatchObject({ path: '/a', alone: true, text: '/t' });
    evaluations.dispose();
  });
});
