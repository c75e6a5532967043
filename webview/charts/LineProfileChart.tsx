import * as l10n from '@vscode/l10n';
import { useMemo } from 'preact/hooks';
import type { LineProfile, OutlierLine } from '../../src/protocol/analysis';
import type { DataColumn } from '../../src/protocol/dataTable';
import { greatestOf } from '../../src/protocol/extremes';
import { plural } from '../../src/protocol/words';
import { number } from '../format';
import { cellSpan, spanText, spanWords } from './cells';
import { ChartFrame } from './ChartFrame';
import { namedLines } from './lineLabels';
import { axis, plotPicture, useColors, usePlot, type Colors } from './plot';

interface Props {
  readonly tensor: string;
  readonly noun: 'row' | 'column';
  readonly profile: LineProfile;
  /** Those that stand out, strongest first. */
  readonly outstanding: readonly OutlierLine[];
  /** Called with a row or column that was clicked. */
  readonly goTo: (index: number) => void;
}

/** max |w| and root mean square along the rows or columns; those that stand out are named. */
export function LineProfileChart({ tensor, noun, profile, outstanding, goTo }: Props) {
  const colors = useColors();
  const traces = useMemo(() => tracesOf(noun, profile, outstanding, colors), [profile, outstanding, colors]);
  const layout = useMemo(() => layoutOf(noun, profile, colors), [profile, colors]);
  const element = usePlot(traces, layout, colors, {
    plotly_click: (event) => {
      const [point] = (event['points'] ?? []) as { x?: unknown }[];
      if (typeof point?.x === 'number') goTo(Math.min(profile.lines - 1, Math.max(0, Math.floor(point.x))));
    },
  });
  const title = noun === 'row' ? l10n.t('max |w| and RMS by row') : l10n.t('max |w| and RMS by column');
  const words = outstanding
    .map(({ index, absMax }) => `${spanText(noun, [index, index])} (${number(absMax)})`)
    .join(', ');
  const label = l10n.t(
    '{0} over {1}. {2}',
    title,
    plural(profile.lines, noun),
    words === '' ? l10n.t('None stands out.') : l10n.t('Outstanding: {0}.', words),
  );
  return (
    <ChartFrame
      {...{ title, level: 4, of: tensor }}
      data={() => profileData(noun, profile)}
      picture={() => plotPicture(element.current)}
    >
      <div class="line-profile" role="img" aria-label={label} ref={element} />
    </ChartFrame>
  );
}

const figures = [
  ['absMax', l10n.t('max |w|')],
  ['rms', 'RMS'],
] as const;

/** The largest of the lines at each point: a spike of one line is seen however many there are. */
function tracesOf(
  noun: Props['noun'],
  profile: LineProfile,
  outstanding: readonly OutlierLine[],
  colors: Colors,
) {
  const { lines, linesPerPoint } = profile;
  const points = profile.absMax.max.length;
  const x = Array.from({ length: points }, (_, point) => point * linesPerPoint);
  const names = x.map((_, point) => spanText(noun, cellSpan(point, linesPerPoint, 0, lines)));
  const curves = figures.map(([figure, name]) => ({
    ...{ type: 'scatter', mode: points > 1 ? 'lines' : 'markers', name, x, y: profile[figure].max },
    line: { color: figure === 'absMax' ? colors.series : colors.second, width: 1 },
    customdata: names,
    hovertemplate: `%{customdata}: ${name} %{y:.4g}<extra></extra>`,
  }));
  const named = new Set(namedLines(outstanding, lines));
  const marks = {
    ...{ type: 'scatter', mode: 'markers+text', showlegend: false, cliponaxis: false },
    x: outstanding.map(({ index }) => index),
    y: outstanding.map(({ absMax }) => absMax),
    text: outstanding.map((line) => (named.has(line) ? String(line.index) : '')),
    textposition: 'top center',
    textfont: { size: 10, color: colors.foreground },
    marker: { color: 'transparent', size: 7, line: { color: colors.foreground, width: 1.5 } },
    customdata: outstanding.map(({ score }) => score.toFixed(1)),
    hovertemplate:
      noun === 'row'
        ? l10n.t('row %{x}: max |w| %{y:.4g}, %{customdata} σ above the median<extra></extra>')
        : l10n.t('column %{x}: max |w| %{y:.4g}, %{customdata} σ above the median<extra></extra>'),
  };
  return [...curves, marks];
}

function layoutOf(noun: Props['noun'], { lines, absMax }: LineProfile, colors: Colors) {
  return {
    height: 190,
    margin: { l: 56, r: 12, t: 24, b: 36 },
    showlegend: true,
    legend: { orientation: 'h', x: 0, y: 1.02, yanchor: 'bottom' },
    hovermode: 'closest',
    dragmode: false,
    xaxis: axis(colors, {
      ...{ title: { text: spanWords[noun], standoff: 4 }, range: [-0.5, lines - 0.5], showgrid: false },
      ...{ zeroline: false, tickformat: 'd', fixedrange: true },
      ...(lines < 10 ? { tick0: 0, dtick: 1 } : {}),
    }),
    // Room for the name of the largest one.
    yaxis: axis(colors, {
      ...{ range: [0, 1.2 * (greatestOf(absMax.max) || 1)], fixedrange: true, exponentformat: 'power' },
    }),
  };
}

function profileData(noun: Props['noun'], profile: LineProfile): DataColumn[] {
  const { linesPerPoint, absMax, rms } = profile;
  const first = absMax.max.map((_, point) => point * linesPerPoint);
  if (linesPerPoint === 1)
    return [
      { name: noun, values: first },
      { name: 'max |w|', values: absMax.max },
      { name: 'RMS', values: rms.max },
    ];
  return [
    { name: `first ${noun}`, values: first },
    ...figures.flatMap(([figure, name]) =>
      (['min', 'mean', 'max'] as const).map((of) => ({
        name: `${name} (${of})`,
        values: profile[figure][of],
      })),
    ),
  ];
}
