import * as l10n from '@vscode/l10n';
import { useEffect, useMemo } from 'preact/hooks';
import { columnsFrom, type DataColumn } from '../../src/protocol/dataTable';
import type { FrontPoint, PlanFront } from '../../src/protocol/planFront';
import { frontHeight, frontMargin, frontNames, type FrontName } from '../frontNames';
import type { FrontScale, MeasuredPoint } from '../frontScale';
import { axis, logTicks, useColors, usePlot, type Colors, type Trace } from './plot';
import { plotText } from './plotText';

/** Plans of all sizes as a line, presets, and what was measured, by size and loss. */
export function FrontChart(props: {
  front: PlanFront;
  scale: FrontScale;
  /** Pixels. */
  width: number;
  measured: readonly MeasuredPoint[];
  /** The plan that is shown, where its loss is known. */
  plan: Pick<FrontPoint, 'bytes' | 'loss'> | undefined;
  /** Is set to the element that it is drawn in. */
  drawn: { current: HTMLElement | null };
  /** A preset was clicked. */
  choose: (point: FrontPoint) => void;
}) {
  const { front, scale, width, measured, plan, choose, drawn } = props;
  const colors = useColors();
  const unit = unitOf(scale);
  const names = useMemo(
    () => frontNames(front, scale, width, plan ? [...measured, plan] : measured),
    [front, scale, width, measured, plan?.bytes, plan?.loss],
  );
  const traces = useMemo(
    () => [lineOf(front, unit, colors), presetsOf(front, unit, colors), measuredOf(measured, unit, colors)],
    [front, measured, colors, unit.bytes],
  );
  const layout = useMemo(
    () => ({
      ...layoutOf(front, scale, unit, colors),
      annotations: names.map((name) => annotationOf(name, unit, colors)),
    }),
    [front, scale, names, colors, unit.bytes],
  );
  const element = usePlot(traces, layout, colors, {
    plotly_click: ({ points }) => {
      const [point] = points as readonly { readonly customdata?: string }[];
      const preset = front.presets.find(({ fileType }) => fileType === point?.customdata);
      if (preset) choose(preset);
    },
  });
  useEffect(() => {
    drawn.current = element.current;
  }, [drawn]);
  const label = l10n.t(
    'Size and {0} of the best plans and of {1} presets',
    lossWords[front.measure],
    front.presets.length,
  );
  return <div class="front-plot" role="img" aria-label={label} ref={element} />;
}

export const lossWords = {
  divergence: l10n.t('predicted KL divergence'),
  roleError: l10n.t('error weighted by role'),
} as const;

/** The best plans, presets and what was measured, as a table. */
export function frontData(front: PlanFront, measured: readonly MeasuredPoint[]): DataColumn[] {
  const points = [
    ...front.points.map((point) => ({ kind: 'best plan', name: '', ...point })),
    ...front.presets.map((point) => ({ kind: 'preset', name: point.fileType, ...point })),
    ...measured.map((point) => ({ ...point, kind: 'measured' })),
  ];
  const loss =
    front.measure === 'divergence' ? { name: 'KL divergence', unit: 'nats' } : { name: 'error by role' };
  return columnsFrom(points, [
    { name: 'what', value: ({ kind }) => kind },
    { name: 'name', value: ({ name }) => name },
    { name: 'size', unit: 'bytes', value: ({ bytes }) => bytes },
    { ...loss, value: (point) => point.loss },
  ]);
}

interface Unit {
  readonly name: string;
  readonly bytes: number;
}

const unitOf = ({ sizes: [, most] }: FrontScale): Unit =>
  most < 1e6
    ? { name: 'kB', bytes: 1e3 }
    : most < 1e9
      ? { name: 'MB', bytes: 1e6 }
      : { name: 'GB', bytes: 1e9 };

const places = (points: readonly Pick<FrontPoint, 'bytes' | 'loss'>[], unit: Unit) => ({
  x: points.map(({ bytes }) => bytes / unit.bytes),
  y: points.map(({ loss }) => loss),
});

const figures = (unit: Unit): string => `%{x:.4r} ${unit.name}, %{y:.4g}`;

const lineOf = ({ points }: PlanFront, unit: Unit, colors: Colors): Trace => ({
  ...{ type: 'scatter', mode: points.length > 60 ? 'lines' : 'lines+markers', ...places(points, unit) },
  ...{ line: { color: colors.series, width: 2 }, marker: { color: colors.series, size: 4 } },
  hovertemplate: l10n.t('best plan: {0}<extra></extra>', figures(unit)),
});

/** The name of a preset, with a line to its mark where it stands far from it. */
const annotationOf = ({ point, place }: FrontName, unit: Unit, colors: Colors) => ({
  // Annotations of a logarithmic axis are placed by exponents.
  ...{ x: point.bytes / unit.bytes, y: Math.log10(point.loss), ax: place.dx, ay: place.dy },
  ...{ text: point.fileType, font: { color: colors.muted, size: 10 }, showarrow: true, arrowhead: 0 },
  ...{ arrowcolor: place.isFar ? colors.muted : 'transparent', arrowwidth: 0.7, standoff: 5, borderpad: 0 },
});

const presetsOf = ({ presets }: PlanFront, unit: Unit, colors: Colors): Trace => ({
  ...{ type: 'scatter', mode: 'markers', ...places(presets, unit) },
  customdata: presets.map(({ fileType }) => fileType),
  marker: { symbol: 'circle-open', color: colors.foreground, size: 8, line: { width: 1.5 } },
  hovertemplate: `%{customdata}: ${figures(unit)}<extra></extra>`,
});

const symbols = {
  ...{ plan: 'triangle-up', preset: 'triangle-up-open' },
  ...{ file: 'diamond-open', random: 'x-thin-open' },
} as const;

const measuredOf = (measured: readonly MeasuredPoint[], unit: Unit, colors: Colors): Trace => ({
  ...{ type: 'scatter', mode: 'markers', ...places(measured, unit) },
  error_y: {
    ...{ type: 'data', array: measured.map((point) => point.halfWidth) },
    ...{ color: colors.second, thickness: 1.2, width: 4 },
  },
  text: measured.map(({ name }) => plotText(name)),
  marker: {
    symbol: measured.map(({ kind }) => symbols[kind]),
    ...{ color: colors.second, size: 10, line: { width: 2, color: colors.second } },
  },
  hovertemplate: l10n.t('%{text}, measured: {0}<extra></extra>', figures(unit)),
});

function layoutOf({ measure }: PlanFront, { sizes, losses }: FrontScale, unit: Unit, colors: Colors) {
  const { left, right, top, bottom } = frontMargin;
  return {
    height: frontHeight,
    margin: { l: left, r: right, t: top, b: bottom },
    dragmode: false,
    xaxis: axis(colors, {
      ...{
        title: { text: l10n.t('tensor data ({0})', unit.name), standoff: 4 },
        zeroline: false,
        fixedrange: true,
      },
      range: sizes.map((bytes) => bytes / unit.bytes),
    }),
    yaxis: axis(colors, {
      ...{ type: 'log', fixedrange: true, exponentformat: 'power', ...logTicks(...losses) },
      title: {
        text: measure === 'divergence' ? l10n.t('KL divergence (nats)') : l10n.t('error by role'),
        standoff: 4,
      },
      range: losses.map((loss) => Math.log10(loss)),
    }),
  };
}
