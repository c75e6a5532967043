import { afterEach, describe, expect, it, vi } from 'vitest';
import { join } from 'node:path';
import { makePlan } from '../../../src/ampq/planFile';
import { modelHash } from '../../../src/model/identity';
import type { PlanBeside } from '../../../src/protocol/planResults';
import type { SensitivityTable } from '../../../src/protocol/plan';
import type { ModelSession } from '../../../src/vscode/modelSession';
import { settle } from '../../support/fakeHost';
import { device, modelOf, setUpSession, tableOf } from '../../support/sessionSetUp';

afterEach(() => void vi.useRealTimers());

describe('opening', () => {
  it('reads once for editors that open together, and probes one device for all models', async () => {
    const { engine, sessions, session, folder } = setUpSession();
    const other = sessions.get(join(folder, 'other.gguf'));
    const states = await Promise.all([session.load(), session.load(), other.load()]);
    await settle();
    expect(engine.of('model/open')).toHaveLength(2);
    expect(engine.of('device/probe')).toHaveLength(1);
    expect(states.map(({ revision }) => revision)).toEqual([1, 1, 1]);
    expect((await session.load()).device).toEqual(device);
    expect(engine.of('device/probe')).toHaveLength(1);
  });

  it('tells all editors of the device, and probes again on request alone', async () => {
    const { engine, devices, session, heard } = setUpSession();
    await session.load();
    await settle();
    await devices.refresh();
    expect(engine.of('device/probe').map(({ params }) => params['refresh'])).toEqual([false, true]);
    expect(heard('device')).toEqual([device, device]);
  });

  it('keeps the revision while the files are the same', async () => {
    const { session } = setUpSession();
    await session.load();
    expect((await session.load()).revision).toBe(1);
  });
});

describe('settings', () => {
  it('are those of the folder of the workspace that holds the model', async () => {
    const { engine, context, session, folder } = setUpSession();
    const asked = vi.spyOn(context, 'measuringOf');
    await session.load();
    expect(engine.last('sensitivity/stored').params).toMatchObject({ backend: 'cpu' });
    expect(asked).toHaveBeenCalledWith(session.path, folder);
  });

  it('that name measurements show others when they are changed, by which the plan is solved at its size', async () => {
    const imatrix = { file: 'i.gguf', hash: 'of i' };
    const tables = (folder: string) => {
      const plain = tableOf(modelOf(folder));
      return { plain, weighted: { ...plain, imatrix } };
    };
    const stored = (folder: string): SensitivityTable | undefined => {
      const { imatrix: named } = context.measuringOf('', folder);
      if (named === 'none.gguf') return undefined;
      return named === undefined ? tables(folder).plain : tables(folder).weighted;
    };
    const { context, session, heard } = setUpSession({ stored: (folder) => stored(folder) });
    await session.load();
    session.plans.solve({ kind: 'bits-per-weight', value: 8.5 });
    const measuring = vi.spyOn(context, 'measuringOf');
    const change = (named: string): Promise<void> => {
      measuring.mockReturnValue({ codes: 'reference', backend: 'cpu', imatrix: named });
      return session.measuringChanged();
    };
    await change('none.gguf');
    expect([session.sensitivity?.imatrix, heard('sensitivity').length]).toEqual([undefined, 1]);
    await change('i.gguf');
    expect([session.sensitivity?.imatrix, session.plan?.imatrix]).toEqual([imatrix, imatrix]);
    expect(session.plan!.total.bitsPerWeight).toBe(8.5);
    expect(heard('sensitivity').at(-1)!.measuredWith).toEqual({ imatrix });
    const told = heard('plan').length;
    await session.measuringChanged();
    expect(heard('plan')).toHaveLength(told);
  });
});

