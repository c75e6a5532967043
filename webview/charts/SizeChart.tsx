import * as l10n from '@vscode/l10n';
import { useMemo } from 'preact/hooks';
import { columnsFrom } from '../../src/protocol/dataTable';
import { greatestOf, leastOf } from '../../src/protocol/extremes';
import { ChartFrame } from './ChartFrame';
import { axis, logTicks, plotPicture, useColors, usePlot, type Colors } from './plot';
import { plotText } from './plotText';

/** A variant of a model: how large it is, and how far from its base. */
export interface SizedVariant {
  readonly name: string;
  readonly bytes: number;
  /** Mean KL divergence, nats per token; above 0. */
  readonly divergence: number;
  readonly standardError: number;
}

/** Divergence of each variant against its size; the best are at the lower left. */
export function SizeChart({ variants, base }: { variants: readonly SizedVariant[]; base: string }) {
  const colors = useColors();
  const traces = useMemo(() => {
    const bySize = [...variants].sort((a, b) => a.bytes - b.bytes);
    return [traceOf(bySize, colors)];
  }, [variants, colors]);
  const values = variants.map(({ divergence }) => divergence);
  const layout = useMemo(
    () => ({
      height: 240,
      margin: { l: 64, r: 60, t: 16, b: 36 },
      xaxis: axis(colors, { title: { text: l10n.t('size (MB)'), standoff: 4 }, zeroline: false }),
      yaxis: axis(colors, {
        type: 'log',
        title: { text: l10n.t('mean KLD (nats)') },
        exponentformat: 'power',
        ...logTicks(leastOf(values), greatestOf(values)),
      }),
    }),
    [colors, variants],
  );
  const element = usePlot(traces, layout, colors);
  return (
    <ChartFrame
      title={l10n.t('Divergence from {0} by size', base)}
      level={4}
      data={() =>
        columnsFrom(variants, [
          { name: 'variant', value: ({ name }) => name },
          { name: 'size', unit: 'bytes', value: ({ bytes }) => bytes },
          { name: 'mean KLD', unit: 'nats', value: ({ divergence }) => divergence },
          { name: 'standard error', unit: 'nats', value: ({ standardError }) => standardError },
        ])
      }
      picture={() => plotPicture(element.current)}
    >
      <div
        class="by-size"
        role="img"
        aria-label={l10n.t('Mean KL divergence of each variant by size')}
        ref={element}
      />
    </ChartFrame>
  );
}

function traceOf(variants: readonly SizedVariant[], colors: Colors) {
  return {
    type: 'scatter',
    mode: 'markers+text',
    x: variants.map(({ bytes }) => bytes / 1e6),
    y: variants.map(({ divergence }) => divergence),
    error_y: {
      type: 'data',
      array: variants.map(({ standardError }) => standardError),
      color: colors.muted,
      thickness: 1,
      width: 3,
    },
    text: variants.map(({ name }) => plotText(name)),
    // Larger variants are usually better: both sides of the falling line are free.
    textposition: variants.map((_, index) => (index % 2 === 0 ? 'top right' : 'bottom left')),
    textfont: { color: colors.foreground },
    cliponaxis: false,
    marker: { color: colors.series, size: 8 },
    hovertemplate: l10n.t('%{text}: %{x:.2f} MB, %{y:.4g} nats<extra></extra>'),
  };
}
