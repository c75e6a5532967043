import type { ModelDescription } from '../../src/protocol/model';
import { plural } from '../../src/protocol/words';
import { useApp, useAppState, useAsk } from '../context';
import { Button } from '../controls';
import { bits, count, size } from '../format';
import { narrowQuery, useMedia } from '../useMedia';
import { Menu, type MenuItem } from './Menu';
import { Notices } from './Notices';

/** The model in one line, and what can be done with it. */
export function Header() {
  const { model } = useAppState();
  if (!model) return null;
  return (
    <header>
      <div class="bar">
        <h1 title={model.path}>{model.name}</h1>
        <span class="facts">
          {factsOf(model).map((fact) => (
            <span key={fact}>{fact}</span>
          ))}
        </span>
        <Actions />
      </div>
      <Notices model={model} />
    </header>
  );
}

function factsOf(model: ModelDescription): string[] {
  const { format, version, architecture, parameters, dataBytes, weightFiles } = model;
  const { present, total } = weightFiles;
  const noun = format === 'gguf' ? 'part' : 'shard';
  return [
    architecture ?? 'unknown architecture',
    version === undefined ? format : `${format.toUpperCase()} v${version}`,
    `${count(parameters)} parameters${present < total ? ` in ${present} of ${plural(total, noun)}` : ''}`,
    size(dataBytes),
    ...(parameters > 0 ? [`${bits((8 * dataBytes) / parameters)} bits/weight`] : []),
    ...(total > 1 && present === total ? [plural(total, noun)] : []),
  ];
}

/** The usual actions as buttons, as far as there is room; the rest in a menu. */
function Actions() {
  const { store } = useApp();
  const ask = useAsk();
  const { job } = useAppState();
  const isNarrow = useMedia(narrowQuery);
  const isBusy = job.kind === 'running';
  const usual: readonly MenuItem[] = [
    { label: 'Run Sensitivity', disabled: isBusy, run: () => void ask('runSensitivity', {}) },
    { label: 'Evaluate…', run: () => store.openTab('evaluate') },
  ];
  const rest: readonly MenuItem[] = [
    {
      label: 'Run Sensitivity over a Text…',
      disabled: isBusy,
      run: () => void ask('runSensitivityOverText', {}),
    },
    { label: 'Compare With…', run: () => void ask('compareWith', {}) },
    { label: 'Compute Importance Matrix…', run: () => store.openTab('importance') },
  ];
  return (
    <span class="actions">
      {!isNarrow &&
        usual.map(({ label, disabled = false, run }) => (
          <Button key={label} disabled={disabled} onClick={run}>
            {label}
          </Button>
        ))}
      <Button primary onClick={() => void ask('exportGguf', { plan: false })}>
        Export GGUF…
      </Button>
      <Menu label="More actions" items={isNarrow ? [...usual, ...rest] : rest} />
    </span>
  );
}
