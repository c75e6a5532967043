/** A mark of a chart and the name beside it; pixels from the upper left corner. */
export interface Labelled {
  readonly x: number;
  readonly y: number;
  readonly text: string;
}

/** Where a name stands beside its mark, in plotly's words. */
export type LabelPlace =
  'top right' | 'bottom left' | 'middle right' | 'middle left' | 'top left' | 'bottom right';

interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Of a font of 10 pixels. */
const [letter, line, mark] = [6.2, 12, 5];

const boxAt: Readonly<Record<LabelPlace, (point: Labelled, width: number) => Box>> = {
  'top right': (point, width) => box(point.x + 2, point.y - line - 2, width),
  'bottom left': (point, width) => box(point.x - width - 2, point.y + 2, width),
  'middle right': (point, width) => box(point.x + mark + 2, point.y - line / 2, width),
  'middle left': (point, width) => box(point.x - width - mark - 2, point.y - line / 2, width),
  'top left': (point, width) => box(point.x - width - 2, point.y - line - 2, width),
  'bottom right': (point, width) => box(point.x + 2, point.y + 2, width),
};

const box = (left: number, top: number, width: number): Box => ({
  ...{ left, top, right: left + width, bottom: top + line },
});

const overlap = (a: Box, b: Box): boolean =>
  a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

/**
 * A place for the name of each mark where it covers neither another name nor another mark; undefined where there is none. Earlier points come
 * first.
 * @param width of the chart in pixels.
 */
export function labelPlaces(points: readonly Labelled[], width: number): (LabelPlace | undefined)[] {
  const marks = points.map(({ x, y }) => ({
    ...{ left: x - mark, top: y - mark, right: x + mark, bottom: y + mark },
  }));
  const names: Box[] = [];
  return points.map((point, index) => {
    const taken = [...names, ...marks.filter((_, other) => other !== index)];
    const nameAt = (place: LabelPlace): Box => boxAt[place](point, letter * point.text.length);
    const free = (Object.keys(boxAt) as LabelPlace[]).find((place) => {
      const own = nameAt(place);
      return own.left >= 0 && own.right <= width && !taken.some((other) => overlap(own, other));
    });
    if (free) names.push(nameAt(free));
    return free;
  });
}
