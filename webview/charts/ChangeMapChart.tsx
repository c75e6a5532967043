import * as l10n from '@vscode/l10n';
import { useMemo } from 'preact/hooks';
import type { DataColumn } from '../../src/protocol/dataTable';
import { greatestOf, leastOf } from '../../src/protocol/extremes';
import type { ChangeMap } from '../changeMap';
import { number } from '../format';
import { ChartFrame } from './ChartFrame';
import { heatScale } from '../../src/protocol/heatScale';
import { axis, plotPicture, useColors, usePlot, type Colors } from './plot';
import { plotText } from './plotText';

/** Height of a row of the map and of what is around it (pixels). */
const [rowHeight, around] = [20, 52] as const;

/** Relative errors by layer and role, on a logarithmic scale; what is equal is empty. */
export function ChangeMapChart({ map, choose }: { map: ChangeMap; choose: (tensor: string) => void }) {
  const colors = useColors();
  const traces = useMemo(() => [traceOf(map)], [map]);
  const layout = useMemo(() => layoutOf(map, colors), [map, colors]);
  const element = usePlot(traces, layout, colors, {
    plotly_click: ({ points }) => {
      const [point] = points as readonly { readonly pointIndex?: readonly [number, number] }[];
      const [row = 0, column = 0] = point?.pointIndex ?? [];
      const [first] = map.rows[row]?.cells[column]?.tensors ?? [];
      if (first !== undefined) choose(first);
    },
  });
  return (
    <ChartFrame
      title={l10n.t('Relative error by layer and role')}
      description={l10n.t(
        '‖B − A‖ / ‖A‖, on a logarithmic scale; equal tensors are empty. Click a cell for its tensor.',
      )}
      data={() => dataOf(map)}
      picture={() => plotPicture(element.current)}
    >
      <div
        class="change-map"
        role="img"
        aria-label={l10n.t(
          'Relative errors of {0} roles in {1} layers; the table has the same figures',
          map.rows.length,
          map.layers.length,
        )}
        ref={element}
      />
    </ChartFrame>
  );
}

const logOf = (error: number): number | null => (error > 0 ? Math.log10(error) : null);

const wordsOf = (error: number): string =>
  Number.isNaN(error)
    ? l10n.t('no such tensor')
    : error === 0
      ? l10n.t('equal')
      : l10n.t('relative error {0}', number(error));

function traceOf({ rows, layers }: ChangeMap) {
  return {
    type: 'heatmap',
    x: layers.map(String),
    y: rows.map(({ role }) => plotText(role)),
    z: rows.map(({ cells }) => cells.map(({ error }) => logOf(error))),
    text: rows.map(({ role, cells }) =>
      cells.map(({ error, tensors }, column) => {
        const many = tensors.length > 1 ? l10n.t(' of {0} tensors', tensors.length) : '';
        return l10n.t('{0}, layer {1}: {2}{3}', plotText(role), layers[column]!, wordsOf(error), many);
      }),
    ),
    ...{ xgap: 1, ygap: 1, coloraxis: 'coloraxis', hoverongaps: false },
    hovertemplate: '%{text}<extra></extra>',
  };
}

/** Ticks at 1, 2 and 5 of each power of ten in the range, thinned where there are many; its ends where it has none of these. */
function ticksOf(least: number, most: number): number[] {
  const powers = Array.from(
    { length: Math.ceil(most) - Math.floor(least) + 1 },
    (_, i) => Math.floor(least) + i,
  );
  const all = powers.flatMap((power) => [1, 2, 5].map((digit) => Math.log10(digit) + power));
  const shown = all.filter((tick) => tick >= least && tick <= most);
  if (shown.length === 0) return [...new Set([least, most])];
  return shown.length <= 8 ? shown : powers.filter((power) => power >= least && power <= most);
}

function layoutOf({ rows, layers }: ChangeMap, colors: Colors) {
  const logs = rows.flatMap(({ cells }) => cells.flatMap(({ error }) => logOf(error) ?? []));
  const [least, most] = logs.length === 0 ? [-1, 0] : [leastOf(logs), greatestOf(logs)];
  const ticks = ticksOf(least, most);
  const widest = rows.reduce((length, { role }) => Math.max(length, role.length), 0);
  return {
    height: around + rowHeight * Math.max(5, rows.length),
    margin: { l: Math.min(240, 24 + 6.6 * widest), r: 12, t: 8, b: 36 },
    xaxis: axis(colors, {
      ...{
        type: 'category',
        title: { text: l10n.t('layer'), standoff: 4 },
        showgrid: false,
        fixedrange: true,
      },
      ...(layers.length > 24 ? { dtick: Math.ceil(layers.length / 16) } : {}),
    }),
    yaxis: axis(colors, { type: 'category', autorange: 'reversed', showgrid: false, fixedrange: true }),
    coloraxis: {
      colorscale: heatScale(colors.isDark),
      ...{ cmin: least, cmax: most > least ? most : least + 1 },
      colorbar: {
        ...{ thickness: 10, outlinewidth: 0, tickvals: ticks },
        ticktext: ticks.map((tick) => number(10 ** tick, ticks.length > 2 ? 1 : 2)),
      },
    },
  };
}

function dataOf({ rows, layers }: ChangeMap): DataColumn[] {
  const cells = rows.flatMap(({ role, cells: own }) =>
    own.map(({ error, tensors }, column) => ({
      role,
      error,
      tensors: tensors.length,
      layer: layers[column],
    })),
  );
  const shown = cells.filter(({ tensors }) => tensors > 0);
  return [
    { name: 'layer', values: shown.map(({ layer }) => layer) },
    { name: 'role', values: shown.map(({ role }) => role) },
    { name: 'tensors', values: shown.map(({ tensors }) => tensors) },
    { name: 'relative error', values: shown.map(({ error }) => error) },
  ];
}
