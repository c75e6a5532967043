import * as l10n from '@vscode/l10n';
import type { ModelComparisonState } from '../../../src/protocol/editorState';
import { useAppState, useAsk } from '../../context';
import { Button, Loading } from '../../controls';
import { usePersistent } from '../../usePersistent';
import { Menu } from '../Menu';
import { Modes } from '../Modes';
import { ChangeMap } from './ChangeMap';
import { ComparedTensors, Totals } from './ComparedTensors';
import { Detail } from './Detail';
import { ThreeModels } from './ThreeModels';
import { Failed } from '../states';

type Mode = 'tensors' | 'map' | 'three';

const modes: readonly { readonly id: Mode; readonly label: string; readonly hint: string }[] = [
  { id: 'tensors', label: l10n.t('Tensors'), hint: l10n.t('How each tensor differs') },
  { id: 'map', label: l10n.t('Layers'), hint: l10n.t('How far tensors moved, by layer and role') },
  { id: 'three', label: l10n.t('Three models'), hint: l10n.t('Which of A and B is closer to this model') },
];

/** This model compared with others: how each tensor differs, where, and in how many directions. */
export function CompareView() {
  const { modelComparison: state } = useAppState();
  if (!state) return <Nothing />;
  const { progress, result, error, three, third } = state;
  const isRunning = error === undefined && (third === undefined ? !result : !three);
  return (
    <div class="page compare">
      <Head state={state} />
      {error !== undefined && <Failed message={error} />}
      {isRunning && (
        <Loading>
          {progress
            ? l10n.t('{0} of {1}: {2}', progress.done, progress.total, progress.message)
            : l10n.t('Matching tensors…')}
        </Loading>
      )}
      {result && <Result state={{ ...state, result }} />}
    </div>
  );
}

function Nothing() {
  const ask = useAsk();
  return (
    <div class="empty">
      <p>
        {l10n.t(
          'Compare this model with another of any format: tensors are matched even if their names or the order of their rows differ. A third model can join: which of both is closer to this one?',
        )}
      </p>
      <Button primary onClick={() => void ask('compareWith', {})}>
        {l10n.t('Compare With…')}
      </Button>{' '}
      <Button onClick={() => void ask('compareWithAdapters', {})}>{l10n.t('Compare With Adapters…')}</Button>
    </div>
  );
}

const lastPart = (path: string): string => path.replace(/[\\/]+$/, '').replace(/^.*[\\/]/, '');

/** What the other model is called: with adapters it is this one. */
const otherName = ({ other, otherAdapters = [] }: ModelComparisonState): string =>
  [lastPart(other), ...otherAdapters.map(({ path, weight }) => adapterName(path, weight))].join(' + ');

const adapterName = (path: string, weight: number): string =>
  weight === 1 ? lastPart(path) : `${weight} × ${lastPart(path)}`;

function Head({ state }: { state: ModelComparisonState }) {
  const ask = useAsk();
  const { model } = useAppState();
  const { other, third, result } = state;
  return (
    <div class="compare-head">
      <span class="ellipsis" title={[other, third ?? ''].filter(Boolean).join('\n')}>
        {third === undefined
          ? `A: ${model?.name ?? l10n.t('this model')}, B: ${otherName(state)}`
          : l10n.t(
              'Original: {0}, A: {1}, B: {2}',
              model?.name ?? l10n.t('this model'),
              otherName(state),
              lastPart(third),
            )}
      </span>
      <span class="measure">
        <Button onClick={() => void ask('compareWith', {})}>{l10n.t('Compare With…')}</Button>
        <Menu
          label={l10n.t('More comparisons')}
          items={[
            {
              label: l10n.t('Compare a Third…'),
              disabled: !result,
              run: () => void ask('compareThird', {}),
            },
            { label: l10n.t('Compare With Adapters…'), run: () => void ask('compareWithAdapters', {}) },
          ]}
        />
      </span>
    </div>
  );
}

function Result({ state }: { state: ModelComparisonState & Required<Pick<ModelComparisonState, 'result'>> }) {
  const { result, three, other, otherAdapters } = state;
  const [mode, setMode] = usePersistent<Mode>('compare.mode', 'tensors');
  const [chosen, setChosen] = usePersistent('compare.chosen', '');
  const shown = mode === 'three' && !three ? 'tensors' : mode;
  const offered = modes.filter(({ id }) => id !== 'three' || three);
  const isKnown = result.tensors.some(({ name }) => name === chosen);
  const choose = (name: string): void => setChosen(name === chosen ? '' : name);
  return (
    <>
      <Modes label={l10n.t('What is compared')} modes={offered} value={shown} onChange={setMode} />
      {shown !== 'three' && <Totals result={result} />}
      {shown === 'tensors' && <ComparedTensors {...{ result, chosen, choose }} />}
      {shown === 'map' && <ChangeMap {...{ result, choose: setChosen }} />}
      {shown === 'three' && three && <ThreeModels result={three} />}
      {shown !== 'three' && isKnown && (
        <Detail
          key={chosen}
          tensor={chosen}
          other={{ other, ...(otherAdapters ? { otherAdapters } : {}) }}
          compared={result.tensors.find(({ name }) => name === chosen)!}
        />
      )}
    </>
  );
}
