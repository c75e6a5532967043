import * as l10n from '@vscode/l10n';
import { mixed } from '../../mixed';
import type { EvaluationActivity, EvaluationOutcome } from '../../../src/protocol/evaluationView';
import { notKeptNote } from '../../../src/protocol/tableNotes';
import { plural } from '../../../src/protocol/words';
import { CurveChart } from '../../charts/CurveChart';
import { useAsk } from '../../context';
import { number } from '../../format';
import { Figure } from '../Figure';
import { Going } from '../Going';
import { RunFailure } from '../RunFailure';

/** The run in progress or the last one: what it does, its progress and its curve. */
export function Run({ activity, isForeign }: { activity: EvaluationActivity; isForeign: boolean }) {
  const { title, curve, outcome } = activity;
  // A run that ended in the other mode is shown there.
  if (isForeign && outcome) return null;
  return (
    <section class="run" aria-label={outcome ? l10n.t('The last run') : l10n.t('The run in progress')}>
      <h3>{title}</h3>
      {outcome ? (
        <Ended outcome={outcome} windows={curve?.points.at(-1)?.windows ?? 0} />
      ) : (
        <InProgress {...activity} />
      )}
      {curve && <CurveChart {...curve} />}
    </section>
  );
}

function InProgress({ progress, curve, title }: EvaluationActivity) {
  const ask = useAsk();
  const last = curve?.points.at(-1);
  return (
    <>
      <Going title={title} progress={progress} cancel={() => void ask('cancelEvaluation', {})} />
      {last && (
        <dl class="totals">
          <Figure name={l10n.t('windows scored')} value={`${last.windows} of ${curve?.windows}`} />
          <Figure name={l10n.t('perplexity so far')} value={number(last.perplexity)} />
          {last.divergence !== undefined && (
            <Figure name={l10n.t('mean KLD so far')} value={number(last.divergence, 4)} />
          )}
        </dl>
      )}
    </>
  );
}

function Ended({ outcome, windows }: { outcome: EvaluationOutcome; windows: number }) {
  const ask = useAsk();
  if (outcome.kind === 'evaluated' && outcome.notKept !== undefined)
    return (
      <p class="notice note" role="status">
        {notKeptNote(outcome.notKept)}
      </p>
    );
  if (outcome.kind === 'evaluated' || outcome.kind === 'calibrated')
    return (
      <p class="muted" role="status">
        {mixed(
          l10n.t('Finished.{0}'),
          outcome.kind === 'evaluated' && l10n.t(' The result is marked in the table below.'),
        )}
      </p>
    );
  return (
    <RunFailure
      failure={outcome}
      cancelled={l10n.t('Cancelled after {0}; no result was kept.', plural(windows, 'window'))}
      repeat={() => void ask('repeatEvaluation', {})}
    />
  );
}
