import * as l10n from '@vscode/l10n';
import { useMemo } from 'preact/hooks';
import type { TensorTable } from '../../../src/protocol/tensorTable';
import { useAppState } from '../../context';
import { bitsFigure, errorFigure, gainFigure, scannedFigures } from '../../model/figureSources';
import type { LayerFigure } from '../../model/layerFigures';
import { useFigures } from '../../useFigures';
import { usePersistent } from '../../usePersistent';
import { useScan } from '../../useScan';

/** Figures to choose from, whether or not they are known. */
const choices = [
  { id: 'bits', label: l10n.t('Bits'), hint: l10n.t('Bits per weight, of the plan where there is one.') },
  { id: 'absMax', label: l10n.t('Absmax'), hint: l10n.t('The largest magnitude of a weight.') },
  { id: 'rms', label: l10n.t('RMS'), hint: l10n.t('The root of the mean square of the weights.') },
  { id: 'kurtosis', label: l10n.t('Kurtosis'), hint: l10n.t('How heavy the tails of the weights are.') },
  { id: 'outlierShare', label: l10n.t('Outliers'), hint: l10n.t('The share of weights far out.') },
  { id: 'error', label: l10n.t('Error'), hint: l10n.t('Relative error of the weights in a format.') },
  { id: 'gain', label: l10n.t('Gain'), hint: l10n.t('What an error of the weights does to the output.') },
] as const;
export type FigureChoice = (typeof choices)[number]['id'];

/** The figures of all tensors that are known, the one that is shown, and the scan that some come from. */
export function useLayerFigures(table: TensorTable) {
  const { plan, sensitivity, formats } = useAppState();
  const measured = useFigures();
  const [wanted, choose] = usePersistent<FigureChoice>('model.layers.figure', 'bits');
  const [wantedFormat, setFormat] = usePersistent('model.layers.format', 'Q4_K');
  const choice = choices.some(({ id }) => id === wanted) ? wanted : 'bits';
  const format = formats.some(({ id }) => id === wantedFormat) ? wantedFormat : formats[0]?.id;
  const known = sensitivity && measured;
  const isMeasured = known?.formats.some((candidate) => candidate.format === format) === true;
  const scan = useScan(choice === 'error' && !isMeasured ? format : undefined);
  const scanned = scan.value;
  const ofScan = useMemo(
    () => (scanned && scanned.names.length > 0 ? scannedFigures(table, scanned) : []),
    [table, scanned],
  );
  const ofTable = useMemo((): LayerFigure[] => {
    if (!known) return [];
    const hasGains = known.rows.some((row) => row.gain !== undefined);
    return [
      ...(isMeasured && format !== undefined ? [errorFigure(table, known, format)] : []),
      ...(hasGains ? [gainFigure(table, known)] : []),
    ];
  }, [table, known, format, isMeasured]);
  const figures = useMemo((): LayerFigure[] => {
    // While another format is asked for, the scan still has the error of the one before.
    const others = ofScan.filter(({ id }) => !isMeasured || id !== 'error');
    return [bitsFigure(table, plan), ...others, ...ofTable];
  }, [table, plan, ofScan, ofTable, isMeasured]);
  return {
    ...{ figures, choices, choice, choose, scan },
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
