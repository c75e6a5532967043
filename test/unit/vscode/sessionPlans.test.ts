import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makePlan, printPlan } from '../../../src/ampq/planFile';
import { packModel } from '../../../src/model/packTensors';
import { tabled } from '../../../src/protocol/tensorTable';
import type { ModelDescription } from '../../../src/protocol/model';
import type { Plan, SensitivityTable } from '../../../src/protocol/plan';
import { sensitivityFigures } from '../../../src/protocol/sensitivityFigures';
import { settle } from '../../support/fakeHost';
import { device, modelOf, setUpSession, tableOf } from '../../support/sessionSetUp';
import { gainsFrom } from '../../support/plans';

const planOf = (folder: string, value: number): Plan =>
  makePlan(tableOf(modelOf(folder)), { kind: 'bits-per-weight', value });
const withGains = (table: SensitivityTable): SensitivityTable => ({
  ...table,
  gainsFrom: { text: '/t.txt', hash: 'abc', tokens: 2048, context: 512, noise: 1e-6, loss: 3, chance: 7 },
  rows: table.rows.map((row) => ({ ...row, gain: 0.5 })),
});
const formatsOf = (plans: readonly (Plan | undefined)[]): (string | undefined)[] =>
  plans.map((plan) => plan?.assignments[0]!.format);

/** A session whose analysis ends with a table. */
async function analysed(
  change: (table: SensitivityTable) => SensitivityTable,
  setUp = setUpSession(),
  text?: string,
) {
  const { engine, session, folder } = setUp;
  const run = session.runSensitivity(text);
  await settle();
  await engine.last('sensitivity/run').answer(change(tableOf(modelOf(folder))));
  await run;
  return setUp;
}

describe('the state of a session', () => {
  it('has what is known, and nothing else', async () => {
    const { engine, session, folder } = setUpSession();
    const model = modelOf(folder);
    const page = packModel(model);
    const bare = { model: page, revision: 1, formats: [], job: { kind: 'idle' } };
    expect(await session.open()).toStrictEqual(bare);
    await settle();
    expect(await session.load()).toStrictEqual({ ...bare, device });
    expect(engine.last('sensitivity/stored').params).toEqual({
      ...{ path: session.path, cacheDir: join(folder, 'cells'), backend: 'cpu' },
    });
    const measured = setUpSession({ stored: (path) => tableOf(modelOf(path)) });
    const state = await measured.session.load();
    expect(state).toMatchObject({
      sensitivity: { budgets: { min: 4.5, max: 8.5 } },
      plan: { formats: [{ format: 'Q4_K', bits: 4.5 }] },
    });
    expect(state.sensitivity).not.toHaveProperty('noise');
    expect(measured.session.sensitivity).toEqual(tableOf(modelOf(measured.folder)));
    const overText = setUpSession({ stored: (path) => ({ ...tableOf(modelOf(path)), gainsFrom }) });
    expect((await overText.session.load()).sensitivity).toMatchObject({ noise: 1e-9 });
    expect(formatsOf([measured.session.plan])).toEqual(['Q4_K']); // of 4.85 bits, as no preset takes more
  });

  it('gives its model to those who asked before and after it was read', async () => {
    const { session, folder } = setUpSession();
    const heard: [string, ModelDescription][] = [];
    const early = session.onDescribed((model) => heard.push(['early', model]));
    expect([heard, session.folder]).toEqual([[], folder]);
    await session.ensureLoaded();
    session.onDescribed((model) => heard.push(['late', model]));
    const model = tabled(packModel(modelOf(folder)));
    expect(heard).toEqual([
      ['early', model],
      ['late', model],
    ]);
    early.dispose();
    await session.load();
    expect(heard.slice(2)).toEqual([['late', model]]);
  });

  it('is read once for commands', async () => {
    const { engine, session } = setUpSession();
    await session.ensureLoaded();
    await session.ensureLoaded();
    expect(engine.of('model/open')).toHaveLength(1);
  });

  it('is read after a reading that runs, which may have read the old files', async () => {
    const { engine, session, heard } = setUpSession();
    const [loading, reloading] = [session.load(), session.reload()];
    await Promise.all([loading, reloading]);
    expect(engine.of('model/open')).toHaveLength(2);
    expect(heard('opened').map(({ revision }) => revision)).toEqual([1]);
  });

  it('is reported to nobody once it is released', async () => {
    const { session, sessions, devices, heard } = setUpSession();
    await session.load();
    await settle();
    const before = heard('device').length;
    sessions.release(session.key);
    await devices.refresh();
    await session.plans.fileChanged('/any.ampq.json').catch(() => undefined);
    expect([heard('device').length, heard('plan')]).toEqual([before, []]);
  });
});

