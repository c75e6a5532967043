import * as l10n from '@vscode/l10n';
import { useMemo } from 'preact/hooks';
import { greatestOf } from '../../src/protocol/extremes';
import type { ErrorMap } from '../../src/protocol/compare';
import { number } from '../format';
import { ChartFrame } from './ChartFrame';
import { heatMapData, heatMapLayout, heatMapTraces, type HeatMap } from './heatMap';
import { plotPicture, useColors, usePlot } from './plot';

/**
 * Where two tensors differ: the root mean square of the difference in each cell.
 * @param of the tensor.
 * @param what the difference is, in words.
 */
export function ErrorMapChart({ map, of, what = 'A − B' }: { map: ErrorMap; of: string; what?: string }) {
  const colors = useColors();
  const cells = useMemo((): HeatMap => {
    const { rows, columns, mapRows, mapColumns } = map;
    const inWords = (value: number): string => l10n.t('RMS of {0} {1}', what, number(value, 4));
    return { ...map, cellRows: rows / mapRows, cellColumns: columns / mapColumns, inWords };
  }, [map, what]);
  const traces = useMemo(() => heatMapTraces(cells), [cells]);
  const name = l10n.t('RMS of {0}', what);
  const title = l10n.t('Root mean square of {0}', what === 'A − B' ? l10n.t('the difference') : what);
  const layout = useMemo(() => heatMapLayout(cells, name, colors), [cells, colors]);
  const element = usePlot(traces, layout, colors);
  return (
    <ChartFrame
      title={title}
      level={4}
      of={of}
      data={() => heatMapData(cells, { name })}
      picture={() => plotPicture(element.current)}
    >
      <div
        class="error-map"
        role="img"
        aria-label={l10n.t(
          '{0} of {1}, cell by cell: at most {2}.',
          title,
          of,
          number(greatestOf(map.values), 4),
        )}
        ref={element}
      />
    </ChartFrame>
  );
}
