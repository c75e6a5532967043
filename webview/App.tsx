import * as l10n from '@vscode/l10n';
import type { FunctionComponent } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { useApp, useAppState, useRetry } from './context';
import { Button, Loading } from './controls';
import { modesOf, tabs, type Modes as PageModes, type ModedTab, type Tab } from './tabs';
import { narrowQuery, useMedia } from './useMedia';
import { useLimits } from './useLimits';
import { useScroll } from './useScroll';
import { CompareView } from './views/compare/CompareView';
import { EvaluateView } from './views/evaluate/EvaluateView';
import { ExportView } from './views/export/ExportView';
import { Header } from './views/Header';
import { LongText } from './views/LongText';
import { Middle } from './views/Middle';
import { ModelView } from './views/model/ModelView';
import { Modes } from './views/Modes';
import { PlanView } from './views/plan/PlanView';
import { LensView } from './views/lens/LensView';
import { TensorsView } from './views/quantize/TensorsView';
import { QuantizeModelView } from './views/quantizeModel/QuantizeModelView';
import { RefineView } from './views/refine/RefineView';
import { SensitivityView } from './views/SensitivityView';
import { Split } from './views/Split';
import { TabBar } from './views/TabBar';
import { TensorTree } from './views/TensorTree';
import { TensorView } from './views/TensorView';
import { WholeModelNeeded } from './views/WholeModelNeeded';

/** What each page shows; of those with modes, by the mode. */
const views: { readonly [T in Tab]: (modes: PageModes) => FunctionComponent } = {
  model: () => ModelView,
  tensor: () => TensorView,
  quantize: ({ quantize }) => quantizeViews[quantize],
  plan: ({ plan }) => (plan === 'plan' ? PlanView : SensitivityView),
  evaluate: () => EvaluateView,
  compare: () => CompareView,
  export: (modes) => (modes.export === 'export' ? ExportView : RefineView),
};

const quantizeViews = { tensor: LensView, tensors: TensorsView, wholeModel: QuantizeModelView };

/** Views that need all files of a model. */
const needWhole: ReadonlySet<FunctionComponent> = new Set([
  ...[QuantizeModelView, ExportView, RefineView, EvaluateView],
]);

export function App() {
  const { model, failure } = useAppState();
  const isNarrow = useMedia(narrowQuery);
  useLimits();
  if (failure !== undefined) return <Failure message={failure} />;
  if (!model) return <Loading>{l10n.t('Reading the header…')}</Loading>;
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
      <h2>{l10n.t('The model cannot be opened')}</h2>
      <p>
        <LongText text={message} />
      </p>
      <Button primary onClick={() => void retry()}>
        {l10n.t('Retry')}
      </Button>
    </div>
  );
}

function Page() {
  const { tab, modes } = useAppState();
  const place = tab in modes ? `${tab} ${modes[tab as ModedTab]}` : tab;
  return (
    <div class="details" role="tabpanel" id="tab-panel" aria-labelledby={`tab-${tab}`}>
      <ModesOfPage />
      <Scrolled key={place} place={place} View={views[tab](modes)} />
    </div>
  );
}

/** What a page shows, scrolled to where it was left. */
function Scrolled({ place, View }: { place: string; View: FunctionComponent }) {
  const { part } = useAppState();
  const scroller = useRef<HTMLDivElement>(null);
  useScroll(place, scroller);
  return (
    <div class="view" ref={scroller}>
      <div class="content">
        {part?.alone && needWhole.has(View) ? <WholeModelNeeded part={part} /> : <View />}
      </div>
    </div>
  );
}

/** What the page shows, where that can be chosen. */
function ModesOfPage() {
  const { store } = useApp();
  const { tab, modes, limits } = useAppState();
  const choices = modesOf(tab, limits);
  if (choices.length === 0) return null;
  return (
    <div class="modes-of-page">
      <Modes
        label={l10n.t('What {0} shows', tabs.find(({ id }) => id === tab)!.label)}
        modes={choices}
        value={modes[tab as ModedTab]}
        onChange={(mode) => store.setModes({ [tab]: mode })}
      />
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
        {name === undefined ? l10n.t('Tensors') : <Middle text={name} />}
        {selected.length > 1 && <span class="muted">{l10n.t('and {0} more', selected.length - 1)}</span>}
      </button>
      {isOpen && (
        <div class="drop-down-tree">
          <TensorTree onOpen={close} />
        </div>
      )}
    </div>
  );
}
