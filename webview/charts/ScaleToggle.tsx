import * as l10n from '@vscode/l10n';
import { Modes } from '../views/Modes';

export type CountScale = 'log' | 'linear';

export const readScale = (stored: unknown): CountScale | undefined =>
  stored === 'log' || stored === 'linear' ? stored : undefined;

const scales: readonly { id: CountScale; label: string }[] = [
  { id: 'log', label: l10n.t('log') },
  { id: 'linear', label: l10n.t('linear') },
];

/** Chooses the scale of the counts of a histogram. */
export function ScaleToggle(props: { scale: CountScale; onChange: (scale: CountScale) => void }) {
  const { scale, onChange } = props;
  return (
    <Modes
      class="of-chart"
      label={l10n.t('Scale of the counts')}
      modes={scales}
      value={scale}
      onChange={onChange}
    />
  );
}
