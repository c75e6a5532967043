import { useEffect, useMemo } from 'preact/hooks';
import type { Budget } from '../../../src/protocol/plan';
import { useApp, useAppState, useAsk } from '../../context';
import { Button, Spinner } from '../../controls';
import { Assignments } from './Assignments';
import { BudgetControl, steppedRange } from './BudgetControl';
import { EditedNotice } from './EditedNotice';
import { Totals } from './Totals';

/** The budget and what it buys: a slider, totals, and the format of each tensor. */
export function PlanView() {
  const { plans } = useApp();
  const { opening, sensitivity, plan: outline, whole, movedBudget, planFailure } = useAppState();
  useEffect(() => void plans.refresh(), [plans, opening, outline?.revision]);
  const range = useMemo(
    () => (sensitivity?.budgets ? steppedRange(sensitivity.budgets) : undefined),
    [sensitivity],
  );
  if (!range) return <NothingMeasured />;
  if (outline && !whole)
    return (
      <div class="loading">
        <Spinner /> Reading the plan…
      </div>
    );
  const plan = whole?.plan;
  const budget = movedBudget ?? plan?.total.bitsPerWeight ?? (range.min * 3 + range.max) / 4;
  const { edited } = outline ?? {};
  return (
    <div class="page plan">
      {edited && <EditedNotice edited={edited} />}
      <BudgetControl
        range={range}
        budget={budget}
        move={(value) => void plans.move(value)}
        {...(plan ? { plan } : {})}
        disabled={edited?.replaced === false}
      />
      {planFailure !== undefined && (
        <p class="notice error" role="alert">
          {planFailure}
        </p>
      )}
      {plan && <Totals plan={plan} noise={sensitivity?.noise ?? 0} />}
      <Actions
        hasPlan={plan !== undefined}
        {...(movedBudget === undefined ? {} : { budget: { kind: 'bits-per-weight', value: movedBudget } })}
      />
      {plan && <Assignments plan={plan} />}
    </div>
  );
}

function NothingMeasured() {
  const ask = useAsk();
  const { job } = useAppState();
  return (
    <div class="empty">
      <p>
        A plan gives each tensor the format with the least loss within a size budget. It needs the sensitivity
        table first.
      </p>
      <Button primary disabled={job.kind === 'running'} onClick={() => void ask('runSensitivity', {})}>
        Run Sensitivity
      </Button>
    </div>
  );
}

/** @param budget where the user moved the slider to: the plan is solved for it first, if that is not done yet. */
function Actions({ hasPlan, budget }: { hasPlan: boolean; budget?: Budget }) {
  const ask = useAsk();
  const { part } = useAppState();
  const chosen = budget ? { budget } : {};
  return (
    <div class="actions">
      <Button disabled={!hasPlan} onClick={() => void ask('savePlan', chosen)}>
        Save Plan…
      </Button>
      <Button
        primary
        disabled={!hasPlan || part?.alone === true}
        title={part?.alone ? 'Exports need the whole model; this is one of its files, shown alone' : ''}
        onClick={() => void ask('exportGguf', { plan: true, ...chosen })}
      >
        Export with Plan…
      </Button>
    </div>
  );
}