describe('files that change', () => {
  it('are read again as a message; the plan and what was measured for the old ones go', async () => {
    const { session, files, heard } = setUpSession({
      stored: (folder) => tableOf(modelOf(folder, files.mtimeMs)),
    });
    await session.load();
    session.plans.solve({ kind: 'bits-per-weight', value: 4.5 });
    const old = session.plan!.model.hash;
    expect(old).toBe(session.sensitivity!.modelHash);
    files.mtimeMs = 2;
    await session.reload();
    expect(heard('opened').map(({ revision }) => revision)).toEqual([2]);
    expect(session.plan!.model.hash).toBe(modelHash(session.description!));
    expect(session.plan!.model.hash).not.toBe(old);
  });

  it('end a running analysis of the old ones', async () => {
    const { engine, session, files } = setUpSession();
    await session.load();
    const run = session.runSensitivity();
    await settle();
    files.mtimeMs = 2;
    await session.reload();
    await run;
    expect([session.job.kind, engine.last('sensitivity/run').options.signal!.aborted]).toEqual([
      'idle',
      true,
    ]);
  });

  it('clear the outcome of an analysis of the old ones', async () => {
    const { engine, session, files } = setUpSession();
    await session.load();
    const run = session.runSensitivity();
    await settle();
    await engine.last('sensitivity/run').fail('REQUEST', 'why');
    await run;
    expect(session.job.kind).toBe('failed');
    files.mtimeMs = 2;
    await session.reload();
    expect(session.job).toEqual({ kind: 'idle' });
  });

  it('that cannot be read are reported, and recover with the next reading', async () => {
    const { engine, session, heard } = setUpSession();
    await session.load();
    const call = engine.call.bind(engine);
    engine.call = () => Promise.reject(new Error('It is torn.'));
    await session.reload();
    expect(heard('openFailed')).toEqual([{ message: 'It is torn.' }]);
    engine.call = call;
    await session.reload();
    expect(heard('opened')).toHaveLength(1);
  });

  it('are opened alone by a session of its own', async () => {
    const { engine, session, sessions } = setUpSession();
    const alone = sessions.get(session.path, true);
    expect(alone).not.toBe(session);
    expect(sessions.get(session.path)).toBe(session);
    await alone.load();
    expect(engine.last('model/open').params).toEqual({ path: session.path, alone: true });
    sessions.release(alone.key);
    expect(sessions.all()).toEqual([session]);
  });

  it('plans next to the model are used as the engine reads them; what is wrong with one is reported', async () => {
    const beside: PlanBeside[] = [{ problems: ['/m/b.ampq.json: The plan is not JSON.'] }];
    const { engine, session, folder, heard, notices, log } = setUpSession({ beside: () => beside.at(-1)! });
    await session.load();
    expect([session.plan, log.lines]).toEqual([undefined, ['/m/b.ampq.json: The plan is not JSON.']]);
    const plan = makePlan(tableOf(modelOf(folder)), { kind: 'bits-per-weight', value: 8.5 });
    const planFile = join(folder, 'a.ampq.json');
    beside.push({ found: { file: planFile, plan }, problems: [] });
    await session.plans.fileChanged(planFile);
    expect(engine.last('plan/beside').params).toEqual({ path: session.path, planFile });
    expect([session.plan, heard('plan').length, notices.shown]).toEqual([plan, 1, []]);
    expect(heard('savedPlans')).toEqual([{ revision: 1 }]);
    beside.push({ problems: ['Q9_K is not a format.'] });
    await session.plans.fileChanged(planFile);
    expect([heard('plan').length, notices.shown]).toEqual([1, ['Q9_K is not a format.']]);
    expect(session.plan).toBe(plan);
    session.plans.filesChanged();
    expect(heard('savedPlans').map(({ revision }) => revision)).toEqual([1, 2, 3]);
  });

  it('are not read again because the plan is solved again', async () => {
    const { engine, session, heard } = setUpSession({ stored: (folder) => tableOf(modelOf(folder)) });
    await session.load();
    for (const value of [4.5, 8.5]) session.plans.solve({ kind: 'bits-per-weight', value });
    await settle();
    expect(heard('savedPlans')).toEqual([]);
    expect(engine.of('plan/beside')).toHaveLength(1);
  });
});

