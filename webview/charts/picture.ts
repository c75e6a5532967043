import { markup } from '../../src/protocol/markup';
import { splitMiddle } from '../middle';

/** A chart as SVG: what is inside of a file that shows it. */
export interface Picture {
  /** An `<svg>` element of that size. */
  readonly svg: string;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
}

/** Of the page's theme, as CSS has them. */
export interface PictureColors {
  readonly foreground: string;
  readonly muted: string;
  readonly background: string;
}

/** What stands around a chart in a file. */
export interface PictureText {
  readonly title: string;
  /** Model, and tensor where it is about one. */
  readonly about: readonly string[];
  readonly description?: string | undefined;
}

/** Pixels. A letter is as wide as this share of its height, in the mean. */
const [pad, titleSize, textSize, letterShare] = [16, 14, 11, 0.56] as const;

/** A text that is at most so wide; its middle is left out first, never its end. */
function fitted(text: string, width: number, size: number): string {
  const most = Math.max(8, Math.floor(width / (size * letterShare)));
  if (text.length <= most) return text;
  const { key, tail } = splitMiddle(text);
  const end = `${key}${tail}`.slice(-(most - 3));
  return `${text.slice(0, Math.max(1, most - end.length - 1))}…${end}`;
}

/**
 * A whole SVG file: the chart under its title, what it is about and what it shows, in the page's colours and font.
 * @param font family names as CSS has them.
 */
export function framedSvg(picture: Picture, text: PictureText, colors: PictureColors, font: string): Picture {
  const inner = picture.width;
  const lines = [
    { text: text.title, size: titleSize, color: colors.foreground, weight: 600 },
    ...[text.about.filter(Boolean).join(' · '), text.description ?? '']
      .filter(Boolean)
      .map((line) => ({ text: line, size: textSize, color: colors.muted, weight: 400 })),
  ];
  let y = pad;
  const heads = lines.map((line) => {
    y += line.size + 4;
    return `<text x="${pad}" y="${y - 4}" font-size="${line.size}" font-weight="${line.weight}" fill="${markup(line.color)}">${markup(fitted(line.text, inner, line.size))}</text>`;
  });
  const [width, height] = [inner + 2 * pad, y + 8 + picture.height + pad];
  const svg = [
    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${markup(font)}">`,
    `<rect width="${width}" height="${height}" fill="${markup(colors.background)}"/>`,
    ...heads,
    `<g transform="translate(${pad} ${y + 8})">${picture.svg}</g>`,
    '</svg>',
  ].join('\n');
  return { svg, width, height };
}

/** Pixels of a PNG picture per pixel of the page. */
const resolution = 2;

/** A PNG picture at twice the page's resolution, as base64. @throws where the page cannot show the SVG. */
export async function pngOf({ svg, width, height }: Picture): Promise<string> {
  const url = URL.createObjectURL(new Blob([svg], { type: 'image/svg+xml' }));
  try {
    const image = new Image(width, height);
    image.src = url;
    await image.decode();
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [Math.round(width * resolution), Math.round(height * resolution)];
    canvas.getContext('2d')!.drawImage(image, 0, 0, canvas.width, canvas.height);
    return canvas.toDataURL('image/png').replace(/^[^,]*,/, '');
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** A canvas as a picture; of the size that it has on the page, unless another is given (pixels). */
export function canvasPicture(
  canvas: HTMLCanvasElement,
  { width, height }: Omit<Picture, 'svg'> = { width: canvas.clientWidth, height: canvas.clientHeight },
): Picture {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><image width="${width}" height="${height}" href="${canvas.toDataURL('image/png')}"/></svg>`;
  return { svg, width, height };
}

/** An SVG element of the page as a picture; colours of its style sheets are written into it. */
export function svgPicture(element: SVGSVGElement): Picture {
  const { width, height } = element.getBoundingClientRect();
  const copy = element.cloneNode(true) as SVGSVGElement;
  const originals = [element, ...element.querySelectorAll<SVGElement>('*')];
  const copies = [copy, ...copy.querySelectorAll<SVGElement>('*')];
  for (const [index, original] of originals.entries()) inlineStyle(original, copies[index]!);
  copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  copy.setAttribute('width', String(width));
  copy.setAttribute('height', String(height));
  return { svg: new XMLSerializer().serializeToString(copy), width, height };
}

/** Properties that style sheets of the page may set on parts of a drawing. */
const styled = [
  ...(['fill', 'fill-opacity', 'stroke', 'stroke-width', 'stroke-dasharray', 'opacity', 'display'] as const),
  ...(['font-size', 'font-weight', 'font-family', 'text-anchor', 'dominant-baseline', 'visibility'] as const),
];

function inlineStyle(from: SVGElement, to: SVGElement): void {
  const style = getComputedStyle(from);
  for (const name of styled) to.style.setProperty(name, style.getPropertyValue(name));
}

/** Half of the diagonal of a diamond, pixels. */
const diamondSize = 8;

/** A picture with a diamond on it, which marks what is chosen. */
export function withDiamond(
  { svg, ...size }: Picture,
  { x, y }: { readonly x: number; readonly y: number },
  { foreground, background }: PictureColors,
): Picture {
  const [left, right, top, bottom] = [x - diamondSize, x + diamondSize, y - diamondSize, y + diamondSize];
  const mark = `<path d="M${left} ${y}L${x} ${top}L${right} ${y}L${x} ${bottom}Z" fill="${foreground}" stroke="${background}" stroke-width="2"/>`;
  const end = svg.lastIndexOf('</svg>');
  return { svg: `${svg.slice(0, end)}${mark}${svg.slice(end)}`, ...size };
}
