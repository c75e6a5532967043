import * as l10n from '@vscode/l10n';
import { useCallback, useMemo, useRef } from 'preact/hooks';
import type { DataColumn } from '../../../src/protocol/dataTable';
import type { Plan } from '../../../src/protocol/plan';
import { plural } from '../../../src/protocol/words';
import { bitColor } from '../../bitScale';
import { ChartFrame } from '../../charts/ChartFrame';
import { LayerMap } from '../../charts/LayerMap';
import type { LayerCell } from '../../charts/layerMapPaint';
import type { Picture } from '../../charts/picture';
import { useApp, useAppState } from '../../context';
import { mixOf } from '../../planMix';
import { layerMap } from '../../../src/protocol/layerMap';
import { whereWords, type MapPlace } from '../../planMap';
import { useUnchanged } from '../GroupedGrid';
import type { FormatBinder } from './formatBinder';

/** Tensors outside of layers that are drawn; models whose names have no numbers have them all there. */
const maxOthers = 24;

/** Bits of each tensor by layer and role: a click selects, keys move, pin, exclude and release. */
export function BitsMap({ plan, binder }: { plan: Plan; binder: FormatBinder }) {
  const { store } = useApp();
  const selected = useAppState().selected.at(-1);
  const { assignments } = plan;
  const names = useUnchanged(assignments.map(({ tensor }) => tensor));
  const map = useMemo(() => layerMap(names), [names]);
  const shown = useMemo(() => ({ ...map, others: map.others.slice(0, maxOthers) }), [map]);
  const picture = useRef<() => Picture | undefined>(() => undefined);
  const cellAt = useCallback(
    (members: readonly number[], place: MapPlace): LayerCell => {
      const { bitsPerWeight, formats } = mixOf(members.map((index) => assignments[index]!));
      const isPinned = members.every((index) => binder.pinned.has(index));
      const formatNames = formats.map(({ format }) => format).join(', ');
      return {
        fill: bitColor(bitsPerWeight),
        text: bitsText(bitsPerWeight),
        long: `${formatNames} · ${bitsPerWeight.toFixed(2)}`,
        words: l10n.t(
          '{0}: {1}, {2} bits per weight{3}',
          whereWords(shown, place),
          formatNames,
          bitsPerWeight.toFixed(2),
          isPinned ? l10n.t(', pinned') : '',
        ),
        isMarked: isPinned,
      };
    },
    [assignments, shown, binder.pinned],
  );
  const isChosen = useCallback(
    (members: readonly number[]) =>
      selected !== undefined && members.some((index) => assignments[index]!.sources.includes(selected)),
    [assignments, selected],
  );
  const more = map.others.length - shown.others.length;
  return (
    <ChartFrame
      title={l10n.t('Bits by layer')}
      data={() => bitColumns(plan)}
      picture={() => picture.current()}
    >
      <LayerMap
        {...{ map: shown, cellAt, isChosen, picture }}
        label={l10n.t('Bits per weight by layer and role')}
        choose={([first]) => first !== undefined && store.select(assignments[first]!.sources)}
        onKey={binder.onKey}
      />
      {more > 0 && (
        <p class="muted caption">{l10n.t('{0}: see the table.', plural(more, 'further tensor'))}</p>
      )}
    </ChartFrame>
  );
}

const bitColumns = ({ assignments }: Plan): DataColumn[] => [
  { name: 'tensor', values: assignments.map(({ tensor }) => tensor) },
  { name: 'format', values: assignments.map(({ format }) => format) },
  { name: 'bits per weight', values: assignments.map(({ bitsPerWeight }) => bitsPerWeight) },
];

/** Short enough for a cell: 4.5, 6.6, 16. */
const bitsText = (bits: number): string => Number(bits.toFixed(1)).toString();
