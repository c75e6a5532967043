import { useEffect, useRef, useState } from 'preact/hooks';
import { useAppState, useRetry } from './context';
import { Button, Spinner } from './controls';
import type { Tab } from './store';
import { narrowQuery, useMedia } from './useMedia';
import { CompareView } from './views/CompareView';
import { EvaluateView } from './views/evaluate/EvaluateView';
import { ExportView } from './views/export/ExportView';
import { Header } from './views/Header';
import { LongText } from './views/LongText';
import { MetadataView } from './views/MetadataView';
import { Middle } from './views/Middle';
import { PlanView } from './views/plan/PlanView';
import { QuantizeView } from './views/quantize/QuantizeView';
import { QuantizeModelView } from './views/quantizeModel/QuantizeModelView';
import { RefineView } from './views/refine/RefineView';
import { SensitivityView } from './views/SensitivityView';
import { Split } from './views/Split';
import { TabBar } from './views/TabBar';
import { TensorTree } from './views/TensorTree';
import { TensorView } from './views/TensorView';
import { WholeModelNeeded } from './views/WholeModelNeeded';

const views = {
  tensor: TensorView,
  quantize: QuantizeView,
  sensitivity: SensitivityView,
  plan: PlanView,
  quantizeModel: QuantizeModelView,
  export: ExportView,
  refine: RefineView,
  compare: CompareView,
  evaluate: EvaluateView,
  metadata: MetadataView,
};

/** Views that need all files of a model. */
const needWhole: ReadonlySet<Tab> = new Set(['quantizeModel', 'export', 'refine', 'evaluate']);

export function App() {
  const { model, failure } = useAppState();
  const isNarrow = useMedia(narrowQuery);
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
      <TabBar />
      {isNarrow ? (
        <>
          <TreeDropDown />
          <Page />
        </>
      ) : (
        <Split left={<TensorTree />} right={<Page />} />
      )}
    </div>
  );
}

function Failure({ message }: { message: string }) {
  const retry = useRetry();
  return (
    <div class="failure" role="alert">
      <h2>The model cannot be opened</h2>
      <p>
        <LongText text={message} />
      </p>
      <Button primary onClick={() => void retry()}>
        Retry
      </Button>
    </div>
  );
}

function Page() {
  const { tab, part } = useAppState();
  const View = views[tab];
  return (
    <div class="details">
      <div class="view" role="tabpanel" id="tab-panel" aria-labelledby={`tab-${tab}`}>
        {part?.alone && needWhole.has(tab) ? <WholeModelNeeded part={part} /> : <View />}
      </div>
    </div>
  );
}

/** For narrow panels: the tree covers the page and opens from a bar that names the tensor. */
function TreeDropDown() {
  const { selected } = useAppState();
  const [isOpen, setOpen] = useState(false);
  const bar = useRef<HTMLButtonElement>(null);
  const name = selected.at(-1);
  const close = (): void => {
    setOpen(false);
    bar.current?.focus();
  };
  useEffect(() => {
    if (!isOpen) return undefined;
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === 'Escape') close();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [isOpen]);
  return (
    <div class="drop-down">
      <button class="drop-down-bar" aria-expanded={isOpen} ref={bar} onClick={() => setOpen(!isOpen)}>
        <span class={isOpen ? 'twist open' : 'twist'} aria-hidden="true" />
        {name === undefined ? 'Tensors' : <Middle text={name} />}
        {selected.length > 1 && <span class="muted">and {selected.length - 1} more</span>}
      </button>
      {isOpen && (
        <div class="drop-down-tree">
          <TensorTree onOpen={close} />
        </div>
      )}
    </div>
  );
}
