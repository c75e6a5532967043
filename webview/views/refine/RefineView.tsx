import * as l10n from '@vscode/l10n';
import { mixed } from '../../mixed';
import { useEffect, useState } from 'preact/hooks';
import type { RefinementEstimate } from '../../../src/protocol/refinement';
import type { PanelRefinement } from '../../../src/protocol/refinementView';
import { duration, size } from '../../../src/protocol/words';
import { useApp, useAppState, useAsk } from '../../context';
import { Button, Loading } from '../../controls';
import { checked } from '../../formValues';
import { overFresh } from '../../persistent';
import { useJob } from '../../useJob';
import { Choice, PathField, TextSetting } from '../fields';
import { Figure } from '../Figure';
import { Going } from '../Going';
import { LongText } from '../LongText';
import { formOf, settingsOf, type RefinementForm } from './form';
import { Run } from './Run';
import { Failed } from '../states';

/** A GGUF file that is trained on the output of its original: what that takes, the run with its curve, and what came of it. */
export function RefineView() {
  const { model, limits } = useAppState();
  if (model?.format !== 'gguf') return <OnlyGguf />;
  if (!limits) return <Loading>{l10n.t('Reading the models…')}</Loading>;
  const impossible = limits.run;
  if (impossible !== undefined)
    return (
      <p class="notice error" role="alert">
        {mixed(l10n.t('This file cannot be run over a text. {0}'), <LongText text={impossible} />)}
      </p>
    );
  return <Refining />;
}

function OnlyGguf() {
  const ask = useAsk();
  const { store } = useApp();
  return (
    <div class="empty">
      <p>
        {l10n.t(
          'GGUF files are refined: trained on the output of the model that they were made from, so that they diverge less from it with the same types and the same size. Export this model first, or choose a file that was made from it.',
        )}
      </p>
      <div class="actions">
        <Button primary onClick={() => void ask('refineFile', {})}>
          {l10n.t('Refine a GGUF File…')}
        </Button>
        <Button onClick={() => store.openTab('export')}>{l10n.t('Export')}</Button>
      </div>
    </div>
  );
}

function Refining() {
  const { form, change, problem } = useForm();
  const { refinement } = useAppState();
  if (problem !== undefined) return <Failed message={problem} />;
  if (!form) return <Loading>{l10n.t('Reading the models…')}</Loading>;
  return (
    <div class="refine">
      <p class="muted">
        {l10n.t(
          'Trains the file on the output of the model that it was made from, and measures the divergence on text that is kept back. The best state is written to a new file of the same types and size.',
        )}
      </p>
      <Settings form={form} change={change} />
      {refinement && <Run activity={refinement} />}
    </div>
  );
}

interface FormProps {
  readonly form: RefinementForm;
  readonly change: (part: Partial<RefinementForm>) => void;
}

const numbers = [
  {
    key: 'steps',
    label: l10n.t('Steps'),
    placeholder: '200',
    flag: l10n.t('Each takes some windows of the text'),
  },
  {
    key: 'batch',
    label: l10n.t('Windows of a step'),
    placeholder: '4',
    flag: l10n.t('Windows that a step learns from'),
  },
  {
    key: 'tokens',
    label: l10n.t('Tokens'),
    placeholder: '65536',
    flag: l10n.t('Of the text, spread over it'),
  },
  {
    key: 'context',
    label: l10n.t('Tokens per window'),
    placeholder: '512',
    flag: l10n.t('Tokens of a window: 512, or the model’s context length where that is less'),
  },
] as const;

const trained = [
  { name: 'codes', label: l10n.t('norms, scales and codes') },
  { name: 'factors', label: l10n.t('norms and scales') },
] as const;

/** What is trained on what, what it would take, and the start. */
function Settings({ form, change }: FormProps) {
  const { value: settings, problem } = checked(() => settingsOf(form));
  return (
    <>
      <div class="options" role="group" aria-label={l10n.t('Settings of the refinement')}>
        <PathField
          label={l10n.t('Original')}
          flag={l10n.t('The model that the file was made from')}
          kind="original"
          path={form.original}
          none={l10n.t('the model that the file was made from')}
          onChange={(original) => change({ original })}
        />
        <PathField
          label={l10n.t('Text')}
          flag={l10n.t('UTF-8 text similar to what the model will be used for')}
          kind="text"
          path={form.text}
          none={l10n.t('text similar to what the model will be used for')}
          onChange={(text) => change({ text })}
        />
        <Choice
          label={l10n.t('Trained')}
          name={l10n.t('Trained parts')}
          options={trained}
          wide
          value={form.parts}
          onChange={(parts) => change({ parts })}
        />
        {numbers.map(({ key, ...field }) => (
          <TextSetting
            key={key}
            {...field}
            value={form[key]}
            onChange={(value) => change({ [key]: value })}
          />
        ))}
      </div>
      <Outlook settings={settings} problem={problem} />
    </>
  );
}

