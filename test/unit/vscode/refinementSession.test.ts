import { describe, expect, it } from 'vitest';
import type { RefinementActivity } from '../../../src/protocol/refinementView';
import { Refinements, RefinementSession } from '../../../src/vscode/refinementSession';
import { FakeEngine, FakeLog } from '../../support/fakeHost';

function setUp() {
  const engine = new FakeEngine();
  const log = new FakeLog();
  const session = new RefinementSession({ path: '/m.gguf' }, engine, log, '/cache');
  const shown: RefinementActivity[] = [];
  session.onEvent((activity) => shown.push(activity));
  return { engine, log, session, shown };
}
const panel = { original: '/o', text: '/t.txt', steps: 40 } as const;
const settings = { ...panel, device: 'cpu' } as const;
const request = { title: 'm.gguf → r.gguf', settings, out: '/r.gguf' };
const place = { path: '/m.gguf', cacheDir: '/cache' };
const point = (step: number, divergence: number) => ({ step, divergence });
const result = {
  ...{ out: '/r.gguf', steps: 40, best: point(40, 0.001), points: [point(0, 0.002), point(40, 0.001)] },
  ...{ tokens: { learned: 10, heldBack: 2 }, tensors: { trained: 3, all: 4 }, seconds: 1 },
};
const at = (step: number, ...points: ReturnType<typeof point>[]) => ({
  ...{ message: `step ${step}`, done: step, total: 40 },
  refinement: { steps: 40, points },
});

