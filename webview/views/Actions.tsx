import { useApp, useAppState, useAsk } from '../context';
import { Button } from '../controls';
import { narrowQuery, useMedia } from '../useMedia';
import { Menu, type MenuItem } from './Menu';

/** The usual actions as buttons, as far as there is room; the rest in a menu. */
export function Actions() {
  const { store } = useApp();
  const ask = useAsk();
  const { job } = useAppState();
  const isNarrow = useMedia(narrowQuery);
  const isBusy = job.kind === 'running';
  const usual: readonly MenuItem[] = [
    { label: 'Quantize Model…', run: () => store.openTab('quantizeModel') },
    { label: 'Export…', run: () => store.openTab('export') },
  ];
  const rest: readonly MenuItem[] = [
    { label: 'Run Sensitivity', disabled: isBusy, run: () => void ask('runSensitivity', {}) },
    {
      label: 'Run Sensitivity over a Text…',
      disabled: isBusy,
      run: () => void ask('runSensitivityOverText', {}),
    },
    { label: 'Export GGUF…', run: () => void ask('exportGguf', { plan: false }) },
    { label: 'Evaluate…', run: () => store.openTab('evaluate') },
    { label: 'Compare With…', run: () => void ask('compareWith', {}) },
    { label: 'Refine GGUF File…', run: () => void ask('refineFile', {}) },
    { label: 'Compute Importance Matrix…', run: () => store.openTab('importance') },
    { label: 'Export Report…', run: () => void ask('exportReport', {}) },
    { label: 'Copy Summary as Markdown', run: () => void ask('copySummary', {}) },
  ];
  return (
    <span class="actions">
      {!isNarrow &&
        usual.map(({ label, run }) => (
          <Button key={label} onClick={run}>
            {label}
          </Button>
        ))}
      <Menu label="More actions" items={isNarrow ? [...usual, ...rest] : rest} />
    </span>
  );
}
