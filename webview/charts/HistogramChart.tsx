import { useMemo, useState } from 'preact/hooks';
import type { Histogram } from '../../src/protocol/analysis';
import { greatestOf } from '../../src/protocol/extremes';
import { axis, logTicks, useColors, usePlot, type Layout } from './plot';

/** Bars of a histogram, optionally overlaid with a second one with the same bins. */
export function HistogramChart({
  before,
  beforeName = 'source',
  after,
  afterName,
}: {
  before: Histogram;
  beforeName?: string;
  after?: Histogram;
  afterName?: string;
}) {
  const [scale, setScale] = useState<'linear' | 'log'>('log');
  const colors = useColors();
  const traces = useMemo(() => {
    const first = trace(before, beforeName, colors.series, after ? 0.55 : 1);
    return after ? [first, trace(after, afterName ?? 'quantized', colors.second, 0.75)] : [first];
  }, [before, after, afterName, colors]);
  const largest = Math.max(largestBar(before), after ? largestBar(after) : 0);
  const layout = useMemo(
    () => ({
      bargap: 0,
      barmode: 'overlay',
      height: 220,
      showlegend: after !== undefined,
      legend: { orientation: 'h', x: 0, y: 1.12 },
      xaxis: axis(colors, { title: { text: 'weight', standoff: 4 } }),
      yaxis: axis(colors, {
        type: scale,
        title: { text: 'count' },
        exponentformat: 'SI',
        ...(scale === 'log' ? logAxis(largest) : {}),
      }),
    }),
    [scale, colors, after, largest],
  );
  const element = usePlot(traces, layout, colors);
  return (
    <div class="chart">
      <div class="toggle" role="radiogroup" aria-label="Scale of the counts">
        {(['log', 'linear'] as const).map((name) => (
          <button
            key={name}
            role="radio"
            aria-checked={scale === name}
            class={scale === name ? 'on' : ''}
            onClick={() => setScale(name)}
          >
            {name}
          </button>
        ))}
      </div>
      <div class="histogram" ref={element} />
    </div>
  );
}

/** Bars of one weight are seen, and nothing is below them. */
function logAxis(largest: number): Layout {
  return { ...logTicks(1, largest), range: [Math.log10(0.7), Math.log10(1.3 * Math.max(1, largest))] };
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
