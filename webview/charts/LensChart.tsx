import * as l10n from '@vscode/l10n';
import { useMemo, useRef } from 'preact/hooks';
import { columnsFrom, type DataColumn } from '../../src/protocol/dataTable';
import { plural } from '../../src/protocol/words';
import { lensHeight, lensMargin, lensNames, lensScale, nameOf, pointsOf, type LensPoint } from '../lensScale';
import type { LensLine } from '../lensRecipes';
import { useWidth } from '../useWidth';
import { ChartFrame } from './ChartFrame';
import { axis, logTicks, plotPicture, useColors, usePlot, type Colors, type Trace } from './plot';

/** Recipes by bits and error; those that no other one beats are filled, named and joined by a line. */
export function LensChart(props: {
  tensor: string;
  lines: readonly LensLine[];
  chosen: string | undefined;
  choose: (id: string) => void;
  /** Whether errors are those of the outputs. */
  isOfOutputs: boolean;
}) {
  const { tensor, lines, chosen, choose, isOfOutputs } = props;
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const colors = useColors();
  const points = useMemo(() => pointsOf(lines), [lines]);
  const scale = useMemo(() => lensScale(points), [points]);
  const names = useMemo(() => (scale && width > 0 ? lensNames(points, scale, width) : []), [points, width]);
  const traces = useMemo(() => tracesOf(points, chosen, colors), [points, chosen, colors]);
  const layout = useMemo(
    () => ({
      ...layoutOf(scale, isOfOutputs, colors),
      annotations: names.map((name) => annotationOf(name, colors)),
    }),
    [scale, names, colors, isOfOutputs],
  );
  const element = usePlot(traces, layout, colors, {
    plotly_click: ({ points: clicked }) => {
      const [point] = clicked as readonly { readonly customdata?: string }[];
      if (point?.customdata !== undefined) choose(point.customdata);
    },
  });
  const onFront = points.filter(({ line }) => line.isOnFront).length;
  const label = l10n.t(
    'Bits and error of {0}, of which no other one beats {1}',
    plural(points.length, 'recipe'),
    onFront,
  );
  return (
    <ChartFrame
      title={l10n.t('Bits and error')}
      description={l10n.t(
        'Filled, with a line: no other recipe has as few bits and a smaller error. Click a point for its details.',
      )}
      of={tensor}
      data={() => lensData(points)}
      picture={() => plotPicture(element.current)}
    >
      <div class="lens-chart" ref={box}>
        <div class="lens-plot" role="img" aria-label={label} ref={element} />
      </div>
    </ChartFrame>
  );
}

const lensData = (points: readonly LensPoint[]): DataColumn[] =>
  columnsFrom(points, [
    { name: 'grid or type', value: ({ line }) => line.grid },
    { name: 'method', value: ({ line }) => line.method },
    { name: 'bits per weight', value: ({ bits }) => bits },
    { name: 'relative error', value: ({ error }) => error },
    { name: 'on the front', value: ({ line }) => line.isOnFront },
  ]);

/** Those on the front with a line, the others, and the chosen one. */
function tracesOf(points: readonly LensPoint[], chosen: string | undefined, colors: Colors): Trace[] {
  const front = points.filter(({ line }) => line.isOnFront).sort((a, b) => a.bits - b.bits);
  const others = points.filter(({ line }) => !line.isOnFront);
  const shown = points.filter(({ line }) => line.id === chosen);
  return [
    trace(others, { symbol: 'circle-open', color: colors.muted, size: 7, line: { width: 1.5 } }),
    {
      ...trace(front, { symbol: 'circle', color: colors.series, size: 8 }),
      ...{ mode: 'lines+markers', line: { color: colors.series, width: 1.5, shape: 'hv' } },
    },
    trace(shown, { symbol: 'circle-open', color: colors.foreground, size: 15, line: { width: 2 } }),
  ];
}

const layoutOf = (scale: ReturnType<typeof lensScale>, isOfOutputs: boolean, colors: Colors) => ({
  height: lensHeight,
  margin: { l: lensMargin.left, r: lensMargin.right, t: lensMargin.top, b: lensMargin.bottom },
  ...{ dragmode: false, hovermode: 'closest' },
  xaxis: axis(colors, {
    ...{ title: { text: l10n.t('bits per weight'), standoff: 4 }, type: 'log', fixedrange: true },
    ...{ tickvals: bitTicks, ticktext: bitTicks.map(String) },
    ...(scale ? { range: scale.bits.map(Math.log10) } : {}),
  }),
  yaxis: axis(colors, {
    title: {
      text: isOfOutputs ? l10n.t('relative error of outputs') : l10n.t('relative error'),
      standoff: 4,
    },
    ...{ type: 'log', fixedrange: true, exponentformat: 'power' },
    ...(scale ? { ...logTicks(...scale.errors), range: scale.errors.map(Math.log10) } : {}),
  }),
});

/** Few bits need more room than many, as each counts for more. */
const bitTicks = [1, 1.5, 2, 3, 4, 5, 6, 8, 12, 16];

const trace = (points: readonly LensPoint[], marker: Record<string, unknown>): Trace => ({
  ...{ type: 'scatter', mode: 'markers', marker },
  x: points.map(({ bits }) => bits),
  y: points.map(({ error }) => error),
  customdata: points.map(({ line }) => line.id),
  text: points.map(nameOf),
  hovertemplate: l10n.t('%{text}: %{x:.4r} bits, error %{y:.3g}<extra></extra>'),
});

/** The name of a recipe, with a line to its mark where it stands far from it. */
const annotationOf = ({ point, place }: ReturnType<typeof lensNames>[number], colors: Colors) => ({
  // Annotations of logarithmic axes are placed by exponents.
  ...{ x: Math.log10(point.bits), y: Math.log10(point.error), ax: place.dx, ay: place.dy },
  ...{ text: nameOf(point), font: { color: colors.muted, size: 10 }, showarrow: true, arrowhead: 0 },
  ...{ arrowcolor: place.isFar ? colors.muted : 'transparent', arrowwidth: 0.7, standoff: 5, borderpad: 0 },
});