describe('the sensitivity analysis', () => {
  const progress = (done: number) => ({ message: '', done, total: 9 });

  it('shows its cells while it runs and after it was cancelled', async () => {
    let formats: string[] = [];
    const { engine, session, heard } = setUpSession({
      stored: (folder) => (formats.length === 0 ? undefined : tableOf(modelOf(folder), formats)),
    });
    await session.load();
    vi.useFakeTimers({ toFake: ['Date'] });
    const run = session.runSensitivity();
    await settle();
    const { onProgress } = engine.last('sensitivity/run').options;
    formats = ['Q4_K'];
    onProgress!(progress(1)); // too soon to look
    expect(engine.of('sensitivity/stored')).toHaveLength(1);
    vi.setSystemTime(Date.now() + 1001);
    onProgress!(progress(2));
    await settle();
    const cells = () => [heard('sensitivity').length, session.sensitivity!.rows[0]!.cells.length];
    expect(cells()).toEqual([1, 1]);
    formats = ['Q4_K', 'Q8_0'];
    session.cancelJob();
    await run;
    expect([session.job.kind, ...cells()]).toEqual(['idle', 2, 2]);
  });

  it('ends with a plan', async () => {
    const { engine, session, heard, folder } = setUpSession();
    await session.load();
    const run = session.runSensitivity('/texts/calibration.txt');
    await settle();
    const title = 'Sensitivity over calibration.txt';
    expect(session.job).toEqual({ kind: 'running', title: `${title}, about 2 min` });
    const { options } = engine.last('sensitivity/run');
    expect(options.title).toBe(title);
    const progress = { done: 1, total: 3, message: 'output.weight', secondsLeft: 80 };
    options.onProgress!(progress);
    expect(session.job).toEqual({ kind: 'running', title, progress });
    await engine.last('sensitivity/run').answer(tableOf(modelOf(folder)));
    await run;
    expect(heard('plan').map(({ formats }) => formats)).toEqual([[{ format: 'Q4_K', bits: 4.5 }]]);
    expect(session.plan!.assignments.map(({ format }) => format)).toEqual(['Q4_K']);
    expect(heard('job').at(-1)).toEqual({ kind: 'idle' });
  });

  it('that was cancelled shows no result that was on its way: it may be of the files before', async () => {
    const { engine, session, heard, folder, files } = setUpSession();
    await session.load();
    const run = session.runSensitivity();
    await settle();
    const call = engine.last('sensitivity/run');
    const answered = call.answer(tableOf(modelOf(folder)));
    files.mtimeMs = 2;
    session.cancelJob();
    await answered;
    await run;
    expect([session.sensitivity, session.job.kind, heard('plan')]).toEqual([undefined, 'idle', []]);
  });

  it('resumes alone after its process ended: the run of another model is not touched', async () => {
    const { engine, notices, sessions, session, folder } = setUpSession();
    const other = sessions.get(join(folder, 'other.gguf'));
    for (const item of [session, other]) await item.load();
    const runs = [session.runSensitivity('/t.txt'), other.runSensitivity()];
    await settle();
    for (const call of engine.of('sensitivity/run')) await call.fail('ENGINE_DIED', 'killed');
    await Promise.all(runs);
    expect([session, other].map(({ job }) => job.kind)).toEqual(['engine-died', 'engine-died']);
    await notices.choose('Restart and Resume');
    await notices.choose('Restart and Resume');
    await settle();
    const again = engine.of('sensitivity/run').slice(2);
    expect(again.map(({ params }) => params['text'])).toEqual(['/t.txt', undefined]);
    expect(again.map(({ options }) => options.signal!.aborted)).toEqual([false, false]);
    expect([session, other].map(({ job }) => job.kind)).toEqual(['running', 'running']);
  });

  it('is resumed by the editor', async () => {
    const { engine, session } = setUpSession();
    await session.load();
    const run = session.runSensitivity('/t.txt');
    await settle();
    await engine.last('sensitivity/run').fail('ENGINE_DIED', 'killed');
    await run;
    void session.resumeJob();
    await settle();
    expect(engine.of('sensitivity/run').map(({ params }) => params['text'])).toEqual(['/t.txt', '/t.txt']);
  });

  it('is not resumed twice, by the notice and by the editor', async () => {
    const { engine, notices, session } = setUpSession();
    await session.load();
    const run = session.runSensitivity();
    await settle();
    await engine.last('sensitivity/run').fail('ENGINE_DIED', 'killed');
    await run;
    const resumed = session.resumeJob();
    await notices.choose('Restart and Resume');
    await settle();
    expect(engine.of('sensitivity/run')).toHaveLength(2);
    await engine.last('sensitivity/run').fail('REQUEST', 'There is nothing to measure.');
    await resumed;
    expect(session.job).toEqual({
      kind: 'failed',
      title: 'Sensitivity from the weights alone',
      message: 'There is nothing to measure.',
    });
  });
});

