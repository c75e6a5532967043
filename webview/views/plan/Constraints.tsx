import type { Plan, PlanConstraint } from '../../../src/protocol/plan';
import { useAsk } from '../../context';
import { LongText } from '../LongText';

/** What the solver keeps to, each to be removed. */
export function Constraints({ plan, disabled }: { plan: Plan; disabled: boolean }) {
  const ask = useAsk();
  const { constraints = [] } = plan;
  if (constraints.length === 0) return null;
  const without = (removed: PlanConstraint): void =>
    void ask('constrainPlan', { constraints: constraints.filter((constraint) => constraint !== removed) });
  return (
    <ul class="constraints" aria-label="Constraints of the plan">
      {constraints.map((constraint) => {
        const text = constraintWords(constraint);
        return (
          <li key={text}>
            <LongText text={text} />
            <button
              class="link"
              disabled={disabled}
              aria-label={`Remove: ${text}`}
              onClick={() => without(constraint)}
            >
              Remove
            </button>
          </li>
        );
      })}
    </ul>
  );
}

/** "^blk\.0\.attn_q\.weight$: only Q6_K". */
export function constraintWords({ tensors, allow, exclude, minBits, agree }: PlanConstraint): string {
  const parts = [
    ...(allow ? [`only ${allow.join(', ')}`] : []),
    ...(exclude ? [`not ${exclude.join(', ')}`] : []),
    ...(minBits === undefined ? [] : [`at least ${minBits} bits per weight`]),
    ...(agree ? ['the same format in each layer'] : []),
  ];
  return `${tensors}: ${parts.join('; ')}`;
}
