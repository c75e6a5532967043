import * as l10n from '@vscode/l10n';
import { useMemo } from 'preact/hooks';
import { columnsFrom } from '../../src/protocol/dataTable';
import type { PreviewBlock } from '../../src/protocol/preview';
import { plural } from '../../src/protocol/words';
import { percent } from '../format';
import { ChartFrame } from './ChartFrame';
import { axis, plotPicture, useColors, usePlot } from './plot';

/** Relative errors of the states after each block: of the block alone, and of all blocks up to it. */
export function BlockErrorChart({ blocks }: { blocks: readonly PreviewBlock[] }) {
  const colors = useColors();
  const traces = useMemo(() => {
    const bars = (name: string, color: string, error: (block: PreviewBlock) => number) => ({
      type: 'bar',
      name,
      x: blocks.map(({ block }) => block),
      y: blocks.map((block) => 100 * Math.sqrt(error(block))),
      marker: { color, line: { width: 0 } },
      hovertemplate: l10n.t('block %{x}: %{y:.3g} %<extra>{0}</extra>', name),
    });
    return [
      bars(l10n.t('this block alone'), colors.series, ({ own }) => own),
      bars(l10n.t('all up to it'), colors.second, ({ accumulated }) => accumulated),
    ];
  }, [blocks, colors]);
  const layout = useMemo(
    () => ({
      ...{ height: 220, barmode: 'group', bargap: 0.25, showlegend: true },
      legend: { orientation: 'h', x: 0, y: 1.14 },
      xaxis: axis(colors, {
        title: { text: l10n.t('block'), standoff: 4 },
        showgrid: false,
        ...(blocks.length <= 24 ? { dtick: 1 } : {}),
      }),
      yaxis: axis(colors, {
        title: { text: l10n.t('relative error') },
        ticksuffix: ' %',
        rangemode: 'tozero',
      }),
    }),
    [blocks, colors],
  );
  const element = usePlot(traces, layout, colors);
  const total = Math.sqrt(blocks.at(-1)?.accumulated ?? 0);
  const words = l10n.t(
    'Relative errors after each of {0}; after the last {1}.',
    plural(blocks.length, 'block'),
    percent(total),
  );
  return (
    <ChartFrame
      title={l10n.t('Errors by block')}
      level={4}
      data={() =>
        columnsFrom(blocks, [
          { name: 'block', value: ({ block }) => block },
          { name: 'relative squared error, this block alone', value: ({ own }) => own },
          { name: 'relative squared error, all up to it', value: ({ accumulated }) => accumulated },
        ])
      }
      picture={() => plotPicture(element.current)}
    >
      <div class="block-errors" role="img" aria-label={words} ref={element} />
    </ChartFrame>
  );
}
