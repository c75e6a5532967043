import * as l10n from '@vscode/l10n';
import type { CausesResult, ChatToken, PanelVariant } from '../../../../src/protocol/chat';
import type { WebviewRequests } from '../../../../src/protocol/webview';
import { plural } from '../../../../src/protocol/words';
import { useApp } from '../../../context';
import { Button } from '../../../controls';
import { number, percent } from '../../../format';
import { useJob } from '../../../useJob';
import { Going } from '../../Going';
import { Failed } from '../../states';
import { TensorName } from '../../TensorName';
import { quoted } from './divergenceScale';

/** Tensors that are listed. */
const shownTensors = 12;

/** What both models say of a token, and, on request, the tensors whose errors moved it. @param props.before ids of all tokens before it. */
export function TokenDetails(props: {
  token: ChatToken;
  label: string;
  variant: PanelVariant;
  before: readonly number[];
}) {
  const { token, label, variant, before } = props;
  const { host } = useApp();
  const { run, start, cancel } = useJob(
    'chat causes',
    (params: WebviewRequests['chatCauses']['params'], options) => host.call('chatCauses', params, options),
  );
  const isOfToken = JSON.stringify(run?.params) === JSON.stringify({ variant, tokens: before });
  const { isRunning = false, progress, result, failure } = (isOfToken && run) || {};
  return (
    <section class="token-details" aria-label={l10n.t('The selected token')}>
      <h4>
        {quoted(token.text)} <span class="muted">{l10n.t('KLD {0} nats', number(token.divergence))}</span>
      </h4>
      <table>
        <thead>
          <tr>
            <th scope="col">{l10n.t('Next token')}</th>
            <th scope="col">{l10n.t('Original')}</th>
            <th scope="col">{label}</th>
          </tr>
        </thead>
        <tbody>
          {token.candidates.map(({ text, original, variant: other }, i) => (
            <tr key={i}>
              <th scope="row">{quoted(text)}</th>
              <Share value={original} />
              <Share value={other} />
            </tr>
          ))}
        </tbody>
      </table>
      {!isRunning && !result && (
        <Button onClick={() => start({ variant, tokens: before })}>
          {l10n.t('Which tensors did this?')}
        </Button>
      )}
      {failure !== undefined && <Failed message={failure} />}
      {isRunning && (
        <Going title={l10n.t('Tensors that moved a token')} progress={progress} cancel={cancel} />
      )}
      {result && <Causes causes={result} />}
    </section>
  );
}

/** A probability as a number over a bar. */
function Share({ value }: { value: number }) {
  return (
    <td class="share">
      <span>{percent(value)}</span>
      <i style={{ width: `${100 * value}%` }} />
    </td>
  );
}

function Causes({ causes: { tensors, divergence, sum } }: { causes: CausesResult }) {
  const largest = Math.max(0, tensors[0]?.share ?? 0);
  return (
    <>
      <h5>{l10n.t('Tensors whose errors moved it')}</h5>
      <table class="causes">
        <tbody>
          {tensors.slice(0, shownTensors).map(({ tensor, effect, share }) => (
            <tr key={tensor}>
              <th scope="row">
                <TensorName name={tensor} />
              </th>
              <td class="share" title={l10n.t('{0} nats', number(effect))}>
                <span>{percent(share)}</span>
                <i style={{ width: `${largest > 0 ? (100 * Math.max(0, share)) / largest : 0}%` }} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="muted">
        {tensors.length === 0
          ? l10n.t('No tensor differs.')
          : l10n.t(
              'Gradient of the divergence times the error of each tensor: {0} nats over {1}, of {2}.',
              number(sum),
              plural(tensors.length, 'tensor'),
              number(divergence),
            )}
      </p>
    </>
  );
}
