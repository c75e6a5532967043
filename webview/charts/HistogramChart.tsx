import * as l10n from '@vscode/l10n';
import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import type { Histogram } from '../../src/protocol/analysis';
import { greatestOf } from '../../src/protocol/extremes';
import type { DataColumn } from '../../src/protocol/dataTable';
import { ChartFrame } from './ChartFrame';
import { countAxis } from './countAxis';
import { axis, plotPicture, useColors, usePlot, type Colors } from './plot';
import { histogramWords } from './words';
import { readScale, ScaleToggle, type CountScale } from './ScaleToggle';
import { usePersistent } from '../usePersistent';

/** Bars of a histogram, optionally overlaid with a second one with the same bins. */
export function HistogramChart(props: {
  before: Histogram;
  beforeName?: string;
  after?: Histogram;
  afterName?: string;
  title?: string;
  level?: 3 | 4;
  /** The tensor. */
  of: string;
  /** Values that are marked on the axis of weights, in ascending order. */
  points?: readonly number[] | undefined;
  /** Called with the range that the user has drawn. */
  onRange?: (range: { readonly min: number; readonly max: number }) => void;
  description?: string | undefined;
  controls?: ComponentChildren;
}) {
  const { before, beforeName = 'source', after, afterName = l10n.t('quantized') } = props;
  const { title = l10n.t('Histogram'), level, of, points, onRange, description, controls } = props;
  const [scale, setScale] = usePersistent<CountScale>('histogram.scale', 'log', readScale);
  const colors = useColors();
  const traces = useMemo(() => {
    const first = trace(before, beforeName, colors.series, after ? 0.55 : 1);
    return after ? [first, trace(after, afterName, colors.second, 0.75)] : [first];
  }, [before, after, afterName, colors]);
  const largest = Math.max(largestBar(before), after ? largestBar(after) : 0);
  const layout = useMemo(
    () => ({
      bargap: 0,
      barmode: 'overlay',
      height: 220,
      showlegend: after !== undefined,
      legend: { orientation: 'h', x: 0, y: 1.12 },
      dragmode: onRange ? 'zoom' : false,
      xaxis: axis(colors, { title: { text: l10n.t('weight'), standoff: 4 }, ...rangeOf(before) }),
      yaxis: { ...countAxis(colors, scale, largest), fixedrange: true },
      shapes: marksOf(points ?? [], before, colors),
    }),
    [scale, colors, before, after, largest, points, onRange === undefined],
  );
  const element = usePlot(traces, layout, colors, {
    plotly_relayout: (event) => {
      const [min, max] = [event['xaxis.range[0]'], event['xaxis.range[1]']];
      if (typeof min === 'number' && typeof max === 'number' && min < max) onRange?.({ min, max });
    },
  });
  const words = [histogramWords(before, of), ...(after ? [histogramWords(after, afterName)] : [])].join(' ');
  const second = after && { name: `count of ${afterName}`, values: after.counts };
  return (
    <ChartFrame
      {...{ title, of, description, ...(level ? { level } : {}) }}
      data={() => [
        ...binsOf(before),
        { name: after ? `count of ${beforeName}` : 'count', values: before.counts },
        ...(second ? [second] : []),
      ]}
      picture={() => plotPicture(element.current)}
      controls={
        <>
          {controls}
          <ScaleToggle scale={scale} onChange={setScale} />
        </>
      }
    >
      <div class="histogram" role="img" aria-label={words} ref={element} />
    </ChartFrame>
  );
}

/** The axis of weights ends with the bins; a constant has none to end with. */
const rangeOf = ({ min, max }: Histogram) => (min < max ? { range: [min, max] } : {});

/** Up to so many marks are lines over the whole height; more are strokes at its foot. */
const mostLines = 40;

function marksOf(points: readonly number[], { min, max }: Histogram, colors: Colors) {
  const inSight = points.filter((point) => point >= min && point <= max);
  const isLine = inSight.length <= mostLines;
  return inSight.map((point) => ({
    ...{ type: 'line', xref: 'x', yref: 'paper', x0: point, x1: point, y0: 0, y1: isLine ? 1 : 0.08 },
    line: { color: colors.second, width: 1, dash: isLine ? 'dot' : 'solid' },
  }));
}

/** Where each bin begins and ends. */
function binsOf({ min, max, counts }: Histogram): DataColumn[] {
  const end = (bin: number): number => min + ((max - min) * bin) / counts.length;
  return [
    { name: 'from', values: counts.map((_, bin) => end(bin)) },
    { name: 'to', values: counts.map((_, bin) => end(bin + 1)) },
  ];
}

/** All weights of a constant are in one bar. */
const largestBar = ({ min, max, counts }: Histogram): number =>
  min === max ? counts.reduce((sum, count) => sum + count, 0) : greatestOf(counts);

function trace({ min, max, counts }: Histogram, name: string, color: string, opacity: number) {
  // All weights of a constant are in one bin, which has zero width.
  const isConstant = min === max;
  const width = isConstant ? Math.abs(min) / 50 || 0.02 : (max - min) / counts.length;
  const y = isConstant ? [counts.reduce((sum, count) => sum + count, 0)] : counts;
  return {
    type: 'bar',
    name,
    x: isConstant ? [min] : counts.map((_, i) => min + (i + 0.5) * width),
    y,
    width: y.map(() => width),
    marker: { color, line: { width: 0 } },
    opacity,
    hovertemplate: '%{x:.4g}: %{y:,}<extra></extra>',
  };
}
