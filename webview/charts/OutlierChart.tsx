import { useMemo } from 'preact/hooks';
import type { OutlierMap } from '../../src/protocol/analysis';
import { heatMapLayout, heatMapTrace } from './heatMap';
import { useColors, usePlot } from './plot';

/** max |w| of each cell of the matrix. */
export function OutlierChart({ map }: { map: OutlierMap }) {
  const colors = useColors();
  const traces = useMemo(() => [heatMapTrace({ ...map, title: 'max |w|' }, colors)], [map, colors]);
  const layout = useMemo(() => heatMapLayout(colors), [colors]);
  return <div class="outliers" ref={usePlot(traces, layout, colors)} />;
}
