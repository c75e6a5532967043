import * as l10n from '@vscode/l10n';
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
    { label: l10n.t('Quantize Model…'), run: () => store.openTab('quantizeModel') },
    { label: l10n.t('Export…'), run: () => store.openTab('export') },
  ];
  const rest: readonly MenuItem[] = [
    { label: l10n.t('Run Sensitivity'), disabled: isBusy, run: () => void ask('runSensitivity', {}) },
    {
      label: l10n.t('Run Sensitivity over a Text…'),
      disabled: isBusy,
      run: () => void ask('runSensitivityOverText', {}),
    },
    { label: l10n.t('Export GGUF…'), run: () => void ask('exportGguf', { plan: false }) },
    { label: l10n.t('Evaluate…'), run: () => store.openTab('evaluate') },
    { label: l10n.t('Compare With…'), run: () => void ask('compareWith', {}) },
    { label: l10n.t('Refine GGUF File…'), run: () => void ask('refineFile', {}) },
    { label: l10n.t('Compute Importance Matrix…'), run: () => store.openTab('importance') },
    { label: l10n.t('Export Report…'), run: () => void ask('exportReport', {}) },
    { label: l10n.t('Copy Summary as Markdown'), run: () => void ask('copySummary', {}) },
  ];
  return (
    <span class="actions">
      {!isNarrow &&
        usual.map(({ label, run }) => (
          <Button key={label} onClick={run}>
            {label}
          </Button>
        ))}
      <Menu label={l10n.t('More actions')} items={isNarrow ? [...usual, ...rest] : rest} />
    </span>
  );
}
