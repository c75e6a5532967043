import type { EvaluationActivity, EvaluationOutcome } from '../../../src/protocol/webview';
import { notKeptNote } from '../../../src/protocol/tableNotes';
import { duration, plural } from '../../../src/protocol/words';
import { CurveChart } from '../../charts/CurveChart';
import { useAsk } from '../../context';
import { Button, Spinner } from '../../controls';
import { number, percentDone } from '../../format';
import { Figure } from '../Figure';
import { RunFailure } from '../RunFailure';

/** The run in progress or the last one: what it does, its progress and its curve. */
export function Run({ activity, isForeign }: { activity: EvaluationActivity; isForeign: boolean }) {
  const { title, curve, outcome } = activity;
  // A run that ended in the other mode is shown there.
  if (isForeign && outcome) return null;
  return (
    <section class="run" aria-label={outcome ? 'The last run' : 'The run in progress'}>
      <h3>{title}</h3>
      {outcome ? (
        <Ended outcome={outcome} windows={curve?.points.at(-1)?.windows ?? 0} />
      ) : (
        <Going {...activity} />
      )}
      {curve && <CurveChart {...curve} />}
    </section>
  );
}

function Going({ progress, curve, title }: EvaluationActivity) {
  const ask = useAsk();
  const { done = 0, total = 0, secondsLeft } = progress ?? {};
  const left = secondsLeft === undefined ? 'time left unknown' : `${duration(secondsLeft)} left`;
  const percent = percentDone({ done, total });
  const last = curve?.points.at(-1);
  return (
    <>
      <div class="going">
        <progress value={done} max={total || 1} aria-label={title} aria-valuetext={`${percent} %, ${left}`} />
        <span class="step">{progress ? `step ${done} of ${total}` : <Spinner />}</span>
        <span class="left">{left}</span>
        <span class="muted ellipsis now" title={progress?.message}>
          {progress?.message ?? 'Opening the model…'}
        </span>
        <Button onClick={() => void ask('cancelEvaluation', {})}>Cancel</Button>
      </div>
      {last && (
        <dl class="totals">
          <Figure name="windows scored" value={`${last.windows} of ${curve?.windows}`} />
          <Figure name="perplexity so far" value={number(last.perplexity)} />
          {last.divergence !== undefined && (
            <Figure name="mean KLD so far" value={number(last.divergence, 4)} />
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
        Finished.{outcome.kind === 'evaluated' && ' The result is marked in the table below.'}
      </p>
    );
  return (
    <RunFailure
      failure={outcome}
      cancelled={`Cancelled after ${plural(windows, 'window')}; no result was kept.`}
      repeat={() => void ask('repeatEvaluation', {})}
    />
  );
}
