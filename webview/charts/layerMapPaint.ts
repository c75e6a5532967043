import type { LayerMap } from '../../src/protocol/layerMap';
import { nameText } from '../format';
import { shortened } from '../middle';
import { allPlaces, membersAt, type MapPlace } from '../planMap';
import { cellBox, hasNumbers, numberedColumns, type MapLayout } from './layerMapLayout';
import type { Colors } from './plot';

/** What a cell of the map shows. */
export interface LayerCell {
  /** A CSS colour; absent where there is no figure. */
  readonly fill?: string | undefined;
  /** Whether the colour is near that of the page's background: texts on it are in the colour of the page's texts. */
  readonly isNearBackground?: boolean;
  /** A number, where there is room for it. */
  readonly text?: string;
  /** The figure in words, where the row is one cell. */
  readonly long?: string;
  /** Where it is and what it is, as it is read out. */
  readonly words: string;
  /** Whether its corner is marked. */
  readonly isMarked?: boolean;
}

export interface MapPainting {
  readonly map: LayerMap;
  readonly layout: MapLayout;
  readonly cellAt: (members: readonly number[], place: MapPlace) => LayerCell;
  readonly colors: Colors;
  /** CSS family names. */
  readonly font: string;
}

/** Draws the map. @param ratio pixels of the canvas per CSS pixel. */
export function paintMap(canvas: HTMLCanvasElement, painting: MapPainting, ratio: number): void {
  const { map, layout, colors, font } = painting;
  canvas.width = Math.max(1, Math.round(layout.width * ratio));
  canvas.height = Math.max(1, Math.round(layout.height * ratio));
  const pen = canvas.getContext('2d')!;
  pen.scale(ratio, ratio);
  pen.textBaseline = 'middle';
  paintNames(pen, painting);
  const resolve = resolver();
  for (const place of allPlaces(map)) {
    const members = membersAt(map, place);
    if (members.length === 0) continue;
    const cell = painting.cellAt(members, place);
    const { x, y, width, height } = cellBox(layout, map, place);
    if (cell.fill === undefined) {
      pen.strokeStyle = colors.grid;
      pen.strokeRect(x + 0.5, y + 0.5, Math.max(0, width - 1), height - 1);
      continue;
    }
    pen.fillStyle = resolve(cell.fill);
    pen.fillRect(x, y, width, height);
    pen.fillStyle = cell.isNearBackground ? colors.foreground : colors.background;
    const isWide = place.row < map.others.length;
    const text = isWide ? (cell.long ?? cell.text) : hasNumbers(layout) ? cell.text : undefined;
    if (text !== undefined) {
      pen.font = `600 ${isWide ? 11 : 10.5}px ${font}`;
      pen.textAlign = 'center';
      pen.fillText(text, x + width / 2, y + height / 2 + 0.5, width - 2);
    }
    if (cell.isMarked) paintMark(pen, x + width, y);
  }
}

function paintNames(pen: CanvasRenderingContext2D, { map, layout, colors, font }: MapPainting): void {
  const { nameWidth, rowHeight, top, step } = layout;
  pen.font = `11px ${font}`;
  pen.fillStyle = colors.muted;
  pen.textAlign = 'center';
  if (map.layers.length > 0)
    for (const column of numberedColumns(layout))
      pen.fillText(String(map.layers[column]), nameWidth + (column + 0.5) * step, top / 2);
  pen.textAlign = 'left';
  pen.fillStyle = colors.foreground;
  pen.font = `12px ${font}`;
  const fits = (text: string): boolean => pen.measureText(text).width <= nameWidth - 8;
  for (const [row, role] of [...map.others, ...map.rows].map((item) => item.role).entries())
    pen.fillText(shortened(nameText(role), fits), 0, top + row * rowHeight + rowHeight / 2 - 1);
}

function paintMark(pen: CanvasRenderingContext2D, right: number, top: number): void {
  pen.beginPath();
  pen.moveTo(right - 9, top);
  pen.lineTo(right, top);
  pen.lineTo(right, top + 9);
  pen.fill();
}

/** Colours of CSS as a canvas takes them: variables and mixtures are computed by an element of the page. */
function resolver(): (color: string) => string {
  const probe = document.createElement('span');
  const known = new Map<string, string>();
  return (color) => {
    const found = known.get(color);
    if (found !== undefined) return found;
    document.body.append(probe);
    probe.style.color = color;
    const computed = getComputedStyle(probe).color;
    probe.remove();
    known.set(color, computed);
    return computed;
  };
}
