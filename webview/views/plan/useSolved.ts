import { useEffect, useRef, useState } from 'preact/hooks';
import type { Plan, SensitivityTable } from '../../../src/protocol/plan';
import { planAfter } from '../../../src/protocol/planStep';
import { useApp } from '../../context';

/** A slider that has not moved for this long is at rest (milliseconds). */
const restDelay = 250;

/**
 * Solves again when the budget moves, at most one request at a time; the last budget always wins, and is solved exactly when the
 * slider rests.
 */
export function useSolved(
  sensitivity: SensitivityTable | undefined,
  budget: number | undefined,
): string | undefined {
  const { host, store } = useApp();
  const [failure, setFailure] = useState<string>();
  const wanted = useRef(budget);
  const busy = useRef(false);
  /** Ends a rest. */
  const wake = useRef<() => void>(() => undefined);
  const last = useRef<{ readonly id: number; readonly plan: Plan }>();
  useEffect(() => {
    wanted.current = budget;
    wake.current();
    if (!sensitivity || budget === undefined || busy.current) return;
    busy.current = true;
    const solve = async (value: number, moving: boolean): Promise<void> => {
      // A step can start only from a plan that another step produced.
      const known = last.current?.plan === store.state.plan ? last.current : undefined;
      const step = await host.call('solvePlan', {
        budget: { kind: 'bits-per-weight', value },
        moving,
        ...(known ? { since: known.id } : {}),
      });
      const plan = planAfter(known?.plan, step);
      last.current = { id: step.id, plan };
      store.update({ plan });
    };
    const follow = async (): Promise<void> => {
      for (let solved: number | undefined; wanted.current !== undefined && solved !== wanted.current;) {
        solved = wanted.current;
        await solve(solved, true);
        if (solved === wanted.current) await rest(wake);
        if (solved === wanted.current) await solve(solved, false);
      }
    };
    follow()
      .then(() => setFailure(undefined))
      .catch((error: unknown) => setFailure(error instanceof Error ? error.message : String(error)))
      .finally(() => (busy.current = false));
  }, [sensitivity, budget]);
  return failure;
}

/** Resolves after the delay, or when the slider moves on. */
function rest(wake: { current: () => void }): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(done, restDelay);
    wake.current = () => {
      clearTimeout(timer);
      done();
    };
  });
}
