import { useMemo } from 'preact/hooks';
import type { TensorOverlay } from '../../src/protocol/compare';
import { heatMapLayout, heatMapTrace } from './heatMap';
import { useColors, usePlot } from './plot';

/** Where two tensors differ: the root mean square of the difference in each cell. */
export function ErrorMapChart({ map }: { map: TensorOverlay['errorMap'] }) {
  const colors = useColors();
  const traces = useMemo(() => {
    const { values, rows, columns, mapRows, mapColumns } = map;
    const cells = { cellRows: rows / mapRows, cellColumns: columns / mapColumns };
    return [heatMapTrace({ values, mapRows, mapColumns, ...cells, title: 'RMS of A − B' }, colors)];
  }, [map, colors]);
  const layout = useMemo(() => heatMapLayout(colors), [colors]);
  return <div class="error-map" ref={usePlot(traces, layout, colors)} />;
}
