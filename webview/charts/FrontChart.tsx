import { useMemo } from 'preact/hooks';
import type { FrontPoint, PlanFront } from '../../src/protocol/planFront';
import { shareOfLoss, shareOfSize, type FrontScale, type MeasuredPoint } from '../frontScale';
import { labelPlaces, type LabelPlace } from './labels';
import { axis, logTicks, useColors, usePlot, type Colors, type Trace } from './plot';

/** Room around the axes (pixels): the overlay with the budget is placed by it. */
export const frontMargin = { left: 66, right: 14, top: 12, bottom: 38 } as const;
export const frontHeight = 290;

/** Plans of all sizes as a line, presets, and what was measured, by size and loss. */
export function FrontChart(props: {
  front: PlanFront;
  scale: FrontScale;
  /** Pixels. */
  width: number;
  measured: readonly MeasuredPoint[];
  /** A preset was clicked. */
  choose: (point: FrontPoint) => void;
}) {
  const { front, scale, width, measured, choose } = props;
  const colors = useColors();
  const unit = unitOf(scale);
  const names = useMemo(() => presetNames(front, scale, width), [front, scale, width]);
  const traces = useMemo(
    () => [
      lineOf(front, unit, colors),
      presetsOf(front, names, unit, colors),
      measuredOf(measured, unit, colors),
    ],
    [front, names, measured, colors, unit.bytes],
  );
  const layout = useMemo(() => layoutOf(front, scale, unit, colors), [front, scale, colors, unit.bytes]);
  const element = usePlot(traces, layout, colors, {
    plotly_click: ({ points }) => {
      const [point] = points as readonly { readonly customdata?: string }[];
      const preset = front.presets.find(({ fileType }) => fileType === point?.customdata);
      if (preset) choose(preset);
    },
  });
  const label = `Size and ${lossWords[front.measure]} of the best plans and of ${front.presets.length} presets`;
  return <div class="front-plot" role="img" aria-label={label} ref={element} />;
}

export const lossWords = {
  divergence: 'predicted KL divergence',
  roleError: 'error weighted by role',
} as const;

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
  hovertemplate: `best plan: ${figures(unit)}<extra></extra>`,
});

/** Where the name of each preset has room. */
function presetNames({ presets }: PlanFront, scale: FrontScale, width: number): (LabelPlace | undefined)[] {
  const { left, right, top, bottom } = frontMargin;
  const points = presets.map(({ fileType, bytes, loss }) => ({
    x: left + shareOfSize(scale, bytes) * (width - left - right),
    y: top + shareOfLoss(scale, loss) * (frontHeight - top - bottom),
    text: fileType,
  }));
  return labelPlaces(points, width);
}

const presetsOf = (
  { presets }: PlanFront,
  names: readonly (LabelPlace | undefined)[],
  unit: Unit,
  colors: Colors,
): Trace => ({
  ...{ type: 'scatter', mode: 'markers+text', ...places(presets, unit) },
  customdata: presets.map(({ fileType }) => fileType),
  text: presets.map(({ fileType }, i) => (names[i] ? fileType : '')),
  textposition: names.map((name) => name ?? 'top right'),
  textfont: { color: colors.muted, size: 10 },
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
  text: measured.map(({ name }) => name),
  marker: {
    symbol: measured.map(({ kind }) => symbols[kind]),
    ...{ color: colors.second, size: 10, line: { width: 2, color: colors.second } },
  },
  hovertemplate: `%{text}, measured: ${figures(unit)}<extra></extra>`,
});

function layoutOf({ measure }: PlanFront, { sizes, losses }: FrontScale, unit: Unit, colors: Colors) {
  const { left, right, top, bottom } = frontMargin;
  return {
    height: frontHeight,
    margin: { l: left, r: right, t: top, b: bottom },
    dragmode: false,
    xaxis: axis(colors, {
      ...{ title: { text: `tensor data (${unit.name})`, standoff: 4 }, zeroline: false, fixedrange: true },
      range: sizes.map((bytes) => bytes / unit.bytes),
    }),
    yaxis: axis(colors, {
      ...{ type: 'log', fixedrange: true, exponentformat: 'power', ...logTicks(...losses) },
      title: { text: measure === 'divergence' ? 'KL divergence (nats)' : 'error by role', standoff: 4 },
      range: losses.map((loss) => Math.log10(loss)),
    }),
  };
}
