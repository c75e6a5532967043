import { useMemo, useRef, useState } from 'preact/hooks';
import type { Plan } from '../../../src/protocol/plan';
import { plural } from '../../../src/protocol/words';
import { bitColor } from '../../bitScale';
import { useApp, useAppState } from '../../context';
import { mixOf } from '../../planMix';
import { membersAt, nextPlace, planMap, type MapPlace, type PlanMap } from '../../planMap';
import { useUnchanged } from '../GroupedGrid';
import type { FormatBinder } from './formatBinder';

/** Layers up to which each cell has room for its number. */
const numbered = 24;

/** Least width of a cell, and what is between two: all layers of a deep model are seen at once; without layers a cell has its text. */
function cellSize(layers: number) {
  if (layers === 0) return { '--map-cell': '120px', '--map-gap': '2px' };
  return layers <= numbered
    ? { '--map-cell': '26px', '--map-gap': '2px' }
    : { '--map-cell': '4px', '--map-gap': '1px' };
}

/** Tensors outside of layers that are drawn; models whose names have no numbers have them all there. */
const maxOthers = 24;

/** Bits of each tensor by layer and role: a click selects, keys move, pin, exclude and release. */
export function BitsMap({ plan, binder }: { plan: Plan; binder: FormatBinder }) {
  const { store } = useApp();
  const chosen = useAppState().selected.at(-1);
  const { assignments } = plan;
  const names = useUnchanged(assignments.map(({ tensor }) => tensor));
  const map = useMemo(() => planMap(names), [names]);
  const shown = useMemo(() => ({ ...map, others: map.others.slice(0, maxOthers) }), [map]);
  const [active, setActive] = useState<MapPlace>({ row: 0, column: 0 });
  const box = useRef<HTMLDivElement>(null);
  const choose = (place: MapPlace): void => {
    setActive(place);
    const [first] = membersAt(shown, place);
    if (first !== undefined) store.select(assignments[first]!.sources);
  };
  const onKey = (event: KeyboardEvent): void => {
    const next = nextPlace(shown, active, event.key);
    if (next) {
      setActive(next);
      requestAnimationFrame(() =>
        box.current
          ?.querySelector('.map-cell.active')
          ?.scrollIntoView({ block: 'nearest', inline: 'nearest' }),
      );
    } else if (event.key === 'Enter' || event.key === ' ') choose(active);
    else if (!binder.onKey(event, membersAt(shown, active))) return;
    event.preventDefault();
  };
  const more = map.others.length - shown.others.length;
  return (
    <div class="plan-map-frame">
      <div
        ref={box}
        class="plan-map"
        role="grid"
        aria-label="Bits per weight by layer and role"
        aria-activedescendant={`map-${active.row}-${active.column}`}
        tabIndex={0}
        style={{
          '--map-layers': Math.max(1, map.layers.length),
          ...cellSize(map.layers.length),
        }}
        onKeyDown={onKey}
      >
        <Head layers={map.layers} />
        <Cells {...{ plan, map: shown, active, chosen, choose, binder }} />
      </div>
      {more > 0 && <p class="muted caption">{plural(more, 'further tensor')}: see the table.</p>}
    </div>
  );
}

function Head({ layers }: { layers: readonly number[] }) {
  if (layers.length === 0) return null;
  const every = Math.ceil(layers.length / numbered);
  // A number takes the room of `every` columns, which there is not at the end.
  const isShown = (column: number): boolean => column % every === 0 && column + every <= layers.length;
  return (
    <div role="row" class="map-row map-head">
      <span role="columnheader" class="map-role muted">
        layer
      </span>
      {layers.map((layer, column) => (
        <span key={layer} role="columnheader" class="muted">
          {isShown(column) ? layer : ''}
        </span>
      ))}
    </div>
  );
}

interface CellsProps {
  readonly plan: Plan;
  readonly map: PlanMap;
  readonly active: MapPlace;
  /** The selected tensor of the model. */
  readonly chosen: string | undefined;
  readonly choose: (place: MapPlace) => void;
  readonly binder: FormatBinder;
}

function Cells(props: CellsProps) {
  const { map } = props;
  return (
    <>
      {map.others.map(({ role, members }, row) => (
        <div key={`other ${row}`} role="row" class="map-row">
          <span role="rowheader" class="map-role ellipsis" title={role}>
            {role}
          </span>
          <Cell {...props} place={{ row, column: 0 }} members={members} where={role} wide />
        </div>
      ))}
      {map.rows.map(({ role, cells }, index) => (
        <div key={role} role="row" class="map-row">
          <span role="rowheader" class="map-role ellipsis" title={role}>
            {role}
          </span>
          {cells.map((members, column) => (
            <Cell
              key={column}
              {...props}
              place={{ row: map.others.length + index, column }}
              members={members}
              where={`${role}, layer ${map.layers[column]}`}
            />
          ))}
        </div>
      ))}
    </>
  );
}

function Cell(
  props: CellsProps & {
    place: MapPlace;
    members: readonly number[];
    /** In words. */
    where: string;
    wide?: boolean;
  },
) {
  const { plan, map, active, chosen, place, members, where, binder, wide = false } = props;
  const id = `map-${place.row}-${place.column}`;
  if (members.length === 0) return <span role="gridcell" class="map-cell none" id={id} />;
  const own = members.map((index) => plan.assignments[index]!);
  const { bitsPerWeight, formats } = mixOf(own);
  const isPinned = members.every((index) => binder.pinned.has(index));
  const classes = [
    'map-cell',
    wide ? 'wide' : '',
    isPinned ? 'pinned' : '',
    place.row === active.row && place.column === active.column ? 'active' : '',
    chosen !== undefined && own.some(({ sources }) => sources.includes(chosen)) ? 'chosen' : '',
  ];
  const names = formats.map(({ format }) => format).join(', ');
  const words = `${where}: ${names}, ${bitsPerWeight.toFixed(2)} bits per weight${isPinned ? ', pinned' : ''}`;
  return (
    <span
      id={id}
      role="gridcell"
      class={classes.filter(Boolean).join(' ')}
      style={{ background: bitColor(bitsPerWeight) }}
      title={words}
      aria-label={words}
      data-tensor={own[0]!.tensor}
      data-bits={bitsPerWeight.toFixed(2)}
      onClick={() => props.choose(place)}
    >
      {wide
        ? `${names} · ${bitsPerWeight.toFixed(2)}`
        : map.layers.length <= numbered
          ? bitsText(bitsPerWeight)
          : ''}
    </span>
  );
}

/** Short enough for a cell: 4.5, 6.6, 16. */
const bitsText = (bits: number): string => Number(bits.toFixed(1)).toString();
