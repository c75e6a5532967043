import { useRef, useState } from 'preact/hooks';
import { useAppState, useApp } from './context';
import { Spinner } from './controls';
import { savedState, saveState } from './vscodeApi';
import type { Tab } from './store';
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
  { id: 'metadata', label: 'Metadata' },
];

const views = {
  tensor: TensorView,
  quantize: QuantizeView,
  sensitivity: SensitivityView,
  plan: PlanView,
  metadata: MetadataView,
};

/** Share of the width that the tree may take. */
const splitLimits = { min: 0.2, max: 0.75 };

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
  return (
    <div class="failure" role="alert">
      <h2>The model cannot be opened</h2>
      <p>{message}</p>
    </div>
  );
}

function Details() {
  const { store } = useApp();
  const { tab } = useAppState();
  const View = views[tab];
  return (
    <div class="details">
      <div class="tabs" role="tablist">
        {tabs.map(({ id, label }) => (
          <button
            key={id}
            role="tab"
            aria-selected={id === tab}
            class={id === tab ? 'tab selected' : 'tab'}
            onClick={() => store.update({ tab: id })}
          >
            {label}
          </button>
        ))}
      </div>
      <div class="view" role="tabpanel">
        <View />
      </div>
    </div>
  );
}

function Split(props: { left: preact.JSX.Element; right: preact.JSX.Element }) {
  const [share, setShare] = useState(savedState().split ?? 0.46);
  const box = useRef<HTMLDivElement>(null);
  const move = (event: PointerEvent): void => {
    if (!(event.currentTarget as Element).hasPointerCapture(event.pointerId) || !box.current) return;
    const { left, width } = box.current.getBoundingClientRect();
    const wanted = (event.clientX - left) / width;
    const next = Math.min(splitLimits.max, Math.max(splitLimits.min, wanted));
    setShare(next);
    saveState({ split: next });
  };
  return (
    <div class="split" ref={box} style={{ gridTemplateColumns: `${share * 100}% 5px minmax(0, 1fr)` }}>
      {props.left}
      <div
        class="splitter"
        role="separator"
        aria-orientation="vertical"
        onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
        onPointerMove={move}
      />
      {props.right}
    </div>
  );
}
