import { planAfter, type PlanStep } from '../src/protocol/planStep';
import type { WebviewRequests } from '../src/protocol/webview';
import type { Store } from './store';

/** A slider that has not moved for this long is at rest (milliseconds). */
const restDelay = 250;

/** The two requests for a plan. */
export interface PlanRequests {
  plan(params: WebviewRequests['plan']['params']): Promise<PlanStep | undefined>;
  solvePlan(params: WebviewRequests['solvePlan']['params']): Promise<PlanStep>;
}

/** A position of the slider, and the model that it is for. */
interface Wish {
  readonly opening: number;
  /** Bits per weight. */
  readonly value: number;
}

/**
 * The plan that the page shows: requested when its view opens and the host has another one, and solved again while the slider moves. One
 * request at a time: the last budget always wins, and is solved exactly when the slider rests.
 */
export class PlanLoader {
  private running = false;
  /** Undefined where the slider was not moved since the host told of another plan. */
  private wish: Wish | undefined;
  /** The last wish that was solved exactly. */
  private granted: Wish | undefined;
  /** Ends a rest. */
  private wake: () => void = () => undefined;

  constructor(
    private readonly store: Store,
    private readonly host: PlanRequests,
  ) {}

  /** Requests the plan if the host has another one. Never rejects: a failure is what the view shows. */
  async refresh(): Promise<void> {
    if (this.running) return;
    this.running = true;
    try {
      while (await this.step());
    } catch (error) {
      this.fail(error);
    } finally {
      this.running = false;
    }
  }

  /** The slider was moved. @param value bits per weight. */
  move(value: number): Promise<void> {
    this.wish = { opening: this.store.state.opening, value };
    this.store.update({ movedBudget: value, planFailure: undefined });
    this.wake();
    return this.refresh();
  }

  /** @returns whether there may be more to do. */
  private step(): Promise<boolean> | boolean {
    const { plan, whole } = this.store.state;
    const { wish } = this;
    if (wish && !this.isCurrent(wish)) this.wish = undefined;
    else if (wish && wish !== this.granted) return this.grant(wish);
    return plan !== undefined && plan.revision > (whole?.revision ?? 0) && this.fetch(plan.revision);
  }

  private isCurrent(wish: Wish): boolean {
    return wish === this.wish && wish.opening === this.store.state.opening;
  }

  private async grant(wish: Wish): Promise<true> {
    try {
      await this.solve(wish, true);
      if (this.isCurrent(wish)) await this.rest();
      if (this.isCurrent(wish)) {
        await this.solve(wish, false);
        this.granted = wish;
      }
    } catch (error) {
      if (this.isCurrent(wish)) this.fail(error);
    }
    return true;
  }

  /** The slider takes the size of a plan that it did not ask for. @returns whether there may be a newer one. */
  private async fetch(revision: number): Promise<boolean> {
    const { opening } = this.store.state;
    const { wish } = this;
    await this.take((since) => this.host.plan(since));
    if (this.store.state.opening !== opening || this.wish !== wish) return true;
    this.wish = undefined;
    this.store.update({ movedBudget: undefined });
    return (this.store.state.whole?.revision ?? 0) >= revision;
  }

  private solve({ value }: Wish, moving: boolean): Promise<void> {
    const budget = { kind: 'bits-per-weight', value } as const;
    return this.take((since) => this.host.solvePlan({ budget, moving, ...since }));
  }

  /** Shows the answer, unless the page shows another model since. */
  private async take(ask: (known: { since?: number }) => Promise<PlanStep | undefined>): Promise<void> {
    const { opening, whole } = this.store.state;
    const step = await ask(whole ? { since: whole.revision } : {});
    if (!step || this.store.state.opening !== opening) return;
    this.store.update({ whole: { revision: step.revision, plan: planAfter(whole?.plan, step) } });
  }

  private fail(error: unknown): void {
    this.wish = undefined;
    this.store.update({
      movedBudget: undefined,
      planFailure: error instanceof Error ? error.message : String(error),
    });
  }

  /** Resolves after the delay, or when the slider moves on. */
  private rest(): Promise<void> {
    return new Promise((done) => {
      const timer = setTimeout(done, restDelay);
      this.wake = () => {
        clearTimeout(timer);
        done();
      };
    });
  }
}
