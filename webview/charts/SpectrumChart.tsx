import * as l10n from '@vscode/l10n';
import { useMemo } from 'preact/hooks';
import type { ChangeSpectrum } from '../../src/protocol/spectrum';
import { greatestOf } from '../../src/protocol/extremes';
import { number } from '../format';
import { ChartFrame } from './ChartFrame';
import { axis, logTicks, plotPicture, useColors, usePlot, type Colors } from './plot';

/** Singular values below this share of the largest are rounding: a logarithmic axis ends there. */
const leastShown = 1e-7;

/** Singular values of what differs, descending; those that stand out are filled. */
export function SpectrumChart({ spectrum, description }: { spectrum: ChangeSpectrum; description: string }) {
  const colors = useColors();
  const traces = useMemo(() => [traceOf(spectrum, colors)], [spectrum, colors]);
  const layout = useMemo(() => layoutOf(spectrum, colors), [spectrum, colors]);
  const element = usePlot(traces, layout, colors);
  const { name, singularValues: values, norm } = spectrum;
  return (
    <ChartFrame
      {...{ title: l10n.t('Singular values of the difference'), level: 4, description, of: name }}
      data={() => [
        { name: 'number', values: values.map((_, i) => i + 1) },
        { name: 'singular value', values },
        { name: 'share of the squared norm', values: values.map((value) => (value / norm) ** 2) },
      ]}
      picture={() => plotPicture(element.current)}
    >
      <div class="spectrum-plot" role="img" aria-label={description} ref={element} />
    </ChartFrame>
  );
}

function traceOf({ singularValues, rank, norm }: ChangeSpectrum, colors: Colors) {
  return {
    type: 'scatter',
    mode: 'markers',
    x: singularValues.map((_, i) => i + 1),
    y: singularValues,
    text: singularValues.map((value) =>
      l10n.t('{0} % of the squared norm', number(100 * (value / norm) ** 2, 3)),
    ),
    marker: {
      size: 5,
      color: singularValues.map((_, i) => (i < rank ? colors.series : 'transparent')),
      line: { width: 1.2, color: singularValues.map((_, i) => (i < rank ? colors.series : colors.muted)) },
    },
    hovertemplate: l10n.t('number %{x}: %{y:.4g}, %{text}<extra></extra>'),
  };
}

function layoutOf({ singularValues }: ChangeSpectrum, colors: Colors) {
  const most = greatestOf(singularValues);
  const least = Math.max(singularValues.at(-1) ?? most, leastShown * most);
  return {
    height: 220,
    margin: { l: 72, r: 12, t: 8, b: 36 },
    xaxis: axis(colors, {
      ...{ title: { text: l10n.t('number'), standoff: 4 }, zeroline: false, showgrid: false },
      range: [0, singularValues.length + 1],
    }),
    yaxis: axis(colors, {
      ...{ type: 'log', exponentformat: 'power', title: { text: l10n.t('singular value'), standoff: 8 } },
      ...{ ...logTicks(least, most), range: [Math.log10(least / 1.5), Math.log10(most * 1.5)] },
    }),
  };
}
