import { useMemo } from 'preact/hooks';
import type { TensorOverlay } from '../../src/protocol/compare';
import { number } from '../format';
import { ChartFrame } from './ChartFrame';
import { heatMapData, heatMapLayout, heatMapTraces, type HeatMap } from './heatMap';
import { plotPicture, useColors, usePlot } from './plot';

/** Where two tensors differ: the root mean square of the difference in each cell. */
export function ErrorMapChart({ map, of }: { map: TensorOverlay['errorMap']; of: string }) {
  const colors = useColors();
  const cells = useMemo((): HeatMap => {
    const { rows, columns, mapRows, mapColumns } = map;
    const inWords = (value: number): string => `RMS of A − B ${number(value, 4)}`;
    return { ...map, cellRows: rows / mapRows, cellColumns: columns / mapColumns, inWords };
  }, [map]);
  const traces = useMemo(() => heatMapTraces(cells), [cells]);
  const layout = useMemo(() => heatMapLayout(cells, { title: 'RMS of A − B' }, colors), [cells, colors]);
  const element = usePlot(traces, layout, colors);
  return (
    <ChartFrame
      title="Root mean square of the difference"
      level={4}
      of={of}
      data={() => heatMapData(cells, { name: 'RMS of A − B' })}
      picture={() => plotPicture(element.current)}
    >
      <div class="error-map" ref={element} />
    </ChartFrame>
  );
}
