import * as l10n from '@vscode/l10n';
import type { DataColumn } from '../../src/protocol/dataTable';
import { cellSpan, spanText, spanWords, type SpanNoun } from './cells';
import { heatScale } from '../../src/protocol/heatScale';
import { axis, type Colors, type Layout, type Trace } from './plot';

/** A matrix of cells; axes count weights. */
export interface HeatMap {
  /** Row-major, `mapRows × mapColumns`. */
  readonly values: readonly number[];
  readonly mapRows: number;
  readonly mapColumns: number;
  /** Weights of the map in each direction. */
  readonly rows: number;
  readonly columns: number;
  /** Weights per cell in each direction; may be fractional. */
  readonly cellRows: number;
  readonly cellColumns: number;
  /** Value at which the colour scale saturates. */
  readonly top?: number;
  /** Value at which the colour scale begins; where it is absent, that is 0, and colours are magnitudes. */
  readonly least?: number;
  /** What a column is called: "column" where it is absent. */
  readonly columnNoun?: SpanNoun;
  /** A cell's value in words: "max |w| 0.13, 4.2 σ". */
  readonly inWords: (value: number) => string;
}

/** Cells of a map as a table: the first row and column of each, and its value; an undefined value is absent. */
export function heatMapData(
  map: Omit<HeatMap, 'inWords'>,
  value: Pick<DataColumn, 'name' | 'unit'>,
): DataColumn[] {
  const { values, mapColumns, cellRows, cellColumns, rows, columns } = map;
  const row = (cell: number): number => Math.floor(cell / mapColumns);
  const starts = (of: (cell: number) => number): number[] => values.map((_, cell) => of(cell));
  return [
    { name: 'row', values: starts((cell) => cellSpan(row(cell), cellRows, 0, rows)[0]) },
    {
      name: map.columnNoun ?? 'column',
      values: starts((cell) => cellSpan(cell % mapColumns, cellColumns, 0, columns)[0]),
    },
    { ...value, values },
  ];
}

/** Axes of the map and of the strips along it, in plotly's names. */
const places = {
  map: { xaxis: 'x', yaxis: 'y' },
  columns: { xaxis: 'x', yaxis: 'y2' },
  rows: { xaxis: 'x2', yaxis: 'y' },
} as const;

/** The map, and strips with the maximum of each column and row. */
export function heatMapTraces(map: HeatMap): Trace[] {
  const { values, mapRows, mapColumns, cellRows, cellColumns } = map;
  const rowSpan = (row: number): string => spanText('row', cellSpan(row, cellRows, 0, map.rows));
  const columnSpan = (column: number): string =>
    spanText(map.columnNoun ?? 'column', cellSpan(column, cellColumns, 0, map.columns));
  const rows = Array.from({ length: mapRows }, (_, row) =>
    values.slice(row * mapColumns, (row + 1) * mapColumns),
  );
  const { least } = map;
  const magnitude = (value: number): number | null =>
    value - value !== 0 ? null : least === undefined ? Math.abs(value) : value;
  const largest = (cells: readonly number[]): number =>
    cells.reduce((most, value) => Math.max(most, magnitude(value) ?? most), least ?? 0);
  const rowMaxima = rows.map(largest);
  const columnMaxima = Array.from({ length: mapColumns }, (_, column) =>
    largest(rows.map((cells) => cells[column]!)),
  );
  const x = { x0: (cellColumns - 1) / 2, dx: cellColumns };
  const y = { y0: (cellRows - 1) / 2, dy: cellRows };
  const words = map.inWords;
  return [
    trace('map', {
      ...{ ...x, ...y, z: rows.map((cells) => cells.map(magnitude)) },
      text: rows.map((cells, row) =>
        cells.map((value, column) => `${rowSpan(row)}, ${columnSpan(column)}: ${words(value)}`),
      ),
    }),
    trace('columns', {
      ...{ ...x, y0: 0, dy: 1, z: [columnMaxima] },
      text: [
        columnMaxima.map((value, column) => l10n.t('{0}: largest {1}', columnSpan(column), words(value))),
      ],
    }),
    trace('rows', {
      ...{ x0: 0, dx: 1, ...y, z: rowMaxima.map((value) => [value]) },
      text: rowMaxima.map((value, row) => [l10n.t('{0}: largest {1}', rowSpan(row), words(value))]),
    }),
  ];
}

const trace = (place: keyof typeof places, more: Trace): Trace => ({
  type: 'heatmap',
  ...places[place],
  coloraxis: 'coloraxis',
  hovertemplate: '%{text}<extra></extra>',
  ...more,
});

/** Of a few lines each has a tick; plotly would also put ticks between them. */
const wholeTicks = (count: number): Layout => (count < 10 ? { tick0: 0, dtick: 1 } : {});

/** @param title of the colour scale. */
export function heatMapLayout(map: HeatMap, title: string, colors: Colors): Layout {
  const { rows, columns, top, least = 0, columnNoun = 'column' } = map;
  const hidden = { visible: false, fixedrange: true };
  const whole = { zeroline: false, showgrid: false, tickformat: 'd', autorange: false };
  return {
    height: 320,
    margin: { l: 56, r: 12, t: 8, b: 36 },
    dragmode: 'zoom',
    xaxis: axis(colors, {
      ...{ ...whole, domain: [0, 0.955], title: { text: spanWords[columnNoun], standoff: 4 } },
      ...wholeTicks(columns),
      range: [-0.5, columns - 0.5],
    }),
    yaxis: axis(colors, {
      ...{ ...whole, domain: [0, 0.925], title: { text: l10n.t('row') } },
      ...wholeTicks(rows),
      range: [rows - 0.5, -0.5],
    }),
    xaxis2: { ...hidden, domain: [0.965, 1], range: [-0.5, 0.5] },
    yaxis2: { ...hidden, domain: [0.945, 1], range: [-0.5, 0.5] },
    coloraxis: {
      colorscale: heatScale(colors.isDark),
      cmin: least,
      ...(top === undefined ? {} : { cmax: top }),
      colorbar: {
        title: { text: title, side: 'right' },
        ...{ thickness: 10, outlinewidth: 0, exponentformat: 'power' },
      },
    },
  };
}