describe('what views of the page ask for', () => {
  it('is nothing before the model was measured', async () => {
    const { session } = setUpSession();
    await session.load();
    expect([session.figures, session.revisedPlan]).toEqual([undefined, undefined]);
  });

  it('has the revision that the page was told', async () => {
    const { session, folder } = setUpSession({ stored: (path) => tableOf(modelOf(path)) });
    const { sensitivity, plan } = await session.load();
    expect(session.figures).toEqual({
      revision: sensitivity!.revision,
      figures: sensitivityFigures(tableOf(modelOf(folder))),
    });
    expect(session.revisedPlan).toEqual({ revision: plan!.revision, plan: session.plan });
    session.plans.solve({ kind: 'bits-per-weight', value: 9 });
    expect(session.revisedPlan!.revision).toBeGreaterThan(plan!.revision);
  });
});

describe('a plan', () => {
  it('cannot be made before anything was measured', async () => {
    const { session } = setUpSession();
    await session.load();
    expect(() => session.plans.solve({ kind: 'bytes', value: 1e6 })).toThrow(
      expect.objectContaining({
        code: 'REQUEST',
        message: 'Nothing has been measured yet: run the sensitivity analysis first.',
      }) as Error,
    );
    await expect(session.plans.file(true)).rejects.toMatchObject({
      code: 'REQUEST',
      message: 'There is no plan yet: run the sensitivity analysis first.',
    });
    expect([await session.plans.file(), await session.plans.file(false)]).toEqual([{}, {}]);
  });

  it('is made for a budget, and written where it does not meet that of another model', async () => {
    const { session, folder } = setUpSession({ stored: (path) => tableOf(modelOf(path)) });
    await session.load();
    const { plan } = session.plans.solve({ kind: 'bits-per-weight', value: 9 });
    expect(plan).toEqual(planOf(folder, 9));
    expect([session.plan, formatsOf([plan])]).toEqual([plan, ['Q8_0']]);
    const { planFile } = await session.plans.file(true);
    const ofModel = join(folder, 'plans', plan.model.hash.slice(0, 16));
    expect([dirname(dirname(planFile!)), basename(planFile!)]).toEqual([ofModel, 'plan-8.50bpw.ampq.json']);
    expect(readFileSync(planFile!, 'utf8')).toBe(printPlan(plan));
  });

  it('stays as a job was given it when another one of the same size is written', async () => {
    const { session } = setUpSession({ stored: (path) => tableOf(modelOf(path)) });
    await session.load();
    const { plan: first } = session.plans.solve({ kind: 'bits-per-weight', value: 9 });
    const given = await session.plans.write(first);
    const second = { ...first, assignments: first.assignments.map((item) => ({ ...item, format: 'Q5_K' })) };
    const other = await session.plans.write(second);
    expect(basename(other)).toBe(basename(given));
    expect(readFileSync(given, 'utf8')).toBe(printPlan(first));
    expect(readFileSync(other, 'utf8')).toBe(printPlan(second));
    expect(await session.plans.write(first)).toBe(given);
  });

  it.each([
    [['Q4_K'], 4.5],
    [['Q8_0'], 8.5],
    [['Q4_K', 'Q8_0'], 4.85],
  ])('is first as large as Q4_K_M, or what the measured formats allow: %j', async (formats, value) => {
    const { session } = setUpSession({ stored: (path) => tableOf(modelOf(path), formats) });
    await session.load();
    expect(session.plan!.budget).toEqual({ kind: 'bits-per-weight', value });
  });

  it('is made where some tensors were not measured', async () => {
    const { session } = setUpSession({
      stored: (path) => {
        const table = tableOf(modelOf(path));
        const [row] = table.rows;
        return { ...table, rows: [{ ...row!, tensor: 'b', cells: [] }, row!] };
      },
    });
    await session.load();
    expect(session.plan!.assignments.map(({ format }) => format)).toEqual(['F32', 'Q4_K']);
  });

  it('is not made from a table without cells', async () => {
    const { session } = setUpSession({ stored: (path) => tableOf(modelOf(path), []) });
    expect((await session.load()).plan).toBeUndefined();
  });

  it('next to the model goes before one that is made, and stays while the model is the same', async () => {
    const { engine, session, folder } = setUpSession({
      stored: (path) => tableOf(modelOf(path)),
      beside: (path) => ({
        found: { file: join(path, 'a.ampq.json'), plan: planOf(path, 8.5) },
        problems: [],
      }),
    });
    await session.load();
    expect(session.plan).toEqual(planOf(folder, 8.5));
    expect(engine.last('plan/beside').params).toStrictEqual({ path: session.path });
    const { plan: mine } = session.plans.solve({ kind: 'bits-per-weight', value: 5 });
    await session.load();
    expect(session.plan).toBe(mine);
  });

  it('file that changes before the model was read is left for that', async () => {
    const { engine, session } = setUpSession();
    await session.plans.fileChanged('/any.ampq.json');
    expect(engine.calls).toEqual([]);
  });
});

