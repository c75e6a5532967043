import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { assignmentDigest } from '../../../src/ampq/assignmentDigest';
import { makePlan, printPlan } from '../../../src/ampq/planFile';
import type { EngineProgress } from '../../../src/protocol/engine';
import type { PlanBeside } from '../../../src/protocol/planResults';
import { fromColumns } from '../../../src/protocol/columns';
import type { Certificate } from '../../../src/protocol/certificate';
import type { Plan } from '../../../src/protocol/plan';
import type { RivalOfModel } from '../../../src/protocol/rivalFile';
import { savedPlan, type SavedPlan } from '../../../src/protocol/savedPlans';
import { settle, type FakeEngine } from '../../support/fakeHost';
import { modelOf, setUpSession, tableOf } from '../../support/sessionSetUp';

const measured = () => setUpSession({ stored: (folder) => tableOf(modelOf(folder)) });
const theirs: RivalOfModel = {
  ...{ path: '/theirs/x.gguf', file: 'x.gguf', bytes: 400, formats: ['Q4_K'] },
  ...{ tensors: [{ tensor: 'a', type: 'Q4_K', bytes: 144 }], frame: { bytes: 100, alignment: 32 } },
};
const signal = new AbortController().signal;

/** The certificate that the engine gives a plan. */
const certificateOf = (plan: Parameters<typeof assignmentDigest>[0]): Certificate => ({
  text: { file: 't.txt', hash: 'h', context: 512, windows: 9, tokens: 99 },
  ...{ assignments: assignmentDigest(plan), roundActivations: false, rivals: [], notCompared: [] },
  measured: { mean: { value: 0.1, standardError: 0.01 }, median: 0.1, percentile99: 1, sameTopToken: 0.9 },
});

/** Answers the estimate of a measurement, which then starts. */
async function estimated(engine: FakeEngine, time = 1): Promise<void> {
  await expect.poll(() => engine.of('plan/certifyEstimate').length).toBe(time);
  await engine.last('plan/certifyEstimate').answer({ windows: 9, compared: 3, seconds: 240 });
  await expect.poll(() => engine.of('plan/certify').length).toBe(time);
}

const imatrix = { file: 'i.gguf', hash: 'i' };
const inFormat = ({ assignments }: Plan, format: string) => assignments.map((item) => ({ ...item, format }));

describe('a plan that is to beat a file', () => {
  it('is the best of at most its bytes, and is compared with its types', async () => {
    const { engine, session, heard } = measured();
    await session.load();
    const beating = session.plans.beat('/theirs/x.gguf');
    await settle();
    const call = engine.last('plan/rival');
    expect(call.params).toEqual({ path: session.path, rival: '/theirs/x.gguf', isOptimised: false });
    await call.answer(theirs);
    expect(await beating).toBe(true);
    expect(engine.of('sensitivity/run')).toEqual([]);
    const { budget, total, assignments } = session.plan!;
    expect(budget).toEqual({ kind: 'bytes', value: 400 });
    // Q8_0 would be 272 + 100 bytes padded to 388.
    expect([assignments[0]!.format, total.fileBytes]).toEqual(['Q8_0', 388]);
    expect(heard('plan').at(-1)).toMatchObject({ rival: '/theirs/x.gguf' });
    const other = await session.plans.other({ kind: 'rival', file: '/theirs/x.gguf' }, signal);
    expect([other.name, other.total]).toMatchObject([
      'x.gguf',
      { bytes: 144, fileBytes: 400, bitsPerWeight: 4.5 },
    ]);
    expect(fromColumns(other.assignments)[0]).toMatchObject({
      ...{ tensor: 'a', format: 'Q4_K', bytes: 144, relativeSquaredError: 1 / 4.5 },
    });
    session.plans.solve({ kind: 'bits-per-weight', value: 4.5 });
    expect(heard('plan').at(-1)).toMatchObject({ rival: '/theirs/x.gguf' });
  });

  it('measures what is missing of its types first', async () => {
    const { engine, session, folder } = measured();
    await session.load();
    const beating = session.plans.beat('/theirs/x.gguf');
    await settle();
    await engine.last('plan/rival').answer({ ...theirs, formats: ['Q6_K', 'Q4_K'] });
    await settle();
    const call = engine.last('sensitivity/run');
    expect(call.params).toMatchObject({ formats: ['Q4_K', 'Q8_0', 'Q6_K'] });
    await call.answer(tableOf(modelOf(folder)));
    expect(await beating).toBe(true);
  });

  it('measures all where nothing was, and is given up where that is cancelled', async () => {
    const { engine, session, folder } = setUpSession();
    await session.load();
    const given = session.plans.beat('/theirs/x.gguf');
    await settle();
    session.cancelJob();
    expect([await given, engine.of('plan/rival')]).toEqual([false, []]);
    const beating = session.plans.beat('/theirs/x.gguf');
    await settle();
    await engine.last('sensitivity/run').answer(tableOf(modelOf(folder)));
    await settle();
    await engine.last('plan/rival').answer(theirs);
    expect(await beating).toBe(true);
  });

  it('waits for nothing while the model is measured, and says so', async () => {
    const { engine, session } = measured();
    await session.load();
    const run = session.runSensitivity();
    await expect(session.plans.beat('/theirs/x.gguf')).rejects.toThrow(
      'The sensitivity analysis is running: try again once it has ended.',
    );
    expect(engine.of('plan/rival')).toEqual([]);
    session.cancelJob();
    expect(await run).toBe(false);
  });

  it('does not replace the plan where none is as small', async () => {
    const { engine, session } = measured();
    await session.load();
    const { plan } = session;
    const beating = session.plans.beat('/theirs/x.gguf');
    await settle();
    const failed = expect(beating).rejects.toMatchObject({ code: 'REQUEST' });
    await engine.last('plan/rival').answer({ ...theirs, bytes: 200 });
    await failed;
    expect(session.plan).toBe(plan);
    await expect(session.plans.other({ kind: 'rival', file: '/theirs/x.gguf' }, signal)).rejects.toThrow();
  });
});

