import * as l10n from '@vscode/l10n';
import type { ComponentChildren } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { differencesText, type MeasuredWith } from '../../../src/protocol/measuredWith';
import type { Plan } from '../../../src/protocol/plan';
import type { OtherChoice } from '../../../src/protocol/savedPlans';
import type { RevisedPlan } from '../../../src/protocol/planStep';
import type { BudgetRange } from '../../budgetText';
import { useApp, useAppState, useAsk } from '../../context';
import { Button, Loading } from '../../controls';
import { useAnswer } from '../../useAnswer';
import { Actions } from './Actions';
import { Assignments } from './Assignments';
import { BitsMap } from './BitsMap';
import { BudgetControl, steppedRange } from './BudgetControl';
import { Certified } from './Certified';
import { CompareWith, MeasuredPlans, useDiff } from './Compared';
import { Constraints } from './Constraints';
import { Dial } from './Dial';
import { EditedNotice } from './EditedNotice';
import { FewBits } from './FewBits';
import { useFormatBinder } from './formatBinder';
import { FitsIn } from './FitsIn';
import { Front } from './Front';
import { Measure } from './Measure';
import { Totals } from './Totals';
import { Why } from './Why';
import { RunDuration } from '../RunDuration';
import { Failed } from '../states';

/** The budget and what it buys: the front of plans, totals, and the format of each tensor with the reasons for it. */
export function PlanView() {
  const { plans } = useApp();
  const { opening, sensitivity, plan: outline, whole, movedBudget, planFailure } = useAppState();
  useEffect(() => void plans.refresh(), [plans, opening, outline?.revision]);
  const range = useMemo(
    () => (sensitivity?.budgets ? steppedRange(sensitivity.budgets) : undefined),
    [sensitivity],
  );
  if (!range) return <NothingMeasured file={outline?.edited?.file} />;
  if (outline && !whole) return <Loading>{l10n.t('Reading the plan…')}</Loading>;
  const budget = movedBudget ?? whole?.plan.total.bitsPerWeight ?? (range.min * 3 + range.max) / 4;
  const { edited } = outline ?? {};
  const move = (value: number): void => void plans.move(value);
  const disabled = edited?.replaced === false;
  const control = (plan?: Plan) => (
    <>
      <BudgetControl {...{ range, budget, move, disabled }} {...(plan ? { plan } : {})} />
      {planFailure !== undefined && <Failed message={planFailure} />}
    </>
  );
  return (
    <div class="page plan">
      {edited && <EditedNotice edited={edited} />}
      {whole && sensitivity && <OtherMeasurements plan={whole.plan} present={sensitivity.measuredWith} />}
      {whole ? <Planned {...{ whole, range, budget, move, disabled, control }} /> : control()}
      {!whole && <NoPlanYet />}
    </div>
  );
}

/** Why there is no plan although something was measured: the run goes on, or did not come to its end. */
function NoPlanYet() {
  const { job } = useAppState();
  return (
    <p class="notice note" role="status">
      {job.kind === 'running'
        ? l10n.t(
            'The first plan is made when the run has ended. Move the budget for one of what is measured so far.',
          )
        : l10n.t(
            'The measurements are not complete: Run Sensitivity continues them. Move the budget for a plan of what is measured.',
          )}
    </p>
  );
}

/** How a plan was measured otherwise than the model is now. */
function OtherMeasurements({ plan, present }: { plan: Plan; present: MeasuredWith }) {
  const differences = differencesText(plan, present);
  if (differences.length === 0) return null;
  return (
    <p class="notice note">
      {l10n.t(
        'The figures of this plan are of other measurements than the present ones: {0}.',
        differences.join('; '),
      )}
    </p>
  );
}

/** A plan in all its views. */
function Planned(props: {
  whole: RevisedPlan;
  range: BudgetRange;
  budget: number;
  move: (budget: number) => void;
  disabled: boolean;
  control: (plan: Plan) => ComponentChildren;
}) {
  const { whole, range, budget, move, disabled } = props;
  const { plan, revision } = whole;
  const { host } = useApp();
  const { opening, sensitivity, movedBudget, savedPlans, plan: outline } = useAppState();
  const key = `${opening} ${sensitivity?.revision} ${JSON.stringify(plan.constraints)}`;
  const { value: front, failure } = useAnswer(key, (signal) => host.call('planFront', {}, { signal }));
  const binder = useFormatBinder(plan, front, disabled);
  const { value: saved = [] } = useAnswer(`${opening} ${savedPlans}`, (signal) =>
    host.call('savedPlans', {}, { signal }),
  );
  const rival = outline?.rival;
  const [choice, choose] = useState<OtherChoice>();
  // What the plan is to beat is what it is compared with, until the user compares it with something else.
  useEffect(() => choose(rival === undefined ? undefined : { kind: 'rival', file: rival }), [rival]);
  const other = useAnswer(
    choice && `${opening} ${sensitivity?.revision} ${JSON.stringify(choice)}`,
    (signal) => host.call('otherPlan', { other: choice! }, { signal }),
  );
  const diff = useDiff(plan, choice && other.value);
  const moved =
    movedBudget === undefined ? {} : { budget: { kind: 'bits-per-weight', value: movedBudget } as const };
  return (
    <>
      <div class="plan-top">
        {front && <Front {...{ front, plan, range, budget, move, disabled }} />}
        {failure !== undefined && <Failed message={failure} />}
        <div class="plan-side">
          {props.control(plan)}
          {front?.measure === 'divergence' && <Dial move={move} disabled={disabled} />}
          <FitsIn budget={budget} disabled={disabled} />
          <Totals plan={plan} noise={sensitivity?.noise ?? 0} />
          <Actions {...moved} />
        </div>
      </div>
      <FewBits budget={budget} />
      <Constraints plan={plan} disabled={disabled} />
      <BitsMap plan={plan} binder={binder} />
      <Why plan={plan} revision={revision} binder={binder} />
      {plan.notes.map((note) => (
        <p key={note} class="notice note">
          {note}
        </p>
      ))}
      <Certified plan={plan} />
      <Measure {...moved} />
      <MeasuredPlans saved={saved} disabled={movedBudget !== undefined} />
      <CompareWith {...{ plan, front, saved, rival, choose, diff }} other={choice} />
      {other.failure !== undefined && <Failed message={other.failure} />}
      <Assignments plan={plan} binder={binder} {...(diff ? { diff } : {})} />
    </>
  );
}

/** @param file the plan file beside the model that the list of tensors shows. */
function NothingMeasured({ file }: { file: string | undefined }) {
  const ask = useAsk();
  const { job } = useAppState();
  return (
    <div class="empty">
      <p>
        {l10n.t(
          'A plan gives each tensor the format with the least loss within a size budget. It needs the sensitivity table first.',
        )}
      </p>
      {file !== undefined && (
        <p>
          {l10n.t(
            'The list of tensors shows the plan of {0}. It can be exported; what it costs is seen here once something was measured.',
            file,
          )}
        </p>
      )}
      <Button primary disabled={job.kind === 'running'} onClick={() => void ask('runSensitivity', {})}>
        {l10n.t('Run Sensitivity')}
      </Button>
      <RunDuration />
    </div>
  );
}