describe('a refinement', () => {
  it('shows its curve as it is measured, and its result', async () => {
    const { engine, session, shown } = setUp();
    const run = session.run(request);
    const call = engine.last('refinement/run');
    const { params, options } = call;
    expect([options.title, params]).toEqual([request.title, { ...place, ...settings, out: '/r.gguf' }]);
    options.onProgress!({ message: 'the original', done: 0, total: 40 });
    options.onProgress!(at(2, point(0, 0.002), point(2, 0.0015)));
    options.onProgress!({ message: 'step 3', done: 2, total: 40 });
    await call.answer(result);
    expect(await run).toEqual(result);
    const activity = { run: 1, title: request.title, settings: panel };
    const curve = { steps: 40, points: [point(0, 0.002), point(2, 0.0015)] };
    const progress = { message: 'step 3', done: 2, total: 40 };
    expect(shown.slice(0, 4)).toEqual([
      activity,
      { ...activity, progress: { message: 'the original', done: 0, total: 40 } },
      { ...activity, progress: { message: 'step 2', done: 2, total: 40 }, curve },
      { ...activity, progress, curve },
    ]);
    expect(session.activity).toEqual({
      ...{ ...activity, progress, curve: { steps: 40, points: result.points } },
      outcome: { kind: 'refined', result, wasStopped: false },
    });
  });

  it('that is stopped writes its best state and can be continued', async () => {
    const { engine, session } = setUp();
    const run = session.run(request);
    engine.last('refinement/run').options.onProgress!(at(4, point(0, 0.002), point(4, 0.0012)));
    session.stop();
    session.stop();
    expect(session.activity).toMatchObject({ isStopping: true });
    await expect.poll(() => engine.of('refinement/run').length).toBe(2);
    const call = engine.last('refinement/run');
    expect(call.params).toEqual({ ...place, ...settings, out: '/r.gguf', finish: true });
    const part = { ...result, steps: 4, points: [point(0, 0.002), point(4, 0.0012)] };
    await call.answer(part);
    expect(await run).toEqual(part);
    expect(session.activity).toMatchObject({
      curve: { steps: 40, points: part.points },
      outcome: { kind: 'refined', result: part, wasStopped: true },
    });
    expect(session.activity).not.toHaveProperty('isStopping');
    const more = session.continue();
    expect(session.activity).toMatchObject({ run: 2, curve: { steps: 40, points: part.points } });
    expect(session.activity).not.toHaveProperty('outcome');
    expect(engine.last('refinement/run').params).toEqual({ ...place, ...settings, out: '/r.gguf' });
    await engine.last('refinement/run').answer(result);
    await more;
    expect([engine.forgiven, session.result]).toEqual([1, result]);
  });

  it('that is stopped before a step was better than the start writes nothing', async () => {
    const { engine, log, session } = setUp();
    const run = session.run(request);
    engine.last('refinement/run').options.onProgress!(at(4, point(0, 0.002), point(4, 0.002)));
    session.stop();
    expect(await run).toBeUndefined();
    expect([session.activity!.outcome, engine.of('refinement/run').length]).toEqual([
      { kind: 'cancelled' },
      1,
    ]);
    expect(log.lines).toEqual([]);
  });

  it('that is cancelled as a job writes nothing, however good it was', async () => {
    const { engine, session } = setUp();
    const run = session.run(request);
    const call = engine.last('refinement/run');
    call.options.onProgress!(at(4, point(0, 0.002), point(4, 0.001)));
    await call.fail('CANCELLED' as never, 'The request was cancelled.');
    expect(await run).toBeUndefined();
    expect([session.activity!.outcome, engine.of('refinement/run').length]).toEqual([
      { kind: 'cancelled' },
      1,
    ]);
  });

  it.each([
    ['ENGINE_DIED', 'engine-died'],
    ['REQUEST', 'failed'],
  ] as const)('that ends with %s is shown as "%s"', async (code, kind) => {
    const { engine, log, session } = setUp();
    const run = session.run(request);
    await engine.last('refinement/run').fail(code, 'why');
    expect(await run).toBeUndefined();
    expect([session.activity!.outcome, log.lines]).toEqual([
      { kind, message: 'why' },
      [`${request.title}: why`],
    ]);
  });

  it('that fails after a step was better can still write that state', async () => {
    const { engine, session } = setUp();
    const run = session.run(request);
    engine.last('refinement/run').options.onProgress!(at(4, point(0, 0.002), point(4, 0.0012)));
    await engine.last('refinement/run').fail('REQUEST', 'numbers are not finite');
    await run;
    const finished = session.finish();
    expect(session.activity).toMatchObject({
      ...{ curve: { points: [point(0, 0.002), point(4, 0.0012)] }, isFinishing: true },
    });
    expect(engine.last('refinement/run').params).toEqual({
      ...place,
      ...settings,
      ...{ out: '/r.gguf', finish: true },
    });
    const part = { ...result, steps: 4, points: [point(0, 0.002), point(4, 0.0012)] };
    await engine.last('refinement/run').answer(part);
    await finished;
    expect(session.activity!.outcome).toEqual({ kind: 'refined', result: part, wasStopped: true });
  });

  it('after one that made all of its steps starts with an empty curve', async () => {
    const { engine, session } = setUp();
    const run = session.run(request);
    engine.last('refinement/run').options.onProgress!(at(40, point(0, 0.002), point(40, 0.001)));
    await engine.last('refinement/run').answer(result);
    await run;
    const again = session.run(request);
    expect(session.activity).toEqual({ run: 2, title: request.title, settings: panel });
    session.dispose();
    expect(await again).toBeUndefined();
  });

  it('of other settings starts with an empty curve', async () => {
    const { engine, session } = setUp();
    const run = session.run(request);
    engine.last('refinement/run').options.onProgress!(at(4, point(0, 0.002)));
    await engine.last('refinement/run').answer(result);
    await run;
    const other = session.run({ ...request, settings: { ...settings, steps: 10 } });
    expect(session.activity).toEqual({ run: 2, title: request.title, settings: { ...panel, steps: 10 } });
    session.dispose();
    expect(await other).toBeUndefined();
  });

  it('is the only one of its file', async () => {
    const { session } = setUp();
    void session.run(request);
    await expect(session.run(request)).rejects.toMatchObject({
      ...{ code: 'REQUEST', message: 'This file is already being refined.' },
    });
  });

  it('is the source of what is known of its files', async () => {
    const engine = new FakeEngine();
    const all = new Refinements(engine, new FakeLog(), '/cache');
    const run = all.get({ path: '/m.gguf' }).run(request);
    await engine.last('refinement/run').answer(result);
    await run;
    expect(['/r.gguf', '/m.gguf', '/x.gguf'].map((path) => all.originalOf(path))).toEqual([
      ...['/o', '/o', undefined],
    ]);
  });
});