describe('a plan that is measured', () => {
  it('is written for the engine, and shown with its certificate, also once it is saved', async () => {
    const { engine, session, folder, heard } = measured();
    await session.load();
    const plan = session.plan!;
    const measuring = session.plans.measure({ text: '/t.txt', windows: 9 }, { signal });
    await estimated(engine);
    const call = engine.last('plan/certify');
    const { params, options } = call;
    expect(params).toMatchObject({
      ...{
        path: session.path,
        text: '/t.txt',
        windows: 9,
        device: 'cpu',
        cacheDir: join(folder, 'evidence'),
      },
    });
    expect(params).not.toHaveProperty('rival');
    expect(options.title).toBe('Plan over t.txt');
    expect(readFileSync(params['planFile'] as string, 'utf8')).toBe(printPlan(plan));
    const certificate = certificateOf(plan);
    await call.answer({ plan: { ...plan, certificate }, notKept: 'the disk is full' });
    expect(await measuring).toEqual({ isShown: true, notKept: 'the disk is full' });
    expect(session.plan).toEqual({ ...plan, certificate });
    expect(heard('plan').at(-1)!.revision).toBe(session.revisedPlan!.revision);
    expect(printPlan(session.plan!)).toContain('"certificate"');
  });

  it('is measured against the file that it is to beat', async () => {
    const { engine, session } = measured();
    await session.load();
    const beating = session.plans.beat('/theirs/x.gguf');
    await settle();
    await engine.last('plan/rival').answer(theirs);
    await beating;
    const measuring = session.plans.measure({ text: '/t.txt' }, { signal });
    await estimated(engine);
    expect(engine.last('plan/certify').params).toMatchObject({ rival: '/theirs/x.gguf' });
    const failed = expect(measuring).rejects.toThrow('The text was seen.');
    await engine.last('plan/certify').fail('REQUEST', 'The text was seen.');
    await failed;
  });

  it('keeps its certificate to itself once it has other formats', async () => {
    const { engine, session } = measured();
    await session.load();
    const before = session.plan!;
    const measuring = session.plans.measure({ text: '/t.txt' }, { signal });
    await estimated(engine);
    session.plans.solve({ kind: 'bits-per-weight', value: 8.5 });
    await engine.last('plan/certify').answer({ plan: { ...before, certificate: certificateOf(before) } });
    expect(await measuring).toEqual({ isShown: false });
    expect(session.plan).not.toHaveProperty('certificate');
  });

  it('is improved where that is asked for, and then shown as it was improved', async () => {
    const { engine, session, folder } = measured();
    await session.load();
    const before = session.plan!;
    const messages: string[] = [];
    const onProgress = ({ message }: EngineProgress): void => void messages.push(message);
    const measuring = session.plans.measure({ text: '/t.txt', improve: true }, { signal, onProgress });
    await estimated(engine);
    const call = engine.last('plan/certify');
    expect(call.params).toMatchObject({ improveFrom: join(folder, 'cells') });
    expect(engine.last('plan/certifyEstimate').params).toEqual(call.params);
    call.options.onProgress!({ message: 'swap 1', done: 1, total: 2 });
    const announced = 'The plan and 3 others are measured over 9 windows: about 4 min.';
    expect(messages).toEqual([announced, `swap 1. ${announced}`]);
    const assignments = before.assignments.map((item) => ({ ...item, format: 'Q6_K' }));
    const improved = { ...before, assignments };
    const certificate = certificateOf(improved);
    await call.answer({ plan: { ...improved, certificate } });
    expect(await measuring).toEqual({ isShown: true });
    expect(session.plan).toEqual({ ...improved, certificate });
  });

  it('no longer counts as that of its file once swaps improved it', async () => {
    const file = '/plans/mine.ampq.json';
    const { engine, session, heard } = setUpSession({
      stored: (folder) => tableOf(modelOf(folder)),
      beside: (folder) => {
        const plan = makePlan(tableOf(modelOf(folder)), { kind: 'bits-per-weight', value: 4.5 });
        return {
          found: { file, plan: { ...plan, imatrix, assignments: inFormat(plan, 'Q5_K') } },
          problems: [],
        };
      },
    });
    await session.load();
    const edited = { file: 'mine.ampq.json', reason: 'it was made from other measurements' };
    expect(session.plan!.assignments[0]!.format).toBe('Q5_K');
    const measure = async (change: (plan: Plan) => Plan): Promise<void> => {
      const measuring = session.plans.measure({ text: '/t.txt' }, { signal });
      await estimated(engine, heard('savedPlans').length + 1);
      const plan = change(session.plan!);
      await engine.last('plan/certify').answer({ plan: { ...plan, certificate: certificateOf(plan) } });
      await measuring;
    };
    await measure((plan) => plan);
    expect(heard('plan').at(-1)!.edited).toEqual({ ...edited, replaced: false });
    await measure((plan) => ({ ...plan, assignments: inFormat(plan, 'Q6_K') }));
    expect(heard('plan').at(-1)!.edited).toEqual({ ...edited, replaced: true });
    expect(session.plan!.assignments[0]!.format).toBe('Q6_K');
  });

  it('is listed until a file next to the model has the same measurement, and can be shown again', async () => {
    let found: PlanBeside = { problems: [] };
    const stored = (folder: string) => tableOf(modelOf(folder));
    const { engine, session, heard } = setUpSession({ stored, beside: () => found });
    await session.load();
    const before = session.plan!;
    const measuring = session.plans.measure({ text: '/t.txt' }, { signal });
    await estimated(engine);
    session.plans.solve({ kind: 'bits-per-weight', value: 8.5 });
    const plan = { ...before, certificate: certificateOf(before) };
    await engine.last('plan/certify').answer({ plan });
    await measuring;
    expect(heard('savedPlans')).toHaveLength(1);
    const list = async (beside: readonly SavedPlan[]): Promise<readonly SavedPlan[]> => {
      const asked = session.plans.saved(signal);
      await engine.last('plan/list').answer(beside);
      return asked;
    };
    const [unsaved, ...others] = await list([]);
    expect([unsaved, others]).toMatchObject([
      { rung: 'weights', isUnsaved: true, total: plan.total, certificate: plan.certificate },
      [],
    ]);
    expect(readFileSync(unsaved!.file, 'utf8')).toBe(printPlan(plan));
    const beside = savedPlan('/m/own.ampq.json', plan);
    expect(await list([beside])).toEqual([beside]);
    expect(session.plan).not.toHaveProperty('certificate');
    await expect(session.plans.show(unsaved!.file)).rejects.toThrow('The plan is for another model.');
    found = { found: { file: unsaved!.file, plan }, problems: [] };
    await session.plans.show(unsaved!.file);
    expect(engine.last('plan/beside').params).toEqual({ path: session.path, planFile: unsaved!.file });
    expect(session.plan).toEqual(plan);
  });
});
