import { useRef, useState } from 'preact/hooks';
import { useAppState, useApp, useRetry } from './context';
import { Button, Spinner } from './controls';
import { savedState, saveState } from './vscodeApi';
import type { Tab } from './store';
import { CompareView } from './views/CompareView';
import { EvaluateView } from './views/evaluate/EvaluateView';
import { ExportView } from './views/export/ExportView';
import { Header } from './views/Header';
import { MetadataView } from './views/MetadataView';
import { PlanView } from './views/PlanView';
import { QuantizeView } from './views/QuantizeView';
import { SensitivityView } from './views/SensitivityView';
import { TensorTree } from './views/TensorTree';
import { TensorView } from './views/TensorView';

const tabs: readonly { id: Tab; label: string }[] = [
  { id: 'tensor', label: 'Tensor' },
  { id: 'quantize', label: 'Quantize' },
  { id: 'sensitivity', label: 'Sensitivity' },
  { id: 'plan', label: 'Plan' },
  { id: 'export', label: 'Export' },
  { id: 'compare', label: 'Compare' },
  { id: 'evaluate', label: 'Evaluate' },
  { id: 'metadata', label: 'Metadata' },
];

const views = {
  tensor: TensorView,
  quantize: QuantizeView,
  sensitivity: SensitivityView,
  plan: PlanView,
  export: ExportView,
  compare: CompareView,
  evaluate: EvaluateView,
  metadata: MetadataView,
};

/** Share of the width that the tree may take. */
const splitLimits = { min: 0.2, max: 0.75 };
/** What an arrow key moves the splitter. */
const splitStep = 0.02;

export function App() {
  const { model, failure } = useAppState();
  if (failure !== undefined) return <Failure message={failure} />;
  if (!model) {
    return (
      <div class="loading">
        <Spinner /> Reading the header…
      </div>
    );
  }
  return (
    <div class="app">
      <Header />
      <Split left={<TensorTree />} right={<Details />} />
    </div>
  );
}

function Failure({ message }: { message: string }) {
  const retry = useRetry();
  return (
    <div class="failure" role="alert">
      <h2>The model cannot be opened</h2>
      <p>{message}</p>
      <Button primary onClick={() => void retry()}>
        Try Again
      </Button>
    </div>
  );
}

function Details() {
  const { store } = useApp();
  const { tab, evaluation } = useAppState();
  const isEvaluating = evaluation !== undefined && evaluation.outcome === undefined;
  const View = views[tab];
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
    <div class="details">
      <div class="tabs" role="tablist">
        {tabs.map(({ id, label }) => (
          <button
            key={id}
            role="tab"
            id={`tab-${id}`}
            aria-selected={id === tab}
            aria-controls="tab-panel"
            tabIndex={id === tab ? 0 : -1}
            onKeyDown={onKey}
            class={id === tab ? 'tab selected' : 'tab'}
            onClick={() => store.update({ tab: id })}
          >
            {label}
            {id === 'evaluate' && isEvaluating && (
              <span class="running-mark" role="img" aria-label="(running)" title="A run is going on" />
            )}
          </button>
        ))}
      </div>
      <div class="view" role="tabpanel" id="tab-panel" aria-labelledby={`tab-${tab}`}>
        <View />
      </div>
    </div>
  );
}

function Split(props: { left: preact.JSX.Element; right: preact.JSX.Element }) {
  const [share, setShare] = useState(savedState().split ?? 0.46);
  const box = useRef<HTMLDivElement>(null);
  const place = (wanted: number): void => {
    const next = Math.min(splitLimits.max, Math.max(splitLimits.min, wanted));
    setShare(next);
    saveState({ split: next });
  };
  const move = (event: PointerEvent): void => {
    if (!(event.currentTarget as Element).hasPointerCapture(event.pointerId) || !box.current) return;
    const { left, width } = box.current.getBoundingClientRect();
    place((event.clientX - left) / width);
  };
  const onKey = (event: KeyboardEvent): void => {
    const step = { ArrowLeft: -splitStep, ArrowRight: splitStep }[event.key];
    if (step === undefined) return;
    place(share + step);
    event.preventDefault();
  };
  return (
    <div class="split" ref={box} style={{ gridTemplateColumns: `${share * 100}% 5px minmax(0, 1fr)` }}>
      {props.left}
      <div
        class="splitter"
        role="separator"
        aria-orientation="vertical"
        aria-label="Width of the tensor list"
        aria-valuenow={Math.round(share * 100)}
        aria-valuemin={splitLimits.min * 100}
        aria-valuemax={splitLimits.max * 100}
        tabIndex={0}
        onKeyDown={onKey}
        onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
        onPointerMove={move}
      />
      {props.right}
    </div>
  );
}
