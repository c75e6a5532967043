import * as l10n from '@vscode/l10n';
import { useMemo } from 'preact/hooks';
import { columnsFrom } from '../../src/protocol/dataTable';
import { bestPoint, type RefinementPoint } from '../../src/protocol/refinement';
import type { RefinementActivity } from '../../src/protocol/refinementView';
import { number } from '../format';
import { ChartFrame } from './ChartFrame';
import { axis, plotPicture, useColors, usePlot, type Colors } from './plot';

/** The divergence on text that is kept back, over the steps; the best state is marked. */
export function RefinementChart({ points, steps }: NonNullable<RefinementActivity['curve']>) {
  const colors = useColors();
  const traces = useMemo(() => tracesOf(points, colors), [points, colors]);
  const layout = useMemo(() => layoutOf(steps, colors), [steps, colors]);
  const element = usePlot(traces, layout, colors);
  const last = points.at(-1);
  const label = last
    ? l10n.t('Mean KL divergence over steps; {0} after {1} of {2}', number(last.divergence), last.step, steps)
    : l10n.t('Mean KL divergence over steps');
  return (
    <ChartFrame
      title={l10n.t('Mean KL divergence over steps')}
      level={4}
      data={() =>
        columnsFrom(points, [
          { name: 'step', value: ({ step }) => step },
          { name: 'mean KLD', unit: 'nats', value: ({ divergence }) => divergence },
        ])
      }
      picture={() => plotPicture(element.current)}
    >
      <div class="curve" role="img" aria-label={label} ref={element} />
    </ChartFrame>
  );
}

function tracesOf(points: readonly RefinementPoint[], colors: Colors) {
  const scatter = (shown: readonly RefinementPoint[], more: Record<string, unknown>) => ({
    type: 'scatter',
    x: shown.map(({ step }) => step),
    y: shown.map(({ divergence }) => divergence),
    hovertemplate: l10n.t('step %{x}: %{y:.4g}<extra></extra>'),
    ...more,
  });
  const best = bestPoint(points);
  return [
    scatter(points, {
      // A single point is not a line yet.
      mode: points.length > 1 ? 'lines+markers' : 'markers',
      line: { color: colors.series, width: 2 },
      marker: { color: colors.series, size: 5 },
    }),
    scatter(best ? [best] : [], {
      mode: 'markers',
      marker: { color: colors.second, size: 11, symbol: 'circle-open', line: { width: 2 } },
      hovertemplate: l10n.t('best: step %{x}, %{y:.4g}<extra></extra>'),
    }),
  ];
}

const layoutOf = (steps: number, colors: Colors) => ({
  height: 220,
  margin: { l: 72, r: 12, t: 8, b: 36 },
  // Room for the marks at both ends.
  xaxis: axis(colors, {
    ...{ title: { text: l10n.t('steps'), standoff: 4 }, zeroline: false },
    range: [-0.02 * steps, 1.02 * steps],
  }),
  yaxis: axis(colors, {
    ...{ title: { text: l10n.t('mean KLD (nats)'), standoff: 8 }, automargin: true },
    ...{ rangemode: 'tozero', exponentformat: 'power' },
  }),
});
