import { useEffect, useRef, useState } from 'preact/hooks';
import type { ExportPreview } from '../../../src/protocol/export';
import type { ExportChoices } from '../../../src/protocol/webview';
import { useApp, useAppState, useAsk } from '../../context';
import { Button } from '../../controls';
import { size } from '../../format';
import { savedState, saveState } from '../../vscodeApi';
import { FormatBadge } from '../FormatBadge';
import { ExportTable } from './ExportTable';
import { emptyForm, patternOf, settingsOf, type ExportForm } from './form';
import { Options } from './Options';

/** How long settings must be quiet before they are previewed (milliseconds). */
const previewDelay = 150;

/** Every option of an export, and what it would write, before anything is written. */
export function ExportView() {
  const ask = useAsk();
  const { host } = useApp();
  const { plan } = useAppState();
  const [choices, setChoices] = useState<ExportChoices>();
  const [form, setForm] = useState<ExportForm>(() => ({
    ...emptyForm,
    ...(savedState().exportForm as Partial<ExportForm> | undefined),
  }));
  const change = (part: Partial<ExportForm>): void => {
    const next = { ...form, ...part };
    setForm(next);
    saveState({ exportForm: next });
  };
  useEffect(() => {
    void host.call('exportChoices', {}).then(setChoices);
  }, []);
  const { preview, failure } = usePreview(form);
  if (!choices) return null;
  /** A type for one tensor; none takes the rule back. */
  const choose = (tensor: string, type: string): void => {
    const pattern = patternOf(tensor);
    const others = form.rules.filter((rule) => rule.pattern !== pattern);
    change({ rules: type === '' ? others : [{ pattern, type }, ...others] });
  };
  return (
    <div class="export">
      <Options form={form} change={change} choices={choices} hasPlan={plan !== undefined} />
      {failure !== undefined && (
        <p class="notice error" role="alert">
          {failure}
        </p>
      )}
      {preview && (
        <>
          <Totals preview={preview} isStale={failure !== undefined} />
          <div class="actions">
            <Button
              primary
              disabled={failure !== undefined}
              onClick={() => void ask('startExport', { settings: settingsOf(form) })}
            >
              Export…
            </Button>
          </div>
          {preview.warnings.map((warning) => (
            <p key={warning} class="notice warning">
              {warning}
            </p>
          ))}
          <ExportTable preview={preview} types={choices.tensorTypes} rules={form.rules} choose={choose} />
        </>
      )}
    </div>
  );
}

/** The dry run of the settings: asked for when they are quiet, the last one wins. What was shown stays while one fails. */
function usePreview(form: ExportForm): { preview?: ExportPreview; failure?: string } {
  const { host } = useApp();
  const { plan } = useAppState();
  const [state, setState] = useState<{ preview?: ExportPreview; failure?: string }>({});
  const latest = useRef(0);
  useEffect(() => {
    const turn = ++latest.current;
    const tell = (change: { preview?: ExportPreview; failure?: string }): void => {
      if (turn !== latest.current) return;
      setState(({ preview }) => (change.preview ? change : { ...(preview ? { preview } : {}), ...change }));
    };
    const timer = setTimeout(() => {
      Promise.resolve()
        .then(() => host.call('previewExport', { settings: settingsOf(form) }))
        .then((preview) => tell({ preview }))
        .catch((error: unknown) => tell({ failure: error instanceof Error ? error.message : String(error) }));
    }, previewDelay);
    return () => clearTimeout(timer);
  }, [form, form.type === '' ? plan : undefined]);
  return state;
}

function Totals({ preview, isStale }: { preview: ExportPreview; isStale: boolean }) {
  const { tensors, files, fileBytes, dataBytes, presetBytes, bitsPerWeight, preset } = preview;
  const counts = new Map<string, number>();
  for (const { to } of tensors) counts.set(to, (counts.get(to) ?? 0) + 1);
  const more = dataBytes - presetBytes;
  return (
    <dl class={`statistics totals${isStale ? ' stale' : ''}`} data-bytes={fileBytes}>
      <div>
        <dt>{files.length > 1 ? `${files.length} files` : 'file'}</dt>
        <dd title={`${fileBytes.toLocaleString('en-US')} bytes`}>{size(fileBytes)}</dd>
      </div>
      <div>
        <dt>bits per weight</dt>
        <dd>{bitsPerWeight.toFixed(3)}</dd>
      </div>
      <div>
        <dt>against {preset}</dt>
        <dd>{more === 0 ? 'the same size' : `${more > 0 ? '+' : '−'}${size(Math.abs(more))}`}</dd>
      </div>
      <div class="wide">
        <dt>tensors</dt>
        <dd>
          {[...counts].map(([type, count]) => (
            <span key={type} class="tally">
              {count} × <FormatBadge format={type} />
            </span>
          ))}
        </dd>
      </div>
    </dl>
  );
}
