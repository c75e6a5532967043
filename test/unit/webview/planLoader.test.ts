import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { makePlan } from '../../../src/ampq/planFile';
import type { Plan } from '../../../src/protocol/plan';
import { outlineOf } from '../../../src/protocol/planOutline';
import { PlanSteps, type PlanStep } from '../../../src/protocol/planStep';
import { PlanLoader } from '../../../webview/planLoader';
import { pageStore, stateOf } from '../../support/pageStore';
import { tableOf } from '../../support/tables';

const errors = { Q4_K: 1e-2, Q6_K: 1e-3, Q8_0: 1e-4 };
const table = tableOf(errors, errors);
const planAt = (value: number): Plan => makePlan(table, { kind: 'bits-per-weight', value });

interface Asked {
  readonly budget?: number;
  readonly moving?: boolean;
  readonly since?: number;
  answer(step: PlanStep | undefined): Promise<void>;
  fail(message: string): Promise<void>;
}

/** A page, and a host with plans of revisions that answers when the test says so. */
async function setUp() {
  const store = await pageStore();
  const asked: Asked[] = [];
  const pass = async (ms = 0): Promise<void> => void (await vi.advanceTimersByTimeAsync(ms));
  const request = <T>(what: Pick<Asked, 'budget' | 'moving' | 'since'>): Promise<T> =>
    new Promise((resolve, reject) => {
      asked.push({
        ...what,
        answer: (step) => (resolve(step as T), pass()),
        fail: (message) => (reject(new Error(message)), pass()),
      });
    });
  const plans = new PlanLoader(store, {
    plan: (params) => request(params),
    solvePlan: ({ budget, ...params }) => request({ ...params, budget: budget.value }),
  });
  const steps = new PlanSteps();
  const step = (revision: number, value: number): PlanStep =>
    steps.next({ revision, plan: planAt(value) }, asked.at(-1)!.since);
  const outline = (revision: number) => outlineOf(planAt(5), revision, ['a', 'b']);
  return { store, asked, plans, steps, step, outline, pass };
}

/** What was asked, without the functions. */
const shown = (asked: readonly Asked[]) =>
  asked.map(({ budget, moving, since }) => ({ budget, moving, since }));

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('the plan of a page', () => {
  it('is requested once where there is one, and again when the host has another', async () => {
    const { store, asked, plans, step, outline } = await setUp();
    store.open(stateOf(['a', 'b']));
    await plans.refresh();
    expect(asked).toHaveLength(0);
    store.update({ plan: outline(7) });
    void plans.refresh();
    await plans.refresh(); // the view is rendered again
    expect(shown(asked)).toEqual([{}]);
    await asked[0]!.answer(step(7, 5));
    expect(store.state.whole).toEqual({ revision: 7, plan: planAt(5) });
    await plans.refresh();
    expect(asked).toHaveLength(1);
    store.update({ plan: outline(8) });
    void plans.refresh();
    expect(shown(asked)[1]).toEqual({ since: 7 });
    await asked[1]!.answer(step(8, 8.5));
    expect(store.state.whole).toEqual({ revision: 8, plan: planAt(8.5) });
  });

  it('follows the slider: quickly while it moves, exactly once it rests, always the last budget', async () => {
    const { store, asked, plans, step, outline, pass } = await setUp();
    store.open(stateOf(['a', 'b'], { plan: outline(1) }));
    void plans.refresh();
    await asked[0]!.answer(step(1, 4.5));
    for (const value of [5, 5.5, 6]) void plans.move(value);
    expect(store.state.movedBudget).toBe(6);
    await asked[1]!.answer(step(2, 5));
    expect(store.state.whole).toEqual({ revision: 2, plan: planAt(5) });
    await asked[2]!.answer(step(3, 6));
    await pass(200);
    void plans.move(7); // before it rested
    await pass();
    await asked[3]!.answer(step(4, 7));
    await pass(249);
    expect(asked).toHaveLength(4);
    await pass(1);
    store.update({ plan: outline(5) }); // the host tells all pages of it before it answers
    await asked[4]!.answer(step(5, 7));
    expect(shown(asked).slice(1)).toEqual([
      { budget: 5, moving: true, since: 1 },
      { budget: 6, moving: true, since: 2 },
      { budget: 7, moving: true, since: 3 },
      { budget: 7, moving: false, since: 4 },
    ]);
    expect(store.state).toMatchObject({ whole: { revision: 5, plan: planAt(7) }, movedBudget: 7 });
    await plans.refresh();
    expect(asked).toHaveLength(5);
  });

  it('moves the slider when another plan arrives', async () => {
    const { store, asked, plans, step, outline, pass } = await setUp();
    store.open(stateOf(['a', 'b'], { plan: outline(1) }));
    void plans.move(6);
    await asked[0]!.answer(step(2, 6));
    await pass(250);
    await asked[1]!.answer(step(3, 6));
    store.update({ plan: outline(4) }); // a file was written
    void plans.refresh();
    await asked[2]!.answer(step(4, 8.5));
    expect(store.state).toMatchObject({ whole: { revision: 4, plan: planAt(8.5) }, movedBudget: undefined });
  });

  it('says why a budget cannot be solved, and then shows the plan that the host has', async () => {
    const { store, asked, plans, step, outline } = await setUp();
    store.open(stateOf(['a', 'b'], { plan: outline(1) }));
    void plans.move(6);
    store.update({ plan: outline(2) });
    await asked[0]!.fail('The plan was edited.');
    expect(store.state).toMatchObject({ planFailure: 'The plan was edited.', movedBudget: undefined });
    await asked[1]!.answer(step(2, 8.5));
    expect(store.state).toMatchObject({ planFailure: 'The plan was edited.', whole: { revision: 2 } });
    void plans.move(7);
    expect([store.state.planFailure, shown(asked)[2]]).toEqual([
      undefined,
      { budget: 7, moving: true, since: 2 },
    ]);
  });

  it('of earlier files is dropped, with the requested budget', async () => {
    const { store, asked, plans, steps, step, outline } = await setUp();
    store.open(stateOf(['a', 'b'], { plan: outline(8) }));
    void plans.move(6);
    const late = step(9, 6);
    store.open(stateOf(['a', 'b'], { plan: outline(1), revision: 2 }));
    await asked[0]!.answer(late);
    expect([store.state.whole, shown(asked)[1]]).toEqual([undefined, {}]);
    await asked[1]!.answer(steps.next({ revision: 1, plan: planAt(5) }, undefined));
    expect([store.state.whole?.revision, asked.length]).toEqual([1, 2]);
  });

  it('that the host no longer has is not requested for ever', async () => {
    const { store, asked, plans, outline } = await setUp();
    store.open(stateOf(['a', 'b'], { plan: outline(1) }));
    const loading = plans.refresh();
    await asked[0]!.answer(undefined);
    await loading;
    expect([store.state.whole, asked.length]).toEqual([undefined, 1]);
  });
});