describe('closing the last editor', () => {
  it('cancels everything that it started', async () => {
    const { engine, sessions, session, heard } = setUpSession();
    await session.load();
    const work = [
      session.runSensitivity(),
      session.compare(['a'], ['Q4_K']),
      session.compareWith('/models/other.gguf'),
    ];
    await settle();
    const before = heard('job').length;
    sessions.activate(session);
    const active: (ModelSession | undefined)[] = [];
    sessions.onActive((item) => active.push(item));
    sessions.release(session.path);
    await Promise.all(work);
    for (const method of ['sensitivity/run', 'tensor/compare', 'model/compare'] as const)
      expect(engine.last(method).options.signal!.aborted, method).toBe(true);
    expect([heard('job').length, active, sessions.active]).toEqual([before, [undefined], undefined]);
    expect(sessions.get(session.path)).not.toBe(session);
  });
});

describe('comparisons', () => {
  it('show the latest request alone', async () => {
    const { engine, session, heard } = setUpSession();
    await session.load();
    const first = session.compare(['a', 'b'], ['Q4_K']);
    const second = session.compare(['c'], ['Q8_0']);
    await settle();
    expect(engine.of('tensor/compare').map(({ options }) => options.signal!.aborted)).toEqual([true, false]);
    await engine.last('tensor/compare').answer({ tensor: 'c' });
    expect([(await first).error, (await second).done]).toEqual(['The request was cancelled.', true]);
    expect(heard('comparison').at(-1)).toMatchObject({
      tensors: ['c'],
      done: true,
      results: [{ tensor: 'c' }],
    });
  });

  it('are shown by an editor that opens while they run or after them, until the files change', async () => {
    const { engine, session, files, heard } = setUpSession();
    await session.load();
    const comparing = session.compare(['a'], ['Q4_K']);
    await settle();
    expect((await session.load()).comparison).toMatchObject({ tensors: ['a'], results: [], done: false });
    await engine.last('tensor/compare').answer({ tensor: 'a' });
    await comparing;
    const models = session.compareWith('/models/other.gguf');
    expect(heard('modelComparison')).toEqual([{ other: '/models/other.gguf' }]);
    const { params, options } = engine.last('model/compare');
    expect([params, options.title]).toEqual([
      { path: session.path, other: '/models/other.gguf' },
      'Comparison with other.gguf',
    ]);
    const { comparison, modelComparison } = await session.load();
    expect(comparison).toMatchObject({ tensors: ['a'], results: [{ tensor: 'a' }], done: true });
    expect(modelComparison).toEqual({ other: '/models/other.gguf' });
    files.mtimeMs = 2;
    const renewed = await session.load();
    expect([renewed.comparison, renewed.modelComparison]).toEqual([undefined, undefined]);
    await models;
  });
});
