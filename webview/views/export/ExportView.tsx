import * as l10n from '@vscode/l10n';
import { useEffect, useState } from 'preact/hooks';
import type { ExportChoices } from '../../../src/protocol/exportChoices';
import { useApp, useAppState, useAsk } from '../../context';
import { Button, Loading } from '../../controls';
import { useDryRun } from '../../useDryRun';
import { usePersistentForm } from '../../usePersistent';
import { DryRunning } from '../DryRunning';
import { ExportTable } from './ExportTable';
import { emptyForm, settingsOf, targets, withRule, type ExportForm } from './form';
import { Options } from './Options';
import { Totals } from './Totals';
import { Failed } from '../states';

/** Every option of an export, and what it would write, before anything is written; or why there is nothing to export. */
export function ExportView() {
  const { limits } = useAppState();
  if (!limits) return <Loading>{l10n.t('Reading the options…')}</Loading>;
  const reason = limits.gguf;
  if (reason === undefined) return <Exporting />;
  return <Failed message={l10n.t('This model cannot be exported as GGUF. {0}', reason)} />;
}

function Exporting() {
  const { host } = useApp();
  const { plan } = useAppState();
  const { form, change } = useForm();
  const { choices, problem } = useChoices();
  const { preview, failure, of } = useDryRun(
    form,
    async (now) => host.call('previewExport', { settings: settingsOf(now) }),
    form.type === targets.currentPlan ? plan : undefined,
  );
  if (!choices)
    return problem === undefined ? (
      <Loading>{l10n.t('Reading the options…')}</Loading>
    ) : (
      <Failed message={problem} />
    );
  // What is exported is what was previewed, not what was typed since.
  const isCurrent = preview !== undefined && failure === undefined && of === form;
  return (
    <div class="export">
      <Options form={form} change={change} choices={choices} hasPlan={plan !== undefined} />
      {failure !== undefined && <Failed message={failure} />}
      <div class="outcome">
        {of !== form && !preview && failure === undefined && <DryRunning />}
        {preview && <Totals preview={preview} isStale={failure !== undefined} />}
        <div class="actions">
          <RefineButton />
          <ExportButton form={form} disabled={!isCurrent} />
        </div>
      </div>
      {preview?.warnings.map((warning) => (
        <p key={warning} class="notice warning">
          {warning}
        </p>
      ))}
      {preview && (
        <ExportTable
          preview={preview}
          types={choices.tensorTypes}
          rules={form.rules}
          choose={(tensor, type) => change({ rules: withRule(form.rules, tensor, type) })}
        />
      )}
    </div>
  );
}

function ExportButton({ form, disabled }: { form: ExportForm; disabled: boolean }) {
  const ask = useAsk();
  const [busy, setBusy] = useState(false);
  const start = async (): Promise<void> => {
    setBusy(true);
    await ask('startExport', { settings: settingsOf(form) });
    setBusy(false);
  };
  return (
    <Button primary disabled={disabled || busy} onClick={() => void start()}>
      {busy ? l10n.t('Exporting…') : l10n.t('Export…')}
    </Button>
  );
}

/** What may follow an export: a file that was made from this model is trained on its output. */
function RefineButton() {
  const ask = useAsk();
  return (
    <Button
      title={l10n.t(
        'Trains a GGUF file on the output of the model that it was made from: same types, same size, less divergence',
      )}
      onClick={() => void ask('refineFile', {})}
    >
      {l10n.t('Refine a File…')}
    </Button>
  );
}

/** The form, as it was left when the editor was hidden. */
function useForm() {
  const [form, setForm] = usePersistentForm('export.form', emptyForm);
  const change = (part: Partial<ExportForm>): void => setForm((now) => ({ ...now, ...part }));
  return { form, change };
}

function useChoices(): { choices?: ExportChoices; problem?: string } {
  const { host } = useApp();
  const [state, setState] = useState<{ choices?: ExportChoices; problem?: string }>({});
  useEffect(() => {
    host.call('exportChoices', {}).then(
      (choices) => setState({ choices }),
      (error: unknown) => setState({ problem: messageOf(error) }),
    );
  }, [host]);
  return state;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
