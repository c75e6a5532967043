import { useMemo, useState } from 'preact/hooks';
import { budgetRange, type Budget } from '../../../src/protocol/plan';
import { useAppState, useAsk } from '../../context';
import { Button } from '../../controls';
import { Assignments } from './Assignments';
import { BudgetControl, steppedRange } from './BudgetControl';
import { Totals } from './Totals';
import { useSolved } from './useSolved';

/** The budget and what it buys: a slider, totals, and the format of each tensor. */
export function PlanView() {
  const ask = useAsk();
  const { sensitivity, plan, job } = useAppState();
  const range = useMemo(
    () => (sensitivity?.rows.length ? steppedRange(budgetRange(sensitivity)) : undefined),
    [sensitivity],
  );
  // Undefined until the user moves it: a plan read from a file is shown unchanged.
  const [moved, setMoved] = useState<number>();
  const failure = useSolved(sensitivity, moved);
  if (!sensitivity || !range) {
    return (
      <div class="empty">
        <p>
          A plan gives each tensor the format with the least loss within a size budget. It needs the
          sensitivity table first.
        </p>
        <Button primary disabled={job.kind === 'running'} onClick={() => void ask('runSensitivity', {})}>
          Run Sensitivity
        </Button>
      </div>
    );
  }
  const budget = moved ?? plan?.total.bitsPerWeight ?? (range.min * 3 + range.max) / 4;
  const chosen: Budget =
    moved === undefined && plan ? plan.budget : { kind: 'bits-per-weight', value: budget };
  return (
    <div class="page plan">
      <BudgetControl range={range} budget={budget} move={setMoved} />
      {failure !== undefined && (
        <p class="notice error" role="alert">
          {failure}
        </p>
      )}
      {plan && <Totals plan={plan} />}
      <div class="actions">
        <Button disabled={!plan} onClick={() => void ask('savePlan', { budget: chosen })}>
          Save Plan…
        </Button>
        <Button
          primary
          disabled={!plan}
          onClick={() =>
            void ask('exportGguf', { plan: true, ...(moved === undefined ? {} : { budget: chosen }) })
          }
        >
          Export with Plan…
        </Button>
      </div>
      {plan && <Assignments plan={plan} />}
    </div>
  );
}
