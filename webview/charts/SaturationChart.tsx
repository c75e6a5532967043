import * as l10n from '@vscode/l10n';
import { useMemo } from 'preact/hooks';
import type { CodeAnalysis } from '../../src/protocol/analysis';
import { cellSpan, spanText } from './cells';
import { ChartFrame } from './ChartFrame';
import { axis, plotPicture, useColors, usePlot } from './plot';

/** The share of each row's weights that are at an end of the levels. */
export function SaturationChart(
  props: Pick<CodeAnalysis, 'saturation'> & { rows: number; description: string; tensor: string },
) {
  const { saturation, rows, description, tensor } = props;
  const colors = useColors();
  const { cellRows, values } = saturation;
  const traces = useMemo(
    () => [
      {
        type: 'bar',
        x: values.map((_, cell) => cell * cellRows + (cellRows - 1) / 2),
        y: values.map((share) => 100 * share),
        width: cellRows,
        marker: { color: colors.second, line: { width: 0 } },
        customdata: values.map((_, cell) => spanText('row', cellSpan(cell, cellRows, 0, rows))),
        hovertemplate: '%{customdata}: %{y:.2f} %<extra></extra>',
      },
    ],
    [saturation, rows, colors],
  );
  const layout = useMemo(
    () => ({
      ...{ height: 160, bargap: 0 },
      xaxis: axis(colors, {
        title: { text: l10n.t('row'), standoff: 4 },
        range: [-0.5, rows - 0.5],
        showgrid: false,
      }),
      yaxis: axis(colors, { title: { text: l10n.t('saturated') }, ticksuffix: ' %', rangemode: 'tozero' }),
    }),
    [rows, colors],
  );
  const element = usePlot(traces, layout, colors);
  return (
    <ChartFrame
      {...{ title: l10n.t('Saturation by row'), level: 4, description, of: tensor }}
      data={() => [
        { name: 'row', values: values.map((_, cell) => cellSpan(cell, cellRows, 0, rows)[0]) },
        { name: 'saturated', unit: 'share', values },
      ]}
      picture={() => plotPicture(element.current)}
    >
      <div
        class="saturation"
        role="img"
        aria-label={l10n.t('Saturation by row of {0}. {1}', tensor, description)}
        ref={element}
      />
    </ChartFrame>
  );
}
