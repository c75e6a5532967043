import type { AreaShare, RoleShare } from '../../protocol/bytesByRole';
import { greatestOf, leastOf } from '../../protocol/extremes';
import { markup } from '../../protocol/markup';
import { squarify, type Box } from '../../protocol/treemap';
import { plural, size } from '../../protocol/words';

/** Drawings of a report, as SVG that takes its colours from the page's style: steps of one scale, `s0` to `s16`, and tints of it, `t0` to `t8`. */

/** Units of the drawings; the page shows one as a pixel where there is room. */
const width = 960;
const treemapHeight = 260;
const headHeight = 18;
/** Of a letter and a line in the drawings' font. */
const [letter, line] = [6.4, 14] as const;

export const [steps, tints] = [16, 8] as const;

/** A drawing in its own size: a narrow page scrolls it, as its texts could not be read smaller. */
const svg = (across: number, height: number, label: string, parts: readonly string[]): string =>
  `<div class="wide"><svg width="${across.toFixed(0)}" height="${height.toFixed(0)}" role="img" aria-label="${markup(label)}">${parts.join('')}</svg></div>`;

const at = (value: number): string => value.toFixed(1);

/** As much of a text as a width has room for; nothing where that is less than three letters. */
function cut(text: string, room: number): string {
  const letters = Math.floor((room - 8) / letter);
  if (text.length <= letters) return text;
  return letters < 4 ? '' : `${text.slice(0, letters - 1)}…`;
}

/** Where the bytes are: areas, and their roles in the proportions of their bytes, the more tinted the more bits their weights have. */
export function treemapSvg(areas: readonly AreaShare[]): string {
  const total = areas.reduce((sum, { bytes }) => sum + bytes, 0);
  const boxes = squarify(
    areas.map(({ bytes }) => bytes),
    { x: 0, y: 0, width, height: treemapHeight },
  );
  const parts = areas.map((area, i) => areaParts(area, boxes[i]!, total));
  return svg(width, treemapHeight, 'Parts of the model in the proportions of their bytes', parts);
}

function areaParts(area: AreaShare, box: Box, total: number): string {
  const hasHead = area.roles.length > 1 && box.height > 3 * headHeight && box.width > 60;
  const inner = hasHead ? { ...box, y: box.y + headHeight, height: box.height - headHeight } : box;
  const boxes = squarify(
    area.roles.map(({ bytes }) => bytes),
    inner,
  );
  const percent = `${((100 * area.bytes) / total).toFixed(0)} %`;
  const head = hasHead
    ? `<text class="head" x="${at(box.x + 2)}" y="${at(box.y + 13)}">${markup(cut(`${area.label} ${percent}`, box.width))}</text>`
    : '';
  return head + area.roles.map((role, i) => roleBox(role, boxes[i]!)).join('');
}

function roleBox(role: RoleShare, { x, y, width: across, height }: Box): string {
  const { label, dtype, bytes, parameters, tensors } = role;
  const bitsPerWeight = parameters === 0 ? 0 : (8 * bytes) / parameters;
  const tint = Math.round(tints * Math.min(1, bitsPerWeight / 16));
  const words = `${label}, ${dtype}: ${size(bytes)} in ${plural(tensors, 'tensor')}, ${bitsPerWeight.toFixed(2)} bits per weight`;
  const lines = [label, size(bytes), dtype].slice(0, Math.max(0, Math.floor((height - 4) / line)));
  const texts = lines.map(
    (text, i) => `<text x="${at(x + 4)}" y="${at(y + 13 + i * line)}">${markup(cut(text, across))}</text>`,
  );
  return `<g><title>${markup(words)}</title><rect class="t${tint}" x="${at(x)}" y="${at(y)}" width="${at(Math.max(0, across - 1))}" height="${at(Math.max(0, height - 1))}"/>${texts.join('')}</g>`;
}

/** Figures by layer and role; NaN where there is none. */
export interface FigureMap {
  readonly title: string;
  readonly layers: readonly number[];
  readonly rows: readonly { readonly role: string; readonly values: readonly number[] }[];
  /** Of the colours: a logarithmic one for figures over powers of ten. */
  readonly scale: 'linear' | 'log';
  /** A figure in words. */
  readonly inWords: (value: number) => string;
}

/** Of a cell, of the names of roles, and of the scale below the map. */
const cells = { height: 16, least: 4, most: 34, names: 190, foot: 46 } as const;

/** Of the scale and the figure at its end. */
const scaleWidth = 10 * (steps + 1) + 80;

/** A map by layer and role, with a title for each cell, and its scale below. */
export function figureMapSvg(map: FigureMap): string {
  const { layers, rows, scale, title, inWords } = map;
  const placed = (value: number): number => (scale === 'log' ? Math.log10(value) : value);
  const known = rows.flatMap(({ values }) => values.map(placed).filter(Number.isFinite));
  if (known.length === 0) return '';
  const [least, most] = [leastOf(known), greatestOf(known)];
  const step = (value: number): number =>
    most === least ? steps / 2 : Math.round((steps * (placed(value) - least)) / (most - least));
  const cell = Math.min(cells.most, Math.max(cells.least, (width - cells.names) / layers.length));
  const height = rows.length * cells.height + cells.foot;
  const parts = rows.flatMap(({ role, values }, row) => [
    `<text x="${cells.names - 8}" y="${row * cells.height + 12}" text-anchor="end">${markup(tail(role))}</text>`,
    ...values.map((value, column) => {
      const place = `x="${at(cells.names + column * cell)}" y="${row * cells.height}" width="${at(cell - 0.6)}" height="${cells.height - 1}"`;
      const words = `${role}, layer ${layers[column]}: ${Number.isNaN(value) ? 'none' : inWords(value)}`;
      const of = Number.isFinite(placed(value)) ? `s${step(value)}` : 'none';
      return `<rect class="${of}" ${place}><title>${markup(words)}</title></rect>`;
    }),
  ]);
  const across = cells.names + Math.max(cell * layers.length, scaleWidth);
  return svg(across, height, title, [...parts, ...footParts(map, cell, [least, most])]);
}

/** The end of a role's name tells it from others. */
function tail(role: string): string {
  const most = Math.floor((cells.names - 12) / letter);
  return role.length <= most ? role : `…${role.slice(1 - most)}`;
}

function footParts(
  { layers, rows, scale, inWords }: FigureMap,
  cell: number,
  [least, most]: readonly [number, number],
): string[] {
  const y = rows.length * cells.height;
  const every = Math.max(1, Math.ceil(24 / cell));
  const numbers = layers.map((layer, column) =>
    column % every === 0
      ? `<text class="muted" x="${at(cells.names + (column + 0.5) * cell)}" y="${y + 12}" text-anchor="middle">${layer}</text>`
      : '',
  );
  const unplaced = (value: number): number => (scale === 'log' ? 10 ** value : value);
  const bar = Array.from(
    { length: steps + 1 },
    (_, i) => `<rect class="s${i}" x="${cells.names + i * 10}" y="${y + 22}" width="10" height="9"/>`,
  );
  const text = (x: number, anchor: string, value: number): string =>
    `<text class="muted" x="${x}" y="${y + 42}" text-anchor="${anchor}">${markup(inWords(unplaced(value)))}</text>`;
  return [
    ...numbers,
    ...bar,
    text(cells.names, 'start', least),
    text(cells.names + 10 * (steps + 1), 'start', most),
  ];
}
