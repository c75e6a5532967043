import { describe, expect, it } from 'vitest';
import { exactPattern, withPin } from '../../../src/ampq/constraintEdits';
import { modelHash } from '../../../src/model/identity';
import { fromColumns, toColumns } from '../../../src/protocol/columns';
import type { FitRequest } from '../../../src/protocol/fit';
import type { LoadedModel } from '../../../src/protocol/loadedModel';
import type { ModelDescription } from '../../../src/protocol/model';
import type { SensitivityTable } from '../../../src/protocol/plan';
import { settle } from '../../support/fakeHost';
import { modelOf, setUpSession } from '../../support/sessionSetUp';
import { tableOf } from '../../support/tables';
import { gainsFrom } from '../../support/plans';

const measuredTable = (model: ModelDescription): SensitivityTable => ({
  ...tableOf(
    { Q4_K: 1e-1, Q6_K: 1e-2, Q8_0: 1e-3 },
    { Q4_K: 1e-2, Q6_K: 1e-3, Q8_0: 1e-4 },
    { Q4_K: 1e-3, Q6_K: 1e-4, Q8_0: 1e-5 },
  ),
  modelHash: modelHash(model),
});

/** A measured model of three tensors, planned at 5.6 bits per weight. */
async function measured(change = (table: SensitivityTable): SensitivityTable => table, loaded?: LoadedModel) {
  const set = setUpSession({
    stored: (folder) => change(measuredTable(modelOf(folder))),
    ...(loaded ? { loaded } : {}),
  });
  await set.session.load();
  await settle();
  set.session.plans.solve({ kind: 'bits-per-weight', value: 5.6 });
  const formats = () => set.session.plan!.assignments.map(({ format }) => format);
  return { ...set, formats };
}

describe('constraints that the user makes', () => {
  it('hold at the size of the plan, and can be taken back', async () => {
    const { session, formats, heard } = await measured();
    expect(formats()).toEqual(['Q6_K', 'Q4_K', 'Q4_K']);
    const pin = withPin([], exactPattern('c'), 'Q6_K');
    session.plans.constrain(pin);
    expect(formats()).toEqual(['Q4_K', 'Q4_K', 'Q6_K']);
    expect(session.plan!.constraints).toEqual(pin);
    expect(session.plans.front).toMatchObject({ pinned: [2], constrained: [2] });
    // They hold as the budget moves.
    session.plans.solve({ kind: 'bits-per-weight', value: 6.3 });
    expect(formats()).toEqual(['Q6_K', 'Q4_K', 'Q6_K']);
    session.plans.solve({ kind: 'bits-per-weight', value: 5.6 });
    session.plans.constrain([]);
    expect(formats()).toEqual(['Q6_K', 'Q4_K', 'Q4_K']);
    expect(session.plan).not.toHaveProperty('constraints');
    expect(heard('plan').at(-1)!.revision).toBe(session.revisedPlan!.revision);
  });

  it('limit the budgets that the page offers, and let the plan grow where they require it', async () => {
    const { session, formats, heard } = await measured();
    expect(heard('sensitivity').at(-1)!.budgets).toEqual({ min: 4.5, max: 8.5 });
    session.plans.constrain([{ tensors: 'a|b', allow: ['Q8_0'] }]);
    expect(formats()).toEqual(['Q8_0', 'Q8_0', 'Q4_K']);
    const { min, max } = heard('sensitivity').at(-1)!.budgets!;
    expect([min, max]).toEqual([expect.closeTo((8.5 + 8.5 + 4.5) / 3, 9), expect.closeTo(8.5, 9)]);
    session.plans.constrain([]);
    expect(heard('sensitivity').at(-1)!.budgets).toEqual({ min: 4.5, max: 8.5 });
  });

  it('are rejected where no plan meets them, and change nothing', async () => {
    const { session, formats } = await measured();
    const before = formats();
    const impossible = [{ tensors: '^a$', allow: ['Q2_K'] }];
    expect(() => session.plans.constrain(impossible)).toThrow(
      'No measured format of a (Q4_K, Q6_K, Q8_0) meets --allow ^a$=Q2_K.',
    );
    expect([formats(), session.plan!.constraints]).toEqual([before, undefined]);
  });

  it('need measurements', async () => {
    const { session } = setUpSession();
    await session.load();
    expect(() => session.plans.constrain([])).toThrow('Nothing has been measured yet');
    expect(() => session.plans.reasons('a')).toThrow('Nothing has been measured yet');
    expect(session.plans.front).toBeUndefined();
  });

  it('are among the reasons for a format', async () => {
    const { session } = await measured();
    session.plans.constrain(withPin([], exactPattern('c'), 'Q6_K'));
    expect(session.plans.reasons('c')).toMatchObject({ format: 'Q6_K', isReleasable: true });
    expect(session.plans.reasons('a')).toMatchObject({
      format: 'Q4_K',
      isReleasable: false,
      runnerUp: 'Q6_K',
    });
    // What is about other tensors, too, and a minimum are not taken back by a release.
    session.plans.constrain([
      { tensors: '.', exclude: ['Q8_0'] },
      { tensors: '^a$', minBits: 4 },
    ]);
    expect(session.plans.reasons('a').isReleasable).toBe(false);
    expect(() => session.plans.bind(['a'], { kind: 'release' })).toThrow('Nothing was released');
  });
});

