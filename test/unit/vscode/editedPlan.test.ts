import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { makePlan, parsePlan, printPlan } from '../../../src/ampq/planFile';
import { modelHash } from '../../../src/model/identity';
import type { ModelDescription } from '../../../src/protocol/model';
import type { Plan, PlanAssignment, SensitivityTable } from '../../../src/protocol/plan';
import type { PlanOutline } from '../../../src/protocol/planOutline';
import { Sessions } from '../../../src/vscode/sessions';
import { fakeContext, settle } from '../../support/fakeHost';
import { temporaryFolder } from '../../support/files';
import { tableOf } from '../../support/tables';
import { gainsFrom } from '../../support/plans';
import { packModel } from '../../../src/model/packTensors';

/** Of two tensors, of which the first loses more. */
const errors = [
  { Q4_K: 1e-1, Q6_K: 1e-2, Q8_0: 1e-3 },
  { Q4_K: 1e-2, Q6_K: 1e-3, Q8_0: 1e-4 },
];
const [small, large] = [
  { kind: 'bits-per-weight', value: 4.5 },
  { kind: 'bits-per-weight', value: 5.6 },
] as const;

/** A model with a plan file next to it; the engine reads plans as they are. */
function setUp({ measured }: { measured: boolean }) {
  const folder = temporaryFolder();
  const path = join(folder, 'model.gguf');
  const file = join(folder, 'mine.ampq.json');
  const model = {
    ...{ path, folder, name: 'm', format: 'gguf', weightFiles: { present: 1, total: 1 }, missingFiles: [] },
    ...{ tensors: [], metadata: [], parameters: 100, dataBytes: 200, notes: [], warnings: [] },
    files: [{ path, size: 10, mtimeMs: 1, headerHash: 'hash' }],
  } as unknown as ModelDescription;
  const table: SensitivityTable = {
    ...tableOf(...errors),
    modelHash: modelHash(model),
    modelName: 'm',
  };
  const fake = fakeContext(
    {
      'model/open': () => packModel(model),
      'formats/list': () => [],
      'sensitivity/stored': () => (measured ? table : undefined),
      'sensitivity/estimate': () => ({ tensors: 2, formats: ['Q4_K'], seconds: 1 }),
      'plan/beside': () => ({
        found: { file, plan: parsePlan(JSON.parse(readFileSync(file, 'utf8')), file) },
        problems: [],
      }),
      'device/probe': () => ({ chosen: 'cpu', label: 'native addon', refused: [] }),
    },
    folder,
  );
  const session = new Sessions(fake.context).get(path);
  const outlines: PlanOutline[] = [];
  session.onEvent((event) => {
    if (event.name === 'plan') outlines.push(event.payload);
  });
  const solved = makePlan(table, large);
  const write = (plan: Plan): void => writeFileSync(file, printPlan(plan));
  return { ...fake, session, table, file, solved, write, outlines };
}

/** The plan with the formats of its two tensors exchanged, as by hand: errors do not outlive that. */
function edited(plan: Plan): Plan {
  const [a, b] = plan.assignments as [PlanAssignment, PlanAssignment];
  const changed = (own: PlanAssignment, other: PlanAssignment): PlanAssignment => {
    const { tensor, sources } = own;
    const { format, bitsPerWeight, bytes } = other;
    return { tensor, sources, format, bitsPerWeight, bytes };
  };
  return { ...plan, assignments: [changed(a, b), changed(b, a)] };
}

const editedByHand = { file: 'mine.ampq.json', reason: 'it was edited by hand' };
const formatsOf = (plan: Plan | undefined): string[] => plan!.assignments.map(({ format }) => format);

