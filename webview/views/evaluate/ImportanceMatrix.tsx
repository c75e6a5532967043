import * as l10n from '@vscode/l10n';
import { mixed } from '../../mixed';
import type { CalibrationResult } from '../../../src/protocol/evaluation';
import { preciseText } from '../../../src/protocol/figures';
import { useApp, useAppState, useAsk } from '../../context';
import { Button } from '../../controls';
import { PathField, TextSetting } from '../fields';
import { calibrationOf, takesImportance } from './form';
import { Machine } from './Setup';
import { checked } from '../../formValues';
import { Start } from './Start';
import type { FormProps } from './useEvaluation';

const numbers = [
  {
    key: 'calibrationWindows',
    label: l10n.t('At most'),
    name: l10n.t('Maximum chunks'),
    placeholder: l10n.t('all chunks'),
    flag: l10n.t('Only the first chunks of the text; one hundred are usually enough'),
  },
  {
    key: 'calibrationContext',
    label: l10n.t('Context'),
    name: l10n.t('Tokens per chunk'),
    placeholder: '512',
    flag: l10n.t('Tokens per chunk: 512, or the model’s context length where that is less'),
  },
] as const;

/** An importance matrix from a text: how much each input of each matrix counts. */
export function ImportanceMatrix({ form, change }: FormProps) {
  const ask = useAsk();
  const { evaluation } = useAppState();
  const { value: settings, problem } = checked(() => calibrationOf(form));
  const outcome = evaluation?.outcome;
  return (
    <>
      <p class="muted">
        {l10n.t(
          'Runs the model over a text and sums the squared inputs of each matrix. Quantizers weight errors with these sums: the smaller the type, the larger the benefit.',
        )}
      </p>
      <div class="options" role="group" aria-label={l10n.t('Settings of the importance matrix')}>
        <PathField
          label={l10n.t('Text')}
          flag={l10n.t('UTF-8 text similar to what the model will be used for')}
          kind="text"
          path={form.calibrationText}
          none={l10n.t('text similar to what the model will be used for')}
          onChange={(calibrationText) => change({ calibrationText })}
        />
        {numbers.map(({ key, ...field }) => (
          <TextSetting
            key={key}
            {...field}
            value={form[key]}
            onChange={(value) => change({ [key]: value })}
          />
        ))}
        <Machine form={form} change={change} />
        <div class="flags">
          <label title={l10n.t('--process-output of llama-imatrix')}>
            <input
              type="checkbox"
              checked={form.processOutput}
              onChange={(event) => change({ processOutput: event.currentTarget.checked })}
            />
            {l10n.t('Include the output matrix')}
          </label>
        </div>
        <Start
          problem={problem}
          label={l10n.t('Compute Importance Matrix…')}
          start={() => settings && void ask('calibrate', { settings })}
        />
      </div>
      {outcome?.kind === 'calibrated' && <Calibrated result={outcome.result} form={form} change={change} />}
    </>
  );
}

/** The result, and where it can be used. */
function Calibrated({ result, form, change }: FormProps & { result: CalibrationResult }) {
  const { store, persistent } = useApp();
  const { out, entries, chunks, tokens, perplexity } = result;
  const evaluateWith = (): void => {
    // Only quantizers use it: the unquantized model does not need it.
    change({ imatrix: out, ...(takesImportance(form) ? {} : { variant: 'type Q4_K_M' }) });
    store.openTab('evaluate');
  };
  const exportWith = (): void => {
    persistent.set('export.form', { ...(persistent.get('export.form') as object | undefined), imatrix: out });
    store.openTab('export');
  };
  return (
    <div class="calibrated" role="status">
      <p>
        {mixed(l10n.t('Written: {0}'), <span title={out}>{out.replace(/^.*[\\/]/, '')}</span>)}
        <span class="muted">
          {' '}
          {l10n.t(
            '– {0} matrices, {1} chunks, {2} tokens, perplexity {3}',
            entries,
            chunks,
            tokens.toLocaleString('en-US'),
            preciseText(perplexity),
          )}
        </span>
      </p>
      <Button onClick={evaluateWith}>{l10n.t('Use in an Evaluation')}</Button>
      <Button onClick={exportWith}>{l10n.t('Use in an Export')}</Button>
    </div>
  );
}