describe('opening', () => {
  it('does not wait for measurements and plan: they follow as events', async () => {
    const { session, heard } = setUpSession({ stored: (path) => tableOf(modelOf(path)) });
    const state = await session.open();
    expect([state.sensitivity, state.plan]).toEqual([undefined, undefined]);
    await settle();
    expect(heard('sensitivity').map(({ budgets }) => budgets)).toEqual([{ min: 4.5, max: 8.5 }]);
    expect(heard('plan').map(({ formats }) => formats)).toEqual([[{ format: 'Q4_K', bits: 4.5 }]]);
    // An editor that opens later has them at once.
    expect(await session.open()).toMatchObject({ plan: { formats: [{ format: 'Q4_K', bits: 4.5 }] } });
  });
});

describe('the plan after an analysis', () => {
  it('from the weights stays, and is reported again', async () => {
    const setUp = setUpSession({ stored: (path) => tableOf(modelOf(path)) });
    await setUp.session.load();
    const { plan } = setUp.session.plans.solve({ kind: 'bits-per-weight', value: 9 });
    const { session, heard } = await analysed((table) => table, setUp);
    expect([session.plan, heard('plan').at(-1)!.formats]).toEqual([plan, [{ format: 'Q8_0', bits: 8.5 }]]);
    const budgets = { min: 4.5, max: 8.5 }; // as it opened, and after the run
    expect(heard('sensitivity').map((outline) => outline.budgets)).toEqual([budgets, budgets]);
  });

  it('over a text is solved again at its size', async () => {
    const setUp = setUpSession({ stored: (path) => tableOf(modelOf(path)) });
    await setUp.session.load();
    setUp.session.plans.solve({ kind: 'bits-per-weight', value: 9 });
    const { session } = await analysed((table) => table, setUp, '/t.txt');
    expect(session.plan!.budget).toEqual({ kind: 'bits-per-weight', value: 8.5 });
  });

  it('that brings the first gains is solved again, and not after the next one', async () => {
    const setUp = setUpSession({ stored: (path) => tableOf(modelOf(path)) });
    await setUp.session.load();
    setUp.session.plans.solve({ kind: 'bits-per-weight', value: 9 });
    const { session, heard } = await analysed(withGains, setUp);
    const budget = { kind: 'bits-per-weight', value: 8.5 };
    expect(session.plan).toMatchObject({ budget, total: { divergence: 0.5 / 8.5 } });
    const { plan: mine } = session.plans.solve({ kind: 'bits-per-weight', value: 5 });
    await analysed(withGains, setUp);
    expect([session.plan, heard('plan').at(-1)!.formats]).toEqual([mine, [{ format: 'Q4_K', bits: 4.5 }]]);
  });

  it('that measured nothing leaves no plan', async () => {
    const { session, heard } = await analysed((table) => ({ ...table, rows: [] }));
    expect([session.plan, heard('plan')]).toEqual([undefined, []]);
  });
});

describe('gains for plans of few bits', () => {
  it('are measured over the text of the others, and then solve plans of such sizes', async () => {
    const setUp = setUpSession({ stored: (folder) => withGains(tableOf(modelOf(folder))) });
    const { engine, session, heard, folder } = setUp;
    expect((await session.load()).sensitivity).toMatchObject({ hasFewBits: false });
    const run = session.runForFewBits();
    await settle();
    const { params } = engine.last('sensitivity/run');
    expect(params).toMatchObject({ text: '/t.txt', tokens: 2048, context: 512, fewBits: true });
    const usual = withGains(tableOf(modelOf(folder)));
    await engine.last('sensitivity/run').answer(usual);
    expect(await run).toBe(true);
    expect(heard('sensitivity').at(-1)).toMatchObject({ hasFewBits: false });
    const bare = setUpSession({ stored: (path) => tableOf(modelOf(path)) });
    expect((await bare.session.load()).sensitivity).not.toHaveProperty('hasFewBits');
    expect(() => bare.session.runForFewBits()).toThrow('Nothing has been measured yet');
  });
});
