import * as l10n from '@vscode/l10n';
import { useCallback, useMemo, useRef } from 'preact/hooks';
import { columnsFrom, type DataColumn } from '../../../src/protocol/dataTable';
import type { TensorTable } from '../../../src/protocol/tensorTable';
import { plural } from '../../../src/protocol/words';
import { bitColor } from '../../bitScale';
import { ChartFrame } from '../../charts/ChartFrame';
import { heatColor } from '../../../src/protocol/heatScale';
import { LayerMap } from '../../charts/LayerMap';
import type { LayerCell } from '../../charts/layerMapPaint';
import type { Picture } from '../../charts/picture';
import { useColors } from '../../charts/plot';
import { useApp, useAppState } from '../../context';
import { number } from '../../format';
import { combined, modelMap, scaleOf, type LayerFigure, type Scale } from '../../model/layerFigures';
import type { PlacedTensor } from '../../../src/protocol/parts';
import { whereWords, type MapPlace } from '../../planMap';
import { usePersistent } from '../../usePersistent';
import { Modes } from '../Modes';
import { FigureTable } from './FigureTable';
import { FigureStatus } from './FigureStatus';
import { useLayerFigures } from './useLayerFigures';

/** Place in the colours of heat below which the page's text has more contrast than its background. */
const nearBackground = 0.45;

/** Tensors outside of layers that are drawn. */
const maxOthers = 12;

const forms = [
  { id: 'map', label: l10n.t('Map') },
  { id: 'table', label: l10n.t('Table') },
] as const;

/** A figure of every tensor of the model, by layer and role. */
export function LayerFigures({ table, placed }: { table: TensorTable; placed: readonly PlacedTensor[] }) {
  const [form, setForm] = usePersistent<'map' | 'table'>('model.layers.form', 'map');
  const { figures, choices, choice, choose, figure, format, scan } = useLayerFigures(table);
  const picture = useRef<() => Picture | undefined>(() => undefined);
  return (
    <div class="card wide">
      <ChartFrame
        title={l10n.t('Layer by layer')}
        description={figure?.hint}
        data={() => figureColumns(table, figures)}
        picture={() => (form === 'map' ? picture.current() : undefined)}
        controls={
          <>
            <Modes label={l10n.t('Figure')} modes={choices} value={choice} onChange={choose} />
            {format}
            <Modes label={l10n.t('Map or table of layers')} modes={forms} value={form} onChange={setForm} />
          </>
        }
      >
        <FigureStatus {...{ choice, scan }} isKnown={figure !== undefined} />
        {form === 'table' ? (
          <FigureTable {...{ table, placed, figures }} />
        ) : (
          figure && <FigureMap {...{ table, placed, figure, picture }} />
        )}
      </ChartFrame>
    </div>
  );
}

const figureColumns = (table: TensorTable, figures: readonly LayerFigure[]): DataColumn[] => {
  const indices = Array.from({ length: table.count }, (_, index) => index);
  return columnsFrom(indices, [
    { name: 'tensor', value: (index) => table.name(index) },
    ...figures.map(({ label, values }) => ({ name: label, value: (index: number) => values[index] })),
  ]);
};

interface FigureMapProps {
  readonly table: TensorTable;
  readonly placed: readonly PlacedTensor[];
  readonly figure: LayerFigure;
  readonly picture: { current: (() => Picture | undefined) | null };
}

function FigureMap({ table, placed, figure, picture }: FigureMapProps) {
  const { store } = useApp();
  const selected = useAppState().selected.at(-1);
  const { isDark } = useColors();
  const whole = useMemo(() => modelMap(placed), [placed]);
  const map = useMemo(() => ({ ...whole, others: whole.others.slice(0, maxOthers) }), [whole]);
  const scale = useMemo(() => scaleOf(figure, figure.values), [figure]);
  const fillOf = (value: number): string | undefined =>
    figure.id === 'bits' ? bitColor(value) : scale && heatColor(scale.place(value), isDark);
  const cellAt = useCallback(
    (members: readonly number[], place: MapPlace): LayerCell => {
      const value = combined(figure, members);
      const where = whereWords(map, place);
      if (value === undefined) return { words: l10n.t('{0}: not known', where) };
      const of =
        members.length > 1
          ? figure.combine === 'mean'
            ? l10n.t(', the mean of {0}', plural(members.length, 'tensor'))
            : l10n.t(', the largest of {0}', plural(members.length, 'tensor'))
          : '';
      return {
        fill: fillOf(value),
        isNearBackground: figure.id !== 'bits' && scale !== undefined && scale.place(value) < nearBackground,
        ...{ text: shortText(value), long: figureText(value) },
        words: `${where}: ${figure.label} ${figureText(value)}${of}`,
      };
    },
    [figure, scale, map, isDark],
  );
  const chosen = useMemo(() => (selected === undefined ? -1 : table.indexOf(selected)), [table, selected]);
  const isChosen = useCallback((members: readonly number[]) => members.includes(chosen), [chosen]);
  const open = ([first]: readonly number[]): void => {
    if (first === undefined) return;
    store.select([table.name(first)]);
    store.update({ tab: 'tensor' });
  };
  const more = whole.others.length - map.others.length;
  return (
    <>
      <LayerMap
        {...{ map, cellAt, isChosen, picture }}
        label={l10n.t('{0} by layer and role', figure.label)}
        choose={open}
      />
      {scale && scale.most > scale.least && <Legend {...{ scale, fillOf }} />}
      {more > 0 && (
        <p class="muted caption">{l10n.t('{0}: see the table.', plural(more, 'further tensor'))}</p>
      )}
    </>
  );
}

/** Colours from the least to the largest figure. */
function Legend({ scale, fillOf }: { scale: Scale; fillOf: (value: number) => string | undefined }) {
  const { least, most, at } = scale;
  const steps = Array.from({ length: 13 }, (_, i) => fillOf(at(i / 12)) ?? '');
  return (
    <p
      class="heat-legend muted"
      aria-label={l10n.t('Colours from {0} to {1}', figureText(least), figureText(most))}
      role="img"
    >
      {figureText(least)}
      <span style={{ background: `linear-gradient(to right, ${steps.join(', ')})` }} />
      {figureText(most)}
    </p>
  );
}

const figureText = (value: number): string => number(value);

/** Three characters or so, for a cell. */
const shortText = (value: number): string =>
  Math.abs(value) >= 100 ? number(value, 3).replace(/\.0*$/, '') : Number(value.toPrecision(2)).toString();