describe('formats that the user binds tensors to', () => {
  it('are pinned, excluded and released by tensor', async () => {
    const { session, formats } = await measured();
    session.plans.bind(['c'], { kind: 'pin', format: 'Q6_K' });
    expect(formats()).toEqual(['Q4_K', 'Q4_K', 'Q6_K']);
    session.plans.bind(['a'], { kind: 'exclude' }); // the format that it has
    expect(session.plan!.constraints).toEqual([
      { tensors: '^c$', allow: ['Q6_K'] },
      { tensors: '^a$', exclude: ['Q4_K'] },
    ]);
    expect(formats()).toEqual(['Q6_K', 'Q4_K', 'Q6_K']);
    session.plans.bind(['a', 'c'], { kind: 'release' });
    expect(session.plan).not.toHaveProperty('constraints');
  });

  it('are pinned by the name that a tensor has in the model, in a format that was measured', async () => {
    const { session, formats } = await measured((table) => ({
      ...table,
      rows: table.rows.map((row) => ({ ...row, sources: [`model.${row.tensor}`] })),
    }));
    session.plans.pin('model.c', 'Q6_K');
    expect(formats()).toEqual(['Q4_K', 'Q4_K', 'Q6_K']);
    expect(() => session.plans.pin('model.d', 'Q6_K')).toThrow('The plan chooses no format for this tensor.');
    expect(() => session.plans.pin('model.c', 'Q5_0')).toThrow(/Q5_0/);
    expect(formats()).toEqual(['Q4_K', 'Q4_K', 'Q6_K']);
    const { session: unmeasured } = setUpSession({});
    expect(() => unmeasured.plans.pin('model.c', 'Q6_K')).toThrow('Nothing has been measured yet');
  });

  it('are those that each tensor has where none is named', async () => {
    const { session, formats } = await measured();
    const before = formats();
    session.plans.bind(['a', 'b', 'c'], { kind: 'pin' });
    expect(session.plan!.constraints).toEqual([
      { tensors: '^a$', allow: ['Q6_K'] },
      { tensors: '^(b|c)$', allow: ['Q4_K'] },
    ]);
    session.plans.solve({ kind: 'bits-per-weight', value: 8 });
    expect(formats()).toEqual(before);
    // A pattern that is about other tensors, too, is not taken back for one of them.
    expect(() => session.plans.bind(['b'], { kind: 'release' })).toThrow(
      'Nothing was released, as --allow ^(b|c)$=Q4_K is about other tensors, too',
    );
    expect(session.plan!.constraints).toHaveLength(2);
    session.plans.bind(['b', 'c'], { kind: 'release' });
    session.plans.bind(['b'], { kind: 'release' }); // nothing binds it any more
    expect(session.plan!.constraints).toEqual([{ tensors: '^a$', allow: ['Q6_K'] }]);
  });
});

describe('a divergence that the user asks for', () => {
  it('gives the smallest plan, under the constraints', async () => {
    const { session, formats } = await measured((table) => ({
      ...table,
      gainsFrom,
      rows: table.rows.map((row) => ({ ...row, gain: 1 })),
    }));
    const solved = (): [string[], number] => {
      const value = session.plans.bitsFor(0.02);
      const { plan } = session.plans.solve({ kind: 'bits-per-weight', value });
      return [formats(), plan.total.divergence!];
    };
    expect(solved()).toEqual([['Q8_0', 'Q4_K', 'Q4_K'], expect.closeTo(0.012, 12)]);
    session.plans.bind(['a'], { kind: 'pin', format: 'Q6_K' });
    expect(solved()).toEqual([['Q6_K', 'Q6_K', 'Q4_K'], expect.closeTo(0.012, 12)]);
    expect(() => session.plans.bitsFor(1e-9)).toThrow('No plan is predicted to diverge by at most 1e-9');
  });

  it('needs gains', async () => {
    const { session } = await measured();
    expect(() => session.plans.bitsFor(0.02)).toThrow('A divergence can only be predicted');
  });
});