describe('a plan that was edited in its file', () => {
  let set: ReturnType<typeof setUp>;
  beforeEach(() => {
    set = setUp({ measured: true });
    expect(formatsOf(set.solved)).toEqual(['Q6_K', 'Q4_K']);
    set.write(edited(set.solved));
  });

  it('is what the editor shows, and the page is told', async () => {
    const { session } = set;
    const { plan } = await session.load();
    expect(plan!.edited).toEqual({ ...editedByHand, replaced: false });
    expect(formatsOf(session.plan)).toEqual(['Q4_K', 'Q6_K']);
  });

  it('is not replaced by the slider', async () => {
    const { session, outlines } = set;
    await session.load();
    const told = outlines.length;
    for (const effort of ['quick', 'exact'] as const)
      expect(() => session.plans.solve(small, effort)).toThrow(
        "The plan in mine.ampq.json is not the solver's for its size: it was edited by hand. Choose Solve Again in the Plan view to replace it.",
      );
    expect([formatsOf(session.plan), outlines.length]).toEqual([['Q4_K', 'Q6_K'], told]);
  });

  it('gives way to the solver, and is taken up again, on the user’s request', async () => {
    const { session, file, outlines } = set;
    await session.load();
    const before = readFileSync(file, 'utf8');
    session.plans.replaceEdited(true);
    expect(outlines.at(-1)!.edited).toEqual({ ...editedByHand, replaced: true });
    expect(formatsOf(session.plan)).toEqual(['Q6_K', 'Q4_K']);
    expect(session.plan!.budget).toEqual({ kind: 'bits-per-weight', value: 5.53125 });
    const { plan: moved } = session.plans.solve(small);
    expect(formatsOf(moved)).toEqual(['Q4_K', 'Q4_K']);
    expect(outlines.at(-1)!.edited).toEqual({ ...editedByHand, replaced: true });
    session.plans.replaceEdited(true); // another editor says so too
    expect(session.plan).toBe(moved);
    session.plans.replaceEdited(false);
    expect(formatsOf(session.plan)).toEqual(['Q4_K', 'Q6_K']);
    expect(outlines.at(-1)!.edited).toEqual({ ...editedByHand, replaced: false });
    const revisions = outlines.map(({ revision }) => revision);
    expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b));
    expect(readFileSync(file, 'utf8')).toBe(before);
  });

  it('stays while the effect on the output is measured, and opens the same in another editor', async () => {
    const { session, engine, table, outlines } = set;
    await session.load();
    const run = session.runSensitivity('/t.txt');
    await settle();
    const rows = table.rows.map((row) => ({ ...row, gain: 1 }));
    await engine.last('sensitivity/run').answer({ ...table, rows, gainsFrom });
    await run;
    expect(formatsOf(session.plan)).toEqual(['Q4_K', 'Q6_K']);
    expect(outlines.at(-1)!.edited!.reason).toBe('it was made from other measurements');
    expect((await session.load()).plan!.edited).toEqual({ ...editedByHand, replaced: false });
  });

  it('is forgotten when its file becomes the solver’s again', async () => {
    const { session, write, solved, file, outlines } = set;
    await session.load();
    write(solved);
    await session.plans.fileChanged(file);
    expect(outlines.at(-1)).not.toHaveProperty('edited');
    session.plans.solve(small);
    expect(outlines.at(-1)).not.toHaveProperty('edited');
  });
});

describe('why a plan of a file is not the solver’s', () => {
  const reasonOf = async (change: (plan: Plan) => Plan): Promise<string | undefined> => {
    const { session, solved, write } = setUp({ measured: true });
    write(change(edited(solved)));
    return (await session.load()).plan!.edited?.reason;
  };

  it('is named: measured swaps, two memories, other measurements, other figures, or its author', async () => {
    const gpu = { memory: 1e9, layers: 2, cpuMoe: false };
    const fit = { memory: 1e9, context: 512, sequences: 1, cacheType: 'f16', gpu } as const;
    expect(await reasonOf((plan) => ({ ...plan, fit }))).toBe('it was made for a GPU and RAM together');
    const imatrix = { file: 'i.gguf', hash: 'i' };
    expect(await reasonOf((plan) => ({ ...plan, imatrix }))).toBe('it was made from other measurements');
    const assignments = (plan: Plan) =>
      plan.assignments.map((item) => ({ ...item, relativeSquaredError: 0.5 }));
    expect(await reasonOf((plan) => ({ ...plan, assignments: assignments(plan) }))).toBe(
      'its errors or gains are not those of the present measurements',
    );
    expect(await reasonOf((plan) => plan)).toBe('it was edited by hand');
  });
});

