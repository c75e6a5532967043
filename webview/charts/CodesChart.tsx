import * as l10n from '@vscode/l10n';
import { useMemo } from 'preact/hooks';
import type { CodeAnalysis } from '../../src/protocol/analysis';
import { greatestOf } from '../../src/protocol/extremes';
import { exact } from '../format';
import { countAxis } from './countAxis';
import { ChartFrame } from './ChartFrame';
import { axis, plotPicture, useColors, usePlot } from './plot';
import { readScale, ScaleToggle, type CountScale } from './ScaleToggle';
import { usePersistent } from '../usePersistent';

/** Labels of the axis of levels: all of 16, some of 256. */
const maxLabels = 17;

/** How many weights have each level; both ends, where weights may have been cut off, in a second colour. */
export function CodesChart(
  props: Pick<CodeAnalysis, 'levels' | 'counts'> & { description: string; tensor: string },
) {
  const { levels, counts, description, tensor } = props;
  const [scale, setScale] = usePersistent<CountScale>('codes.scale', 'linear', readScale);
  const colors = useColors();
  const traces = useMemo(() => {
    const last = levels.length - 1;
    const color = levels.map((_, i) => (i === 0 || i === last ? colors.second : colors.series));
    return [
      {
        type: 'bar',
        y: counts,
        marker: { color, line: { width: 0 } },
        customdata: levels.map((level) => exact(level)),
        hovertemplate: l10n.t('level %{customdata}: %{y:,}<extra></extra>'),
      },
    ];
  }, [levels, counts, colors]);
  const layout = useMemo(() => {
    const step = Math.ceil(levels.length / maxLabels);
    const labelled = levels.map((_, i) => i).filter((i) => i % step === 0);
    return {
      ...{ height: 220, bargap: levels.length > 32 ? 0 : 0.1 },
      xaxis: axis(colors, {
        ...{
          title: { text: l10n.t('level'), standoff: 4 },
          range: [-0.6, levels.length - 0.4],
          showgrid: false,
        },
        tickvals: labelled,
        ticktext: labelled.map((i) => exact(levels[i]!, 3)),
      }),
      yaxis: countAxis(colors, scale, greatestOf(counts)),
    };
  }, [levels, counts, colors, scale]);
  const element = usePlot(traces, layout, colors);
  return (
    <ChartFrame
      {...{ title: l10n.t('Codes'), level: 4, description, of: tensor }}
      data={() => [
        { name: 'level', values: levels },
        { name: 'count', values: counts },
      ]}
      picture={() => plotPicture(element.current)}
      controls={<ScaleToggle scale={scale} onChange={setScale} />}
    >
      <div
        class="codes"
        role="img"
        aria-label={l10n.t('Codes of {0}. {1}', tensor, description)}
        ref={element}
      />
    </ChartFrame>
  );
}
