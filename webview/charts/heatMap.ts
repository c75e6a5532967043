import { axis, type Colors } from './plot';

/** A matrix of cells as plotly draws it; axes count weights. */
export interface HeatMap {
  /** Row-major, `mapRows × mapColumns`. */
  readonly values: readonly number[];
  readonly mapRows: number;
  readonly mapColumns: number;
  /** Weights of a cell in each direction; need not be whole. */
  readonly cellRows: number;
  readonly cellColumns: number;
  /** What a cell's value is. */
  readonly title: string;
}

export function heatMapTrace(map: HeatMap, colors: Colors) {
  const { values, mapRows, mapColumns, cellRows, cellColumns, title } = map;
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
      [0, colors.background],
      [0.5, colors.series],
      [1, colors.second],
    ],
    colorbar: { title: { text: title, side: 'right' }, thickness: 10, outlinewidth: 0 },
    hovertemplate: 'row %{y}, column %{x}: %{z:.4g}<extra></extra>',
  };
}

export const heatMapLayout = (colors: Colors) => ({
  height: 300,
  margin: { l: 56, r: 12, t: 8, b: 36 },
  xaxis: axis(colors, { title: { text: 'column', standoff: 4 }, showgrid: false }),
  yaxis: axis(colors, { title: { text: 'row' }, autorange: 'reversed', showgrid: false }),
});
