import * as l10n from '@vscode/l10n';
import { useMemo } from 'preact/hooks';
import { columnsFrom, type LineColumn } from '../../src/protocol/dataTable';
import type { EvaluationCurve, EvaluationPoint } from '../../src/protocol/evaluation';
import { number } from '../format';
import { ChartFrame } from './ChartFrame';
import { axis, plotPicture, useColors, usePlot, type Colors } from './plot';

/** Perplexity over the windows scored so far and, on a second axis, the mean KL divergence where there is a base. */
export function CurveChart({ points, windows }: EvaluationCurve) {
  const colors = useColors();
  const hasBase = points.some(({ divergence }) => divergence !== undefined);
  const traces = useMemo(() => tracesOf(points, hasBase, colors), [points, hasBase, colors]);
  const layout = useMemo(() => layoutOf(windows, hasBase, colors), [windows, hasBase, colors]);
  const element = usePlot(traces, layout, colors);
  const last = points.at(-1);
  const label = last
    ? l10n.t('Perplexity over windows; {0} after {1}', number(last.perplexity), last.windows)
    : l10n.t('Perplexity over windows');
  return (
    <ChartFrame
      title={l10n.t('Perplexity over windows')}
      level={4}
      data={() =>
        columnsFrom(points, [
          { name: 'windows', value: (point) => point.windows },
          { name: 'perplexity', value: ({ perplexity }) => perplexity },
          ...(hasBase ? [divergenceColumn] : []),
        ])
      }
      picture={() => plotPicture(element.current)}
    >
      <div class="curve" role="img" aria-label={label} ref={element} />
    </ChartFrame>
  );
}

const divergenceColumn: LineColumn<EvaluationPoint> = {
  ...{ name: 'mean KLD', unit: 'nats' },
  value: ({ divergence }) => divergence,
};

function tracesOf(points: readonly EvaluationPoint[], hasBase: boolean, colors: Colors) {
  const line = (
    name: string,
    y: readonly (number | undefined)[],
    color: string,
    more: Record<string, unknown>,
  ) => ({
    type: 'scatter',
    // A single point is not a line yet.
    mode: points.length > 1 ? 'lines' : 'markers',
    name,
    x: points.map(({ windows }) => windows),
    y,
    line: { color, width: 2 },
    marker: { color, size: 6 },
    hovertemplate: l10n.t('%{x} windows: %{y:.5g}<extra>{0}</extra>', name),
    ...more,
  });
  const perplexity = line(
    'perplexity',
    points.map((point) => point.perplexity),
    colors.series,
    {},
  );
  if (!hasBase) return [perplexity];
  const divergence = line(
    l10n.t('mean KLD'),
    points.map((point) => point.divergence),
    colors.second,
    { yaxis: 'y2' },
  );
  return [perplexity, divergence];
}

function layoutOf(windows: number, hasBase: boolean, colors: Colors) {
  return {
    height: 220,
    margin: { l: 56, r: hasBase ? 64 : 12, t: 8, b: 36 },
    showlegend: hasBase,
    legend: { orientation: 'h', x: 0, y: 1.14 },
    xaxis: axis(colors, {
      title: { text: l10n.t('windows'), standoff: 4 },
      range: [0, windows],
      zeroline: false,
    }),
    yaxis: axis(colors, { title: { text: l10n.t('perplexity') } }),
    yaxis2: axis(colors, {
      // Labels of small divergences are long: the title keeps clear of them.
      ...{ title: { text: l10n.t('mean KLD (nats)'), standoff: 8 }, automargin: true },
      overlaying: 'y',
      side: 'right',
      rangemode: 'tozero',
      exponentformat: 'power',
      showgrid: false,
    }),
  };
}
