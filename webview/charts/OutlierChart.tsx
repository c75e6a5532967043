import { useMemo } from 'preact/hooks';
import type { OutlierMap } from '../../src/protocol/analysis';
import { axis, useColors, usePlot } from './plot';

/** max |w| of each cell of the matrix; axes count weights. */
export function OutlierChart({ map }: { map: OutlierMap }) {
  const colors = useColors();
  const traces = useMemo(() => [trace(map, colors.background, colors.series, colors.second)], [map, colors]);
  const layout = useMemo(
    () => ({
      height: 300,
      margin: { l: 56, r: 12, t: 8, b: 36 },
      xaxis: axis(colors, { title: { text: 'column', standoff: 4 }, showgrid: false }),
      yaxis: axis(colors, { title: { text: 'row' }, autorange: 'reversed', showgrid: false }),
    }),
    [colors],
  );
  return <div class="outliers" ref={usePlot(traces, layout, colors)} />;
}

function trace(map: OutlierMap, low: string, middle: string, high: string) {
  const { values, mapRows, mapColumns, cellRows, cellColumns } = map;
  const z = Array.from({ length: mapRows }, (_, row) =>
    values.slice(row * mapColumns, (row + 1) * mapColumns),
  );
  return {
    type: 'heatmap',
    z,
    x0: (cellColumns - 1) / 2,
    dx: cellColumns,
    y0: (cellRows - 1) / 2,
    dy: cellRows,
    colorscale: [
      [0, low],
      [0.5, middle],
      [1, high],
    ],
    colorbar: { title: { text: 'max |w|', side: 'right' }, thickness: 10, outlinewidth: 0 },
    hovertemplate: 'row %{y}, column %{x}: %{z:.4g}<extra></extra>',
  };
}