/** What is estimated: settings, after so many runs. */
interface Estimated {
  readonly settings: PanelRefinement;
  readonly runs: number;
}

/** The estimate of the settings, and the buttons that make it and start the run. */
function Outlook({
  settings,
  problem,
}: {
  settings: PanelRefinement | undefined;
  problem: string | undefined;
}) {
  const { host } = useApp();
  const ask = useAsk();
  const { refinement } = useAppState();
  const { run, start, cancel } = useJob('refinement estimate', (params: Estimated, options) =>
    host.call('estimateRefinement', { settings: params.settings }, options),
  );
  const isRefining = refinement !== undefined && refinement.outcome === undefined;
  // A run since then has changed what is left.
  const of = { settings, runs: refinement?.run ?? 0 };
  const isOfThese = JSON.stringify(run?.params) === JSON.stringify(of);
  const estimate = isOfThese ? run?.result : undefined;
  const { isRunning = false, progress, failure } = run ?? {};
  const ready = settings !== undefined && !isRunning && !isRefining;
  return (
    <>
      {isRunning && <Going title={l10n.t('Estimate')} progress={progress} cancel={cancel} />}
      {failure !== undefined && isOfThese && <Failed message={failure} />}
      <div class="outcome">
        {estimate && <Estimate {...estimate} />}
        <div class="start">
          <span class="muted" role="status">
            {problem ?? (estimate || isRunning || isRefining ? '' : l10n.t('The estimate makes one step.'))}
          </span>
          <Button
            primary={!estimate}
            disabled={!ready}
            onClick={() => settings && start({ ...of, settings })}
          >
            {l10n.t('Estimate')}
          </Button>
          {estimate && estimate.done > 0 && (
            <Button
              disabled={!ready}
              title={l10n.t('Writes the best state that the earlier run has reached')}
              onClick={() => settings && void ask('refine', { settings, finish: true })}
            >
              {l10n.t('Write Best So Far…')}
            </Button>
          )}
          <Button
            primary={estimate !== undefined}
            disabled={!ready || !estimate}
            onClick={() => settings && void ask('refine', { settings })}
          >
            {estimate && estimate.done > 0 ? l10n.t('Continue…') : l10n.t('Refine…')}
          </Button>
        </div>
      </div>
    </>
  );
}

function Estimate({ steps, done, seconds, memory, disk }: RefinementEstimate) {
  return (
    <dl class="totals" aria-live="polite">
      <Figure
        name={l10n.t('steps')}
        value={done > 0 ? l10n.t('{0}, of which {1} are made', steps, done) : `${steps}`}
      />
      <Figure name={l10n.t('time')} value={`≈ ${duration(seconds)}`} />
      <Figure name={l10n.t('memory')} value={`≈ ${size(memory)}`} />
      <Figure name={l10n.t('disk')} value={`≈ ${size(disk)}`} />
    </dl>
  );
}

/** The form and the run, requested when the tab is shown for the first time. */
function useForm(): Partial<FormProps> & { change: FormProps['change']; problem?: string } {
  const { store, host } = useApp();
  const { refinementForm: form, opening } = useAppState();
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    host.call('openRefinement', {}).then(
      (view) => {
        const fresh = formOf(view);
        const { refinementForm: known } = store.state;
        store.update({
          refinementForm: known?.original ? overFresh(fresh, known) : fresh,
          ...(view.activity ? { refinement: view.activity } : {}),
        });
      },
      (error: unknown) => setProblem(error instanceof Error ? error.message : String(error)),
    );
  }, [host, opening]);
  const change = (part: Partial<RefinementForm>): void => {
    const { refinementForm: now } = store.state;
    if (now) store.update({ refinementForm: { ...now, ...part } });
  };
  return { ...(form ? { form } : {}), change, ...(problem === undefined ? {} : { problem }) };
}
