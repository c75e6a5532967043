import * as l10n from '@vscode/l10n';
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
    <ul class="constraints" aria-label={l10n.t('Constraints of the plan')}>
      {constraints.map((constraint) => {
        const text = constraintWords(constraint);
        return (
          <li key={text}>
            <LongText text={text} />
            <button
              class="link"
              disabled={disabled}
              aria-label={l10n.t('Remove: {0}', text)}
              onClick={() => without(constraint)}
            >
              {l10n.t('Remove')}
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
    ...(allow ? [l10n.t('only {0}', allow.join(', '))] : []),
    ...(exclude ? [l10n.t('not {0}', exclude.join(', '))] : []),
    ...(minBits === undefined ? [] : [l10n.t('at least {0} bits per weight', minBits)]),
    ...(agree ? [l10n.t('the same format in each layer')] : []),
  ];
  return `${tensors}: ${parts.join('; ')}`;
}
