import * as l10n from '@vscode/l10n';
import { useMemo, useState } from 'preact/hooks';
import type { Plan } from '../../../src/protocol/plan';
import { PlanSize, rangeText, typedBudget, type BudgetRange } from '../../budgetText';
import { TextField } from '../../controls';

/** Bits per weight between two positions of the slider. */
const budgetStep = 0.01;

/** Ends that are whole steps, so that positions between them are: a slider counts its steps from its minimum. */
export const steppedRange = ({ min, max }: BudgetRange): BudgetRange => ({
  min: Math.ceil(min / budgetStep - 1e-9) * budgetStep,
  max: Math.ceil(max / budgetStep - 1e-9) * budgetStep,
});

/**
 * A slider, and a field for exact values and sizes.
 * @param props.plan tells how large the model is in bits per weight.
 */
export function BudgetControl(props: {
  range: BudgetRange;
  plan?: Plan;
  budget: number;
  move: (budget: number) => void;
  disabled: boolean;
}) {
  const { range, plan, budget, move, disabled } = props;
  const [typed, setTyped] = useState<string>();
  const sizes = useMemo(() => plan && new PlanSize(plan), [plan]);
  const isWrong = !!typed?.trim() && typedBudget(typed, range, sizes) === undefined;
  return (
    <div class="budget">
      <label for="budget">{l10n.t('Budget')}</label>
      <input
        id="budget"
        disabled={disabled}
        type="range"
        min={range.min}
        max={range.max}
        step={budgetStep}
        value={budget}
        style={{ '--filled': `${(100 * (budget - range.min)) / (range.max - range.min || 1)}%` }}
        onInput={(event) => {
          setTyped(undefined);
          move(Number(event.currentTarget.value));
        }}
      />
      <TextField
        value={typed ?? budget.toFixed(2)}
        label={l10n.t('Bits per weight, or a size')}
        disabled={disabled}
        width="104px"
        onInput={(text) => {
          setTyped(text);
          const value = typedBudget(text, range, sizes);
          if (value !== undefined) move(value);
        }}
        onBlur={() => setTyped(undefined)}
      />
      <span>{l10n.t('bits per weight')}</span>
      <p class={isWrong ? 'caption wrong' : 'caption'} role="status">
        {rangeText(range, sizes)}
      </p>
    </div>
  );
}
