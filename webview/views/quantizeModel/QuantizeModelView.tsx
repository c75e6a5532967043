import * as l10n from '@vscode/l10n';
import { useMemo } from 'preact/hooks';
import type { EvidenceEstimate } from '../../../src/protocol/evidence';
import type { QuantizePreview, RecipeChoices } from '../../../src/protocol/quantizeModel';
import { useApp, useAppState, useAsk } from '../../context';
import { Button, Loading } from '../../controls';
import { finishedOf } from '../../quantization';
import { useAnswer } from '../../useAnswer';
import { useDryRun } from '../../useDryRun';
import { useRecipeChoices } from '../../useRecipeChoices';
import { usePersistentForm } from '../../usePersistent';
import { DryRunning } from '../DryRunning';
import { Estimate } from './Estimate';
import { emptyForm, settingsOf, type QuantizeModelForm } from './form';
import { OutputField, useOutput } from './Output';
import { RecipeFields } from './RecipeFields';
import { Run } from './Run';
import { WeightTable } from './WeightTable';
import { Failed } from '../states';

/** A recipe for the whole model: what it would do, the run with each finished matrix, and what can be done with the result. */
export function QuantizeModelView() {
  const { choices, problem } = useRecipeChoices();
  if (choices) return <Quantizing choices={choices} />;
  return problem === undefined ? (
    <Loading>{l10n.t('Reading the recipes…')}</Loading>
  ) : (
    <Failed message={problem} />
  );
}

function Quantizing({ choices }: { choices: RecipeChoices }) {
  const { host } = useApp();
  const { quantization, revision } = useAppState();
  const { form, change } = useForm();
  const { preview, failure, of } = useDryRun(
    form,
    async (now) => host.call('previewQuantization', { settings: settingsOf(now, choices) }),
    revision,
  );
  // What is started is what was previewed, not what was typed since.
  const isCurrent = preview !== undefined && failure === undefined && of === form;
  const shown = of && failure === undefined ? settingsOf(of, choices) : undefined;
  const missing = preview?.evidence.missing;
  const calibration = useCalibrationEstimate(preview);
  const output = useOutput(preview, form.out);
  const isRunning = quantization !== undefined && quantization.outcome === undefined;
  return (
    <div class="quantize-model">
      <RecipeFields form={form} change={change} choices={choices} preview={preview} />
      {failure !== undefined && <Failed message={failure} />}
      {missing !== undefined && <p class="notice warning">{missing}</p>}
      {preview && <OutputField {...{ form, change, preview, output }} />}
      <div class="outcome">
        {of !== form && !preview && failure === undefined && <DryRunning />}
        {preview && <Estimate preview={preview} isStale={!isCurrent} calibration={calibration} />}
        <StartButton
          {...{ form, choices }}
          out={output.resolved?.problem === undefined ? output.resolved?.path : undefined}
          disabled={!isCurrent || missing !== undefined || isRunning}
        />
      </div>
      {preview?.warnings.map((warning) => (
        <p key={warning} class="notice warning">
          {warning}
        </p>
      ))}
      {preview && preview.notes.length > 0 && <p class="muted">{preview.notes.join(' ')}</p>}
      {quantization && <Run quantization={quantization} known={preview?.notes ?? []} />}
      {preview && <WeightTable preview={preview} finished={finishedOf(quantization, shown)} />}
    </div>
  );
}

/** What the calibration that a recipe needs would take; undefined where it needs none, or until that is known. */
function useCalibrationEstimate(preview: QuantizePreview | undefined): EvidenceEstimate | undefined {
  const { host } = useApp();
  const text = preview?.evidence.text;
  const { tokens, context } = preview?.recipe.calibration ?? {};
  const params = {
    ...(tokens === undefined ? {} : { tokens }),
    ...(context === undefined ? {} : { context }),
  };
  const { value } = useAnswer(text && JSON.stringify([text, params]), (signal) =>
    host.call('estimateCalibration', { text: text!, ...params }, { signal }),
  );
  return text === undefined ? undefined : value;
}

/** Starts; `out` is undefined until it is known that the result can be written there. */
function StartButton(props: {
  form: QuantizeModelForm;
  choices: RecipeChoices;
  out: string | undefined;
  disabled: boolean;
}) {
  const { form, choices, out, disabled } = props;
  const ask = useAsk();
  const start = async (): Promise<void> => {
    if (out !== undefined) await ask('quantizeModel', { settings: settingsOf(form, choices), out });
  };
  return (
    <Button primary disabled={disabled || out === undefined} onClick={() => void start()}>
      {l10n.t('Quantize')}
    </Button>
  );
}

/** The form, as it was left when the editor was hidden. */
function useForm() {
  const { calibrationText } = useAppState();
  // One object while nothing of it changes: another form is another dry run.
  const fresh = useMemo(() => ({ ...emptyForm, text: calibrationText ?? '' }), [calibrationText]);
  const [form, setForm] = usePersistentForm('quantizeModel.form', fresh);
  const change = (part: Partial<QuantizeModelForm>): void => setForm((now) => ({ ...now, ...part }));
  return { form, change };
}
