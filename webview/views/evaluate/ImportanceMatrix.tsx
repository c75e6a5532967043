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
    label: 'At most',
    name: 'Maximum chunks',
    placeholder: 'all chunks',
    flag: 'Only the first chunks of the text; one hundred are usually enough',
  },
  {
    key: 'calibrationContext',
    label: 'Context',
    name: 'Tokens per chunk',
    placeholder: '512',
    flag: 'Tokens per chunk: 512, or the model’s context length where that is less',
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
        Runs the model over a text and sums the squared inputs of each matrix. Quantizers weight errors with
        these sums: the smaller the type, the larger the benefit.
      </p>
      <div class="options" role="group" aria-label="Settings of the importance matrix">
        <PathField
          label="Text"
          flag="UTF-8 text similar to what the model will be used for"
          kind="text"
          path={form.calibrationText}
          none="text similar to what the model will be used for"
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
          <label title="--process-output of llama-imatrix">
            <input
              type="checkbox"
              checked={form.processOutput}
              onChange={(event) => change({ processOutput: event.currentTarget.checked })}
            />
            Include the output matrix
          </label>
        </div>
        <Start
          problem={problem}
          label="Compute Importance Matrix…"
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
        Written: <span title={out}>{out.replace(/^.*[\\/]/, '')}</span>
        <span class="muted">
          {' '}
          – {entries} matrices, {chunks} chunks, {tokens.toLocaleString('en-US')} tokens, perplexity{' '}
          {preciseText(perplexity)}
        </span>
      </p>
      <Button onClick={evaluateWith}>Use in an Evaluation</Button>
      <Button onClick={exportWith}>Use in an Export</Button>
    </div>
  );
}
