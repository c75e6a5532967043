import { useMemo } from 'preact/hooks';
import type { TensorOverlay } from '../../src/protocol/compare';
import { number } from '../format';
import { heatMapLayout, heatMapTraces, type HeatMap } from './heatMap';
import { useColors, usePlot } from './plot';

/** Where two tensors differ: the root mean square of the difference in each cell. */
export function ErrorMapChart({ map }: { map: TensorOverlay['errorMap'] }) {
  const colors = useColors();
  const cells = useMemo((): HeatMap => {
    const { rows, columns, mapRows, mapColumns } = map;
    const inWords = (value: number): string => `RMS of A − B ${number(value, 4)}`;
    return { ...map, cellRows: rows / mapRows, cellColumns: columns / mapColumns, inWords };
  }, [map]);
  const traces = useMemo(() => heatMapTraces(cells), [cells]);
  const layout = useMemo(() => heatMapLayout(cells, { title: 'RMS of A − B' }, colors), [cells, colors]);
  return <div class="error-map" ref={usePlot(traces, layout, colors)} />;
}
