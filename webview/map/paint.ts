import type { Colors } from '../charts/plot';
import { number } from '../format';
import { marginsOf, type Picture } from './compose';
import { colorInto, isBright, type Palette, type Scale } from './palette';
import { wholeTicks } from './ticks';
import type { Area, View } from './view';
import { isSingle } from './words';

/** Around the map itself, CSS pixels: names of rows and columns, and the strips of their maxima. */
export const margin = { left: 58, top: 16, right: 20, bottom: 36 } as const;
/** A strip, and its distance from the map. */
const strip = { width: 11, gap: 4 } as const;
/** A number is written into cells of this size or larger. */
const readable = { width: 46, height: 14 } as const;
const tick = { length: 4, perRow: 26, perColumn: 64 } as const;

export interface Painting {
  readonly view: View;
  readonly picture: Picture;
  readonly area: Area;
  readonly scale: Scale;
  readonly palette: Palette;
  readonly colors: Colors;
  /** The font of the page's figures. */
  readonly font: string;
}

/** Pixels of the whole drawing. */
export const sizeOf = ({ area }: Pick<Painting, 'area'>): Area => ({
  width: area.width + margin.left + margin.right,
  height: area.height + margin.top + margin.bottom,
});

/** The drawing on a canvas, which gets its size. @param ratio device pixels per CSS pixel. */
export function paintOn(canvas: HTMLCanvasElement, painting: Painting, ratio: number): void {
  const { width, height } = sizeOf(painting);
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext('2d');
  if (context) paint(context, painting, ratio);
}

/** The map with its strips and ticks. */
function paint(context: CanvasRenderingContext2D, painting: Painting, ratio: number): void {
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.imageSmoothingEnabled = false;
  const { picture, area } = painting;
  const { rows, columns } = marginsOf(picture);
  inside(context, margin.left, margin.top, area.width, area.height, () => {
    drawCells(context, painting, picture.values, picture.rows, picture.columns, margin.top, area.height);
    if (isSingle(picture)) drawNumbers(context, painting);
  });
  inside(context, margin.left, 0, area.width, strip.width, () =>
    drawCells(context, painting, columns, 1, picture.columns, 0, strip.width),
  );
  const right = margin.left + area.width + strip.gap;
  inside(context, right, margin.top, strip.width, area.height, () =>
    drawRowStrip(context, painting, rows, right),
  );
  drawTicks(context, painting);
}

function inside(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  width: number,
  height: number,
  draw: () => void,
): void {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  draw();
  context.restore();
}

/** Cells as a picture of one pixel each. */
function imageOf(
  values: Float64Array,
  rows: number,
  columns: number,
  { scale, palette }: Painting,
): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext('2d')!;
  const image = context.createImageData(columns, rows);
  values.forEach((value, i) => colorInto(image.data, 4 * i, value, scale, palette));
  context.putImageData(image, 0, 0);
  return canvas;
}

/** Pixels per weight, and where the first cell begins. */
function placeOf({ view, picture, area }: Painting) {
  const [perColumn, perRow] = [area.width / view.columns, area.height / view.rows];
  return {
    ...{ perColumn, perRow },
    x: margin.left + (picture.firstColumn * picture.cell.columns - view.column) * perColumn,
    y: margin.top + (picture.firstRow * picture.cell.rows - view.row) * perRow,
    width: picture.cell.columns * perColumn,
    height: picture.cell.rows * perRow,
  };
}

/** Cells in the columns of the map; `rows` of 1 are a strip from `top` on. */
function drawCells(
  context: CanvasRenderingContext2D,
  painting: Painting,
  values: Float64Array,
  rows: number,
  columns: number,
  top: number,
  height: number,
): void {
  const { x, y, width, height: cellHeight } = placeOf(painting);
  const isMap = rows === painting.picture.rows && top === margin.top;
  const image = imageOf(values, rows, columns, painting);
  context.drawImage(image, x, isMap ? y : top, width * columns, isMap ? cellHeight * rows : height);
}

function drawRowStrip(
  context: CanvasRenderingContext2D,
  painting: Painting,
  values: Float64Array,
  left: number,
): void {
  const { y, height } = placeOf(painting);
  const image = imageOf(values, values.length, 1, painting);
  context.drawImage(image, left, y, strip.width, height * values.length);
}

function drawNumbers(context: CanvasRenderingContext2D, painting: Painting): void {
  const { x, y, width, height } = placeOf(painting);
  if (width < readable.width || height < readable.height) return;
  const { picture, scale, palette, font } = painting;
  context.font = font;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  const bytes = new Uint8ClampedArray(4);
  for (let row = 0; row < picture.rows; row++)
    for (let column = 0; column < picture.columns; column++) {
      const value = picture.values[row * picture.columns + column]!;
      colorInto(bytes, 0, value, scale, palette);
      context.fillStyle = isBright([bytes[0]!, bytes[1]!, bytes[2]!]) ? '#000' : '#fff';
      const middle = [x + (column + 0.5) * width, y + (row + 0.5) * height] as const;
      context.fillText(number(value, 3), ...middle, width - 2);
    }
}

function drawTicks(context: CanvasRenderingContext2D, painting: Painting): void {
  const { view, area, colors, font } = painting;
  const { perColumn, perRow } = placeOf(painting);
  context.font = font;
  context.fillStyle = colors.foreground;
  context.strokeStyle = colors.muted;
  context.lineWidth = 1;
  context.textBaseline = 'middle';
  context.textAlign = 'right';
  // The middle of a weight that can be seen; the edge where weights are thinner than a line.
  const middle = (pixels: number): number => (pixels > 2 ? pixels / 2 : 0);
  const bottom = margin.top + area.height;
  context.beginPath();
  for (const row of wholeTicks(view.row, view.rows, area.height, tick.perRow)) {
    const y = margin.top + (row - view.row) * perRow + middle(perRow);
    if (y > bottom) continue;
    context.moveTo(margin.left - tick.length, y);
    context.lineTo(margin.left, y);
    context.fillText(String(row), margin.left - tick.length - 3, y);
  }
  context.textAlign = 'center';
  context.textBaseline = 'top';
  for (const column of wholeTicks(view.column, view.columns, area.width, tick.perColumn)) {
    const x = margin.left + (column - view.column) * perColumn + middle(perColumn);
    if (x > margin.left + area.width) continue;
    context.moveTo(x, bottom);
    context.lineTo(x, bottom + tick.length);
    context.fillText(String(column), x, bottom + tick.length + 2);
  }
  context.stroke();
  context.fillStyle = colors.muted;
  context.fillText('column', margin.left + area.width / 2, bottom + 20);
  context.save();
  context.translate(8, margin.top + area.height / 2);
  context.rotate(-Math.PI / 2);
  context.textBaseline = 'middle';
  if (area.height > 40) context.fillText('row', 0, 0);
  context.restore();
}
