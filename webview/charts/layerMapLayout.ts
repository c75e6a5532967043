import type { LayerMap } from '../../src/protocol/layerMap';
import { membersAt, type MapPlace } from '../planMap';

/** A rectangle on the page (CSS pixels). */
export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Where the cells of a map by layer and role are drawn (CSS pixels). */
export interface MapLayout {
  readonly width: number;
  readonly height: number;
  /** Of the names of roles, at the left. */
  readonly nameWidth: number;
  /** Of a row, with what is between two. */
  readonly rowHeight: number;
  /** Where the first row begins, below the numbers of layers. */
  readonly top: number;
  /** From one cell to the next. */
  readonly step: number;
  readonly gap: number;
  readonly layers: number;
}

const sizes = { row: 22, head: 18, least: 3, most: 36 } as const;

/** Of names (pixels): a letter, what is beside them, the least and the most, and the share of the width that they take at most. */
const names = { letter: 6.4, beside: 12, least: 76, most: 240, share: 0.28 } as const;

/** As wide as the longest name, as long as cells keep the most of the width. */
function nameWidthOf({ others, rows }: LayerMap, width: number): number {
  const longest = [...others, ...rows].reduce((most, { role }) => Math.max(most, role.length), 0);
  const wanted = Math.min(names.most, names.letter * longest + names.beside);
  return Math.round(Math.max(names.least, Math.min(wanted, names.share * width)));
}

/** Narrower cells have no room for a number. */
const numberWidth = 24;

/** All layers side by side in the width that there is, as long as cells can be seen. */
export function layOutMap(map: LayerMap, width: number): MapLayout {
  const { layers, others, rows } = map;
  const nameWidth = nameWidthOf(map, width);
  const columns = Math.max(1, layers.length);
  const room = Math.max(0, width - nameWidth) / columns;
  const most = layers.length === 0 ? Math.max(sizes.most, width - nameWidth) : sizes.most;
  const step = Math.min(most, Math.max(sizes.least, room));
  const top = layers.length === 0 ? 0 : sizes.head;
  return {
    ...{ nameWidth, rowHeight: sizes.row, top, step, layers: columns },
    gap: step < 8 ? 1 : 2,
    width: nameWidth + step * columns,
    height: top + sizes.row * (others.length + rows.length),
  };
}

/** Whether cells have room for numbers. */
export const hasNumbers = ({ step }: Pick<MapLayout, 'step'>): boolean => step >= numberWidth;

/** Where a cell is; one outside of layers takes the whole row. */
export function cellBox(layout: MapLayout, { others }: Pick<LayerMap, 'others'>, place: MapPlace): Rectangle {
  const { nameWidth, rowHeight, top, step, gap, layers } = layout;
  const isWide = place.row < others.length;
  return {
    x: nameWidth + (isWide ? 0 : place.column * step),
    y: top + place.row * rowHeight,
    width: (isWide ? layers * step : step) - gap,
    height: rowHeight - 2,
  };
}

/** The cell with tensors at a point; undefined where there is none. */
export function placeAt(layout: MapLayout, map: LayerMap, x: number, y: number): MapPlace | undefined {
  const row = Math.floor((y - layout.top) / layout.rowHeight);
  const column = Math.floor((x - layout.nameWidth) / layout.step);
  if (row < 0 || column < 0 || column >= layout.layers) return undefined;
  const place = { row, column: row < map.others.length ? 0 : column };
  return membersAt(map, place).length > 0 ? place : undefined;
}

/** Columns whose numbers are written: as many as have room, the first and every so many after it. */
export function numberedColumns({ step, layers }: Pick<MapLayout, 'step' | 'layers'>): number[] {
  const every = Math.ceil(numberWidth / step);
  return Array.from({ length: layers }, (_, column) => column).filter(
    (column) => column % every === 0 && (column + every <= layers || column === 0),
  );
}
