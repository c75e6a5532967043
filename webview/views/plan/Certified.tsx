import * as l10n from '@vscode/l10n';
import { mixed } from '../../mixed';
import {
  additivityOf,
  type Certificate,
  type Improvement,
  type JointFigures,
} from '../../../src/protocol/certificate';
import { finalChanges, improvementText } from '../../../src/protocol/certificateText';
import { estimateText } from '../../../src/protocol/figures';
import type { Plan } from '../../../src/protocol/plan';
import { planRung, predictionRung } from '../../../src/protocol/rungs';
import { listOf } from '../../../src/protocol/tableNotes';
import { intervalText } from '../../../src/protocol/verdict';
import { plural, size } from '../../../src/protocol/words';
import { figure } from '../../format';
import { RungMark } from '../Evidence';

/** What was measured of the plan as a whole, and of what it was measured against. */
export function Certified({ plan }: { plan: Plan }) {
  const { certificate, total } = plan;
  if (!certificate) return null;
  const { predicted, measured, rivals, improvement } = certificate;
  return (
    <details class="certified" open>
      <summary>
        {mixed(l10n.t('Measured over {0} {1}'), certificate.text.file, <RungMark rung={planRung(plan)} />)}
      </summary>
      <p class="muted">{basis(certificate)}</p>
      {improvement && <Improved improvement={improvement} />}
      <div class="why-scroll" tabIndex={0} role="region" aria-label={l10n.t('Measurement of the plan')}>
        <table>
          <thead>
            <tr>
              <th scope="col">{l10n.t('Weights')}</th>
              <th scope="col" title={l10n.t('Mean KL divergence from the original, with its standard error')}>
                {l10n.t('Mean')}
              </th>
              <th
                scope="col"
                title={l10n.t('95 % interval, paired by tokens; below zero the plan is better')}
              >
                {l10n.t('Plan less this')}
              </th>
              <th scope="col">
                {mixed(l10n.t('Predicted {0}'), <RungMark rung={predictionRung(plan)} of={plan} />)}
              </th>
              <th scope="col">{l10n.t('Median')}</th>
              <th scope="col">99 %</th>
              <th scope="col">{l10n.t('Same top token')}</th>
              <th scope="col">{l10n.t('Size')}</th>
            </tr>
          </thead>
          <tbody>
            <Row
              {...{ name: 'plan', predicted, measured }}
              bytes={total.fileBytes ?? total.bytes}
              difference=""
            />
            {rivals.map(({ name, codes, fileBytes, difference, ...rival }) => (
              <Row
                key={`${name} ${codes}`}
                name={codes === 'optimised' ? l10n.t('{0}, optimised codes', name) : name}
                bytes={fileBytes}
                predicted={rival.predicted}
                measured={rival.measured}
                difference={intervalText(difference)}
              />
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

/** What swaps did, and the formats that changed. */
function Improved({ improvement }: { improvement: Improvement }) {
  const changes = improvement.isAdopted ? finalChanges(improvement) : [];
  return (
    <>
      <p>{improvementText(improvement)}</p>
      {changes.length > 0 && (
        <ul aria-label={l10n.t('Formats that swaps changed')}>
          {changes.map(({ tensor, from, to }) => (
            <li key={tensor}>
              {tensor}: {from} → {to}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

/** What the figures are based on, as a sentence or two. */
function basis(certificate: Certificate): string {
  const { text, roundActivations, notCompared } = certificate;
  const ratio = additivityOf(certificate);
  return [
    l10n.t(
      'KL divergence from the original in nats per token, over {0} of {1}, {2}{3}.',
      plural(text.windows, 'window'),
      text.context,
      plural(text.tokens, 'token'),
      roundActivations ? l10n.t(', activations rounded to 8 bits') : '',
    ),
    ...(ratio === undefined ? [] : [l10n.t('Measured over predicted: {0}.', ratio.toFixed(2))]),
    ...(notCompared.length === 0
      ? []
      : [l10n.t('Presets that need an importance matrix are not compared: {0}.', listOf(notCompared))]),
  ].join(' ');
}

function Row(props: {
  name: string;
  bytes: number;
  predicted: number | undefined;
  measured: JointFigures;
  difference: string;
}) {
  const { name, bytes, predicted, measured, difference } = props;
  return (
    <tr>
      <th scope="row">{name}</th>
      <td>{estimateText(measured.mean)}</td>
      <td>{difference}</td>
      <td>{predicted === undefined ? '–' : figure(predicted, 3)}</td>
      <td>{figure(measured.median, 3)}</td>
      <td>{figure(measured.percentile99, 3)}</td>
      <td>{(100 * measured.sameTopToken).toFixed(2)} %</td>
      <td>{size(bytes)}</td>
    </tr>
  );
}
