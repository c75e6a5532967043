import { useState } from 'preact/hooks';
import { TextField } from '../../controls';

/** Bits per weight between two positions of the slider. */
const budgetStep = 0.01;

/** Ends that are whole steps, so that positions between them are: a slider counts its steps from its minimum. */
export const steppedRange = ({ min, max }: { min: number; max: number }): { min: number; max: number } => ({
  min: Math.ceil(min / budgetStep - 1e-9) * budgetStep,
  max: Math.ceil(max / budgetStep - 1e-9) * budgetStep,
});

/** A slider, and a field for exact values. */
export function BudgetControl(props: {
  range: { min: number; max: number };
  budget: number;
  move: (budget: number) => void;
  disabled: boolean;
}) {
  const { range, budget, move, disabled } = props;
  const [typed, setTyped] = useState<string>();
  return (
    <div class="budget">
      <label for="budget">Budget</label>
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
        label="Bits per weight"
        disabled={disabled}
        width="104px"
        onInput={(text) => {
          setTyped(text);
          const value = Number(text);
          if (value >= range.min && value <= range.max) move(value);
        }}
        onBlur={() => setTyped(undefined)}
      />
      <span>bits per weight</span>
    </div>
  );
}