describe('a plan of the solver in a file', () => {
  it('is replaced by the slider: the same budget gives it again', async () => {
    const { session, solved, write, outlines } = setUp({ measured: true });
    write(solved);
    expect((await session.load()).plan).not.toHaveProperty('edited');
    const told = outlines.length;
    session.plans.solve(small, 'quick');
    expect([formatsOf(session.plan), outlines.length]).toEqual([['Q4_K', 'Q4_K'], told]);
    session.plans.solve(large);
    expect([session.plan, outlines.length]).toEqual([solved, told + 1]);
  });

  it('is known to be so once the model is measured', async () => {
    const { session, engine, solved, write, table, outlines } = setUp({ measured: false });
    write(solved);
    await session.load();
    expect(() => session.plans.solve(small)).toThrow(/^Nothing has been measured yet/);
    const run = session.runSensitivity();
    await settle();
    await engine.last('sensitivity/run').answer(table);
    await run;
    expect(outlines.at(-1)).not.toHaveProperty('edited');
    expect(session.plan).toEqual(solved);
  });

  it('is solved again at its size when gains are measured', async () => {
    const { session, engine, solved, write, table } = setUp({ measured: true });
    write(solved);
    await session.load();
    const run = session.runSensitivity('/t.txt');
    await settle();
    const rows = table.rows.map((row, i) => ({ ...row, gain: i === 0 ? 0.01 : 1 }));
    await engine.last('sensitivity/run').answer({ ...table, rows, gainsFrom });
    await run;
    expect([formatsOf(session.plan), session.plan!.total.bitsPerWeight]).toEqual([['Q4_K', 'Q6_K'], 5.53125]);
  });
});

describe('a plan with constraints', () => {
  const constraints = [{ tensors: 'b', minBits: 6 }];
  const setUpWith = async (conditions: Plan['constraints']) => {
    const set = setUp({ measured: true });
    set.write(makePlan(set.table, { kind: 'bits-per-weight', value: 6.6 }, undefined, { constraints }));
    if (conditions) {
      const plan = parsePlan(JSON.parse(readFileSync(set.file, 'utf8')), set.file);
      set.write({ ...plan, constraints: conditions });
    }
    return { ...set, opened: await set.session.load() };
  };

  it('keeps them while the slider moves', async () => {
    const { session, opened } = await setUpWith(undefined);
    expect(opened.plan).not.toHaveProperty('edited');
    for (const effort of ['quick', 'exact'] as const) {
      const { plan } = session.plans.solve(large, effort);
      expect([formatsOf(plan), plan.constraints]).toEqual([['Q4_K', 'Q6_K'], constraints]);
    }
    expect(() => session.plans.solve(small)).toThrow(
      /Without --min b=6 it takes at least 4\.5000 bits per weight/,
    );
    expect(session.plan!.constraints).toEqual(constraints);
  });

  it('is one that was edited where they cannot be met or apply to nothing', async () => {
    for (const strange of [
      { tensors: 'ffn', minBits: 4 },
      { tensors: 'a', allow: ['IQ3_S'] },
    ]) {
      const { opened, session } = await setUpWith([strange]);
      expect(opened.plan!.edited).toEqual({ ...editedByHand, replaced: false });
      expect(() => session.plans.replaceEdited(true)).toThrow(/--min ffn=4|--allow a=IQ3_S/);
      expect(session.plan!.constraints).toEqual([strange]);
    }
  });
});
