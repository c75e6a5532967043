import { useMemo } from 'preact/hooks';
import type { TensorTable } from '../../../src/protocol/tensorTable';
import { useAppState } from '../../context';
import { bitsFigure, errorFigure, gainFigure } from '../../model/figureSources';
import type { LayerFigure } from '../../model/layerFigures';
import { useFigures } from '../../useFigures';
import { usePersistent } from '../../usePersistent';

/** Figures to choose from, whether or not they are known. */
export const figureChoices = ['bits', 'absMax', 'kurtosis', 'outlierShare', 'error', 'gain'] as const;
export type FigureChoice = (typeof figureChoices)[number];

const choices: readonly { readonly id: FigureChoice; readonly label: string; readonly hint: string }[] = [
  { id: 'bits', label: 'Bits', hint: 'Bits per weight, of the plan where there is one.' },
  { id: 'error', label: 'Error', hint: 'Relative error of the weights in a format.' },
  { id: 'gain', label: 'Gain', hint: 'What an error of the weights does to the output.' },
];

/** The figures of all tensors that are known, and the one that is shown. */
export function useLayerFigures(table: TensorTable) {
  const { plan, sensitivity } = useAppState();
  const measured = useFigures();
  const [wanted, choose] = usePersistent<FigureChoice>('model.layers.figure', 'bits');
  const [wantedFormat, setFormat] = usePersistent('model.layers.format', 'Q4_K');
  const known = sensitivity && measured;
  const formats = known?.formats.map(({ format }) => format) ?? [];
  const format = formats.includes(wantedFormat) ? wantedFormat : formats[0];
  const figures = useMemo((): LayerFigure[] => {
    const gain = known?.rows.some((row) => row.gain !== undefined);
    return [
      bitsFigure(table, plan),
      ...(known && format !== undefined ? [errorFigure(table, known, format)] : []),
      ...(known && gain ? [gainFigure(table, known)] : []),
    ];
  }, [table, plan, known, format]);
  const choice = choices.some(({ id }) => id === wanted) ? wanted : 'bits';
  return {
    ...{ figures, choices, choice, choose },
    figure: figures.find(({ id }) => id === choice),
    format:
      choice === 'error' && formats.length > 0 ? (
        <select
          aria-label="Format of the error"
          value={format}
          onChange={({ currentTarget }) => setFormat(currentTarget.value)}
        >
          {formats.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      ) : null,
  };
}
