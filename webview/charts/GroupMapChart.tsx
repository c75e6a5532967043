import * as l10n from '@vscode/l10n';
import { useMemo } from 'preact/hooks';
import type { GroupMap } from '../../src/protocol/analysis';
import { exact } from '../format';
import type { SpanNoun } from './cells';
import { ChartFrame } from './ChartFrame';
import { heatMapData, heatMapLayout, heatMapTraces, type HeatMap } from './heatMap';
import { plotPicture, useColors, usePlot } from './plot';

/** A parameter of groups that has more than one value; one column for each group of a row. */
export function GroupMapChart(props: {
  map: GroupMap;
  /** What a column is: "group". */
  noun: SpanNoun;
  /** "zeros": of the values. */
  kind: string;
  /** "zero point". */
  what: string;
  title: string;
  description: string;
  tensor: string;
}) {
  const { map, noun, kind, what, title, description, tensor } = props;
  const colors = useColors();
  const cells = useMemo((): HeatMap => {
    const { rows, groups, cellRows, cellGroups, mapRows, mapGroups, values } = map;
    const isSingle = cellRows === 1 && cellGroups === 1;
    return {
      ...{ rows, columns: groups, cellRows, cellColumns: cellGroups, mapRows, mapColumns: mapGroups, values },
      ...{ least: map.min, top: map.max },
      columnNoun: noun,
      inWords: (value) => `${isSingle ? what : l10n.t('mean {0}', what)} ${exact(value)}`,
    };
  }, [map, noun, what]);
  const traces = useMemo(() => heatMapTraces(cells), [cells]);
  const layout = useMemo(() => heatMapLayout(cells, what, colors), [cells, what, colors]);
  const element = usePlot(traces, layout, colors);
  return (
    <ChartFrame
      {...{ title, description, level: 4, of: tensor }}
      data={() => heatMapData(cells, { name: what })}
      picture={() => plotPicture(element.current)}
    >
      <div
        class={`group-map ${kind}`}
        role="img"
        aria-label={l10n.t('{0} of {1}. {2}', title, tensor, description)}
        ref={element}
      />
    </ChartFrame>
  );
}
