import * as l10n from '@vscode/l10n';
import type { RefinementActivity, RefinementOutcome } from '../../../src/protocol/refinementView';
import { duration, plural } from '../../../src/protocol/words';
import { bestPoint, improvement, type RefinementPoint } from '../../../src/protocol/refinement';
import { RefinementChart } from '../../charts/RefinementChart';
import { useAsk } from '../../context';
import { Button } from '../../controls';
import { number } from '../../format';
import { Figure } from '../Figure';
import { Going } from '../Going';
import { RunFailure } from '../RunFailure';

/** The refinement in progress or the last one: how far it is, and the divergence on text that is kept back. */
export function Run({ activity }: { activity: RefinementActivity }) {
  const { title, curve, outcome, isFinishing } = activity;
  // Where writing the best state has failed, another try does not help.
  const hasFailed = isFinishing && outcome?.kind === 'failed';
  const best = hasFailed ? undefined : improvement(curve?.points ?? []);
  return (
    <section
      class="run"
      aria-label={outcome ? l10n.t('The last refinement') : l10n.t('The refinement in progress')}
    >
      <h3>{title}</h3>
      {outcome ? <Ended {...{ outcome, best, isFinishing }} /> : <InProgress {...activity} />}
      {curve && curve.points.length > 0 && (
        <>
          <Curve {...curve} />
          <RefinementChart {...curve} />
        </>
      )}
    </section>
  );
}

function InProgress({ title, progress, isStopping }: RefinementActivity) {
  const ask = useAsk();
  return (
    <Going
      {...{ title, progress }}
      {...(isStopping
        ? { label: l10n.t('Stopping…') }
        : {
            label: l10n.t('Stop'),
            hint: l10n.t(
              'Writes the best state so far, if it is better than the start; the run can be continued later',
            ),
          })}
      disabled={isStopping === true}
      cancel={() => void ask('stopRefinement', {})}
    />
  );
}

/** What was measured so far, nats per token. */
function Curve({ points, steps }: NonNullable<RefinementActivity['curve']>) {
  const [start] = points;
  const [last, best] = [points.at(-1), bestPoint(points)];
  if (!start || !last || !best) return null;
  const gained = 1 - best.divergence / start.divergence;
  return (
    <dl class="totals">
      <Figure name={l10n.t('last measured at step')} value={l10n.t('{0} of {1}', last.step, steps)} />
      <Figure name={l10n.t('mean KLD at the start')} value={number(start.divergence)} />
      <Figure
        name={l10n.t('smallest')}
        value={
          best.step === 0
            ? l10n.t('that of the start')
            : l10n.t('{0} (step {1}, −{2} %)', number(best.divergence), best.step, (100 * gained).toFixed(0))
        }
      />
    </dl>
  );
}

interface EndedProps {
  readonly outcome: RefinementOutcome;
  /** The best state that the run has reached and can still write. */
  readonly best: RefinementPoint | undefined;
  /** Whether it was to write that state, without further steps. */
  readonly isFinishing: true | undefined;
}

/** How a run ended. */
function Ended({ outcome, best, isFinishing }: EndedProps) {
  const ask = useAsk();
  const again = (): void => void ask('continueRefinement', {});
  const finish = (): void => void ask('finishRefinement', {});
  if (outcome.kind === 'refined') return <Refined {...outcome} again={again} />;
  return (
    <>
      <RunFailure
        failure={outcome}
        cancelled={l10n.t('Stopped; nothing was written. What was reached is kept.')}
        left={l10n.t('; what it had reached is kept')}
        repeat={isFinishing ? finish : again}
      />
      {(best ?? outcome.kind === 'cancelled') && (
        <div class="actions">
          {best && (
            <Button
              primary
              title={l10n.t(
                'Writes the state after {0}, the best that was measured',
                plural(best.step, 'step'),
              )}
              onClick={finish}
            >
              {l10n.t('Write Best So Far')}
            </Button>
          )}
          {outcome.kind === 'cancelled' && <Button onClick={again}>{l10n.t('Continue')}</Button>}
        </div>
      )}
    </>
  );
}

const uses = [
  { what: 'open', label: l10n.t('Open Model') },
  { what: 'compare', label: l10n.t('Compare with the File') },
  { what: 'evaluate', label: l10n.t('Evaluate') },
] as const;

/** What was written, and what can be done with it. */
function Refined({
  result: { out, best, steps, tokens, tensors, seconds },
  wasStopped,
  again,
}: RefinementOutcome & { kind: 'refined' } & { again: () => void }) {
  const ask = useAsk();
  return (
    <div class="refined" role="status">
      <p class="written" title={out}>
        {l10n.t('Written: {0}', out)}
      </p>
      <p class="muted">
        {l10n.t(
          '{0} {1} of {2} trained on {3} tokens, measured on {4} others{5}',
          best.step === 0
            ? l10n.t('No step was better than the start: the file has the weights that it had.')
            : l10n.t(
                'The state after {0}{1}.',
                plural(best.step, 'step'),
                best.step === steps ? '' : l10n.t(' of {0} that were made', steps),
              ),
          tensors.trained,
          plural(tensors.all, 'tensor'),
          tokens.learned.toLocaleString('en-US'),
          tokens.heldBack.toLocaleString('en-US'),
          wasStopped ? l10n.t('. The run was stopped, and can be continued.') : `; ${duration(seconds)}.`,
        )}
      </p>
      <div class="actions">
        {wasStopped && (
          <Button primary onClick={again}>
            {l10n.t('Continue')}
          </Button>
        )}
        {uses.map(({ what, label }) => (
          <Button key={what} onClick={() => void ask('useRefined', { what })}>
            {label}
          </Button>
        ))}
      </div>
    </div>
  );
}
