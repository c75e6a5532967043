import * as l10n from '@vscode/l10n';
import { timeLeft } from '../../src/protocol/words';
import { useApp, useAppState, useAsk } from '../context';
import { tabs, type Tab } from '../tabs';
import { narrowQuery, useMedia } from '../useMedia';
import { Actions } from './Actions';

/** The pages of the editor, and the area of the running job; in a narrow panel also the actions. */
export function TabBar() {
  const isNarrow = useMedia(narrowQuery);
  return (
    <div class={isNarrow ? 'tab-bar narrow' : 'tab-bar'}>
      {isNarrow ? <TabSelect /> : <Tabs />}
      <RunningJob />
      {isNarrow && <Actions />}
    </div>
  );
}

function TabSelect() {
  const { store } = useApp();
  const { tab } = useAppState();
  return (
    <select
      class="tab-select"
      aria-label={l10n.t('Page')}
      value={tab}
      onChange={(event) => store.update({ tab: event.currentTarget.value as Tab })}
    >
      {tabs.map(({ id, label }) => (
        <option key={id} value={id}>
          {label}
        </option>
      ))}
    </select>
  );
}

function Tabs() {
  const { store } = useApp();
  const { tab, evaluation, quantization, refinement } = useAppState();
  const runs: Partial<Record<Tab, Running>> = {
    evaluate: { run: evaluation, title: l10n.t('An evaluation is running') },
    quantize: { run: quantization, title: l10n.t('The model is being quantized') },
    export: { run: refinement, title: l10n.t('The file is being refined') },
  };
  const onKey = (event: KeyboardEvent): void => {
    const at = tabs.findIndex(({ id }) => id === tab);
    const last = tabs.length - 1;
    const steps: Record<string, number> = {
      ArrowRight: at === last ? 0 : at + 1,
      ArrowLeft: at === 0 ? last : at - 1,
      Home: 0,
      End: last,
    };
    const next = tabs[steps[event.key] ?? -1];
    if (!next) return;
    store.update({ tab: next.id });
    document.getElementById(`tab-${next.id}`)?.focus();
    event.preventDefault();
  };
  return (
    <div class="tabs" role="tablist">
      {tabs.map(({ id, label, hint }) => (
        <button
          key={id}
          role="tab"
          title={hint}
          id={`tab-${id}`}
          aria-selected={id === tab}
          aria-controls="tab-panel"
          tabIndex={id === tab ? 0 : -1}
          onKeyDown={onKey}
          class={id === tab ? 'tab selected' : 'tab'}
          onClick={() => store.update({ tab: id })}
        >
          {label}
          <RunningMark {...runs[id]} />
        </button>
      ))}
    </div>
  );
}

interface Running {
  readonly run?: { readonly outcome?: unknown } | undefined;
  readonly title?: string;
}

/** Marks the tab of a run that has not ended. */
function RunningMark({ run, title }: Running) {
  if (!run || run.outcome !== undefined) return null;
  return <span class="running-mark" role="img" aria-label={l10n.t('(running)')} title={title} />;
}

/** Progress of the running job; its place is kept while none runs, so that nothing moves when one starts. */
function RunningJob() {
  const ask = useAsk();
  const { job } = useAppState();
  if (job.kind !== 'running') return <div class="job" />;
  const { title, progress } = job;
  const share = progress && progress.total > 0 ? progress.done / progress.total : undefined;
  const detail = progress
    ? l10n.t('{0} of {1}: {2}', progress.done, progress.total, progress.message)
    : title;
  return (
    <div class="job" role="status" title={detail}>
      <span class="ellipsis">{title}</span>
      {share !== undefined && (
        <span class="done">
          {`${Math.floor(100 * share)} %`}
          <span class="left">{timeLeft(progress?.secondsLeft)}</span>
        </span>
      )}
      <span class="muted ellipsis message">{progress?.message}</span>
      <progress value={share ?? 0} max={1} />
      <button
        class="icon-button"
        aria-label={l10n.t('Cancel {0}', title)}
        title={l10n.t('Cancel')}
        onClick={() => void ask('cancelJob', {})}
      >
        ✕
      </button>
    </div>
  );
}
