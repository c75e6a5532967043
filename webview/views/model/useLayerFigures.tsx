import * as l10n from '@vscode/l10n';
import { useMemo } from 'preact/hooks';
import type { TensorTable } from '../../../src/protocol/tensorTable';
import { useAppState } from '../../context';
import { figureChoices, type FigureChoice } from '../../model/figureChoices';
import { bitsFigure } from '../../model/figureSources';
import type { LayerFigure } from '../../model/layerFigures';
import { useKnownFigures } from '../../useKnownFigures';
import { usePersistent } from '../../usePersistent';

/** The figures of all tensors that are known, the one that is shown, and the scan that some come from. */
export function useLayerFigures(table: TensorTable) {
  const { plan, formats } = useAppState();
  const [wanted, choose] = usePersistent<FigureChoice>('model.layers.figure', 'bits');
  const choice = figureChoices.some(({ id }) => id === wanted) ? wanted : 'bits';
  const known = useKnownFigures(table, { scanned: true, measured: true, error: choice === 'error' });
  const { scan, format, setFormat } = known;
  const figures = useMemo(
    (): LayerFigure[] => [bitsFigure(table, plan), ...known.figures],
    [table, plan, known.figures],
  );
  return {
    ...{ figures, choices: figureChoices, choice, choose, scan },
    figure: figures.find(({ id }) => id === choice),
    format:
      choice === 'error' ? (
        <select
          aria-label={l10n.t('Format of the error')}
          value={format}
          onChange={({ currentTarget }) => setFormat(currentTarget.value)}
        >
          {formats.map(({ id, label }) => (
            <option key={id} value={id}>
              {label}
            </option>
          ))}
        </select>
      ) : null,
  };
}
