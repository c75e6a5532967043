import * as l10n from '@vscode/l10n';
import { mixed } from '../../mixed';
import { useEffect, useState } from 'preact/hooks';
import { evidenceWords, type EvidenceEstimate, type StoredEvidence } from '../../../src/protocol/evidence';
import { duration, size } from '../../../src/protocol/words';
import { useApp, useAppState, useAsk } from '../../context';
import { Button, Spinner } from '../../controls';
import { useAnswer } from '../../useAnswer';
import { useJob } from '../../useJob';
import { Going } from '../Going';
import { LongText } from '../LongText';
import { Failed } from '../states';

interface Props {
  /** A calibration text next to the model. */
  readonly text?: string;
  readonly evidence?: StoredEvidence;
  /** There is other evidence now. */
  readonly onDone: () => void;
}

/** What is known of the inputs of the model's matrices; where something is missing, a calibration is offered with the time it takes. */
export function Calibration({ text: suggested = '', evidence, onDone }: Props) {
  const { limits } = useAppState();
  const [text, setText] = useState(suggested);
  const { host } = useApp();
  const { run, start, cancel } = useJob('calibration', (params: { text: string }, options) =>
    host.call('calibrateInputs', params, options),
  );
  const { isRunning = false, progress, result, failure } = run ?? {};
  useEffect(() => {
    if (result) onDone();
  }, [result]);
  const isWhole = evidence?.kinds.includes('hessian') && evidence.kinds.includes('activations');
  const impossible = limits?.run;
  return (
    <section class="calibration" aria-label={l10n.t('Evidence')}>
      <Known evidence={evidence} />
      {impossible !== undefined && (
        <p class="muted">
          {mixed(
            l10n.t('This model cannot be run over a text: methods know its weights alone. {0}'),
            <LongText text={impossible} />,
          )}
        </p>
      )}
      {!isWhole && limits && impossible === undefined && (
        <Offer text={text} setText={setText} isRunning={isRunning} start={() => start({ text })} />
      )}
      {isRunning && <Going title={l10n.t('Calibration')} progress={progress} cancel={cancel} />}
      {failure !== undefined && <Failed message={failure} />}
    </section>
  );
}

const baseName = (path: string): string => path.replace(/^.*[\\/]/, '');

function Known({ evidence }: { evidence: StoredEvidence | undefined }) {
  if (!evidence)
    return (
      <p class="muted">
        {l10n.t('Evidence: the weights alone. Nothing is known of the inputs of the matrices.')}
      </p>
    );
  return (
    <p class="muted">
      {l10n.t(
        'Evidence: {0} tokens of {1} ({2}).',
        evidence.tokens.toLocaleString('en-US'),
        baseName(evidence.text),
        evidence.kinds.map((kind) => evidenceWords[kind]).join(', '),
      )}
    </p>
  );
}

/** A text, and what the model's run over it would take. */
function Offer(props: {
  text: string;
  setText: (text: string) => void;
  isRunning: boolean;
  start: () => void;
}) {
  const { text, setText, isRunning, start } = props;
  const { host } = useApp();
  const ask = useAsk();
  const { value, failure } = useAnswer(text === '' ? undefined : text, (signal) =>
    host.call('estimateCalibration', { text }, { signal }),
  );
  const browse = async (): Promise<void> => {
    const chosen = await ask('chooseFile', { kind: 'text' });
    if (chosen) setText(chosen.path);
  };
  return (
    <div class="measure">
      {text !== '' && (
        <Button primary disabled={isRunning || failure !== undefined} onClick={start}>
          {l10n.t('Calibrate on {0}{1}', baseName(text), value ? costOf(value) : '…')}
        </Button>
      )}
      <Button disabled={isRunning} onClick={() => void browse()}>
        {text === '' ? l10n.t('Calibrate on a Text…') : l10n.t('Another Text…')}
      </Button>
      {text !== '' && !value && failure === undefined && <Spinner />}
      {failure !== undefined && <span class="failed">{failure}</span>}
    </div>
  );
}

const costOf = ({ seconds, bytes, isKept }: EvidenceEstimate): string =>
  isKept ? '' : ` (≈ ${duration(seconds)}, ${size(bytes)})`;