describe('a memory that the user asks for', () => {
  const { signal } = new AbortController();
  const loaded: LoadedModel = {
    shape: {
      ...{ contextLength: 4096, activations: 64, vocabulary: 100, hidden: 16, notes: [] },
      layers: [{ keys: 32, values: 32 }],
    },
    ...{ frame: { bytes: 100, alignment: 32 }, fixed: [], headerBytes: 100, isTied: false },
  };
  /** Keys and values of 512 tokens in F16, and a buffer with masks, states and 1 MiB. */
  const others = 512 * 64 * 2 + 512 * (2 * 512 + 4 * 64) + 2 ** 20;
  const request = (weights: number): FitRequest => ({
    ...{ memory: weights + others, context: 512, sequences: 1, cacheType: 'f16' },
  });

  it('gives the largest plan that fits, under the constraints, and what it takes', async () => {
    const { session, formats } = await measured(undefined, loaded);
    // Tensors of 256 weights: 144 bytes in Q4_K take 160 in a file, 210 in Q6_K 224, 272 in Q8_0 288.
    const found = await session.plans.fit(request(100 + 224 + 2 * 160), signal);
    expect(found).toEqual({
      bitsPerWeight: (8 * (210 + 2 * 144)) / 768,
      fit: request(100 + 224 + 2 * 160),
      use: { memory: { weights: 100 + 224 + 2 * 160, cache: 512 * 64 * 2, compute: others - 512 * 64 * 2 } },
    });
    expect(session.plan!.fit).toEqual(found.fit);
    expect(formats()).toEqual(['Q6_K', 'Q4_K', 'Q4_K']);
    session.plans.bind(['c'], { kind: 'pin', format: 'Q6_K' });
    expect((await session.plans.fit(request(100 + 224 + 2 * 160), signal)).bitsPerWeight).toBe(
      found.bitsPerWeight,
    );
    expect(formats()).toEqual(['Q4_K', 'Q4_K', 'Q6_K']);
  });

  it('may be split over a GPU and RAM: the plan says how', async () => {
    const { session } = await measured(undefined, loaded);
    const split = { ...request(2000), gpu: { memory: 3e6, cpuMoe: false } };
    const { fit, use } = await session.plans.fit(split, signal);
    expect(fit.gpu).toEqual({ memory: 3e6, layers: expect.any(Number) as number, cpuMoe: false });
    expect(use.gpu!.compute).toBeGreaterThan(0);
    expect(session.plan!.fit).toEqual(fit);
  });

  it('is rejected where nothing fits, naming what does', async () => {
    const { session } = await measured(undefined, loaded);
    await expect(session.plans.fit(request(100), signal)).rejects.toThrow(
      /does not fit into .* takes at least/,
    );
  });
});

describe('what the plan is compared with', () => {
  const { signal } = new AbortController();

  it('is a preset whose types were measured', async () => {
    const { session } = await measured((table) => ({
      ...table,
      presets: [
        { fileType: 'Q4_K_M', formats: ['Q4_K', 'Q4_K', 'Q6_K'] },
        { fileType: 'Q3_K_M', formats: ['Q3_K', 'Q3_K', 'Q3_K'] },
      ],
    }));
    const { name, total, assignments } = await session.plans.other(
      { kind: 'preset', fileType: 'Q4_K_M' },
      signal,
    );
    expect([name, total.bitsPerWeight]).toEqual(['Q4_K_M', expect.closeTo((4.5 + 4.5 + 6.5625) / 3, 9)]);
    expect(fromColumns(assignments).map(({ format }) => format)).toEqual(['Q4_K', 'Q4_K', 'Q6_K']);
    await expect(session.plans.other({ kind: 'preset', fileType: 'Q3_K_M' }, signal)).rejects.toThrow(
      'Not all types of Q3_K_M were measured.',
    );
  });

  it('is a plan file for the model', async () => {
    const { session, engine } = await measured();
    const asked = session.plans.other({ kind: 'file', file: '/plans/other.ampq.json' }, signal);
    await settle();
    expect(engine.last('plan/read').params).toEqual({
      path: session.path,
      planFile: '/plans/other.ampq.json',
    });
    await engine.last('plan/read').answer(session.plan!);
    expect(await asked).toEqual({
      ...{ name: 'other.ampq.json', total: session.plan!.total, rung: 'weights' },
      assignments: toColumns(session.plan!.assignments),
    });
  });

  it('is not awaited once the page asks for another', async () => {
    const { session } = await measured();
    const asked = new AbortController();
    const [listed, other] = [
      session.plans.saved(asked.signal),
      session.plans.other({ kind: 'file', file: '/plans/other.ampq.json' }, asked.signal),
    ];
    asked.abort();
    await expect(listed).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(other).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});
