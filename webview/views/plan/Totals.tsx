import * as l10n from '@vscode/l10n';
import { useMemo } from 'preact/hooks';
import type { Plan } from '../../../src/protocol/plan';
import { errorRung, planRung, predictionRung, type Rung } from '../../../src/protocol/rungs';
import { verdictOf } from '../../../src/protocol/verdict';
import { decibels, figure } from '../../format';
import { mixOf } from '../../planMix';
import { Evidence, RungMark } from '../Evidence';
import { FormatBadge } from '../FormatBadge';
import { size } from '../../../src/protocol/words';

/**
 * Totals of the plan next to those of the preset of its size, in the same figures.
 * @param noise of the measurement that divergences come from.
 */
export function Totals({ plan, noise }: { plan: Plan; noise: number }) {
  const { total, preset, assignments } = plan;
  const { formats } = useMemo(() => mixOf(assignments), [assignments]);
  const verdict = verdictOf(plan, noise);
  return (
    <>
      <dl class="totals">
        <Figure name={l10n.t('bits per weight')} plan={total.bitsPerWeight.toFixed(3)} />
        <Figure
          name={l10n.t('tensor data')}
          plan={size(total.bytes)}
          {...(preset ? { other: `${preset.fileType}: ${size(preset.bytes)}` } : {})}
        />
        {total.fileBytes !== undefined && (
          <Figure
            name={l10n.t('exported file')}
            plan={size(total.fileBytes)}
            {...(preset?.fileBytes === undefined
              ? {}
              : { other: `${preset.fileType}: ${size(preset.fileBytes)}` })}
          />
        )}
        {total.divergence === undefined ? (
          <Errors plan={plan} />
        ) : (
          <Figure
            name={l10n.t('predicted KL divergence (nats per token)')}
            rung={predictionRung(plan)}
            plan={divergenceText(total.divergence, noise)}
            {...(preset?.divergence === undefined
              ? {}
              : { other: `${preset.fileType}: ${divergenceText(preset.divergence, noise)}` })}
          />
        )}
        <div class="wide">
          <dt>{l10n.t('tensors')}</dt>
          <dd>
            {formats.map(({ format, tensors }) => (
              <span key={format} class="tally">
                {tensors.toLocaleString('en-US')} × <FormatBadge format={format} />
              </span>
            ))}
          </dd>
        </div>
      </dl>
      {verdict && (
        <p class={verdict.recommended ? 'verdict recommended' : 'verdict'}>
          {verdict.text} <RungMark rung={planRung(plan)} of={plan} />
        </p>
      )}
      <Evidence rung={planRung(plan)} of={plan} />
    </>
  );
}

const divergenceText = (divergence: number, noise: number): string =>
  divergence < noise ? l10n.t('< noise') : figure(divergence, 3);

/** Where the model was not run over a text. */
function Errors({ plan }: { plan: Plan }) {
  const { total, preset } = plan;
  const rung = errorRung(plan);
  return (
    <>
      {total.roleError !== undefined && (
        <Figure
          name={l10n.t('error weighted by role')}
          rung={rung}
          plan={figure(total.roleError, 3)}
          {...(preset ? { other: `${preset.fileType}: ${figure(preset.roleError, 3)}` } : {})}
        />
      )}
      {total.error !== undefined && (
        <Figure name={l10n.t('SQNR')} rung={rung} plan={decibels(total.error, 2)} />
      )}
    </>
  );
}

/** A figure of the plan, and that of the preset, with what they rest on. */
function Figure(props: { name: string; rung?: Rung; plan: string; other?: string }) {
  const { name, rung, plan, other } = props;
  return (
    <div>
      <dt>
        {name} {rung && <RungMark rung={rung} />}
      </dt>
      <dd>{plan}</dd>
      {other !== undefined && <dd class="muted other">{other}</dd>}
    </div>
  );
}
