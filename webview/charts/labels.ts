/** A mark of a chart and the name beside it; pixels from the upper left corner. */
export interface Labelled {
  readonly x: number;
  readonly y: number;
  readonly text: string;
}

/** Where a name stands: its centre from that of its mark, in pixels. Far ones are led to their marks by a line. */
export interface LabelPlace {
  readonly dx: number;
  readonly dy: number;
  readonly isFar: boolean;
}

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** What names must not cover, and what they avoid where they can, as lines of the chart. */
export interface Obstacles {
  readonly marks: readonly Box[];
  readonly lines: readonly Box[];
}

/** Of a font of 10 pixels. */
const [letter, line, mark] = [6.2, 12, 5];

/** Directions in the order in which they are tried, and distances of far names from their marks. */
const directions: readonly (readonly [right: number, down: number])[] = [
  ...([
    [1, -1],
    [-1, 1],
    [1, 0],
    [-1, 0],
    [-1, -1],
    [1, 1],
    [0, -1],
    [0, 1],
  ] as const),
  ...([
    [0.5, -1],
    [-0.5, 1],
    [-0.5, -1],
    [0.5, 1],
  ] as const),
];
const distances = [12, 22, 34, 48] as const;

/** Steps in which a line to a far name is looked at (pixels). */
const stride = 3;

/** A box of a size around a point. */
export const boxAround = (x: number, y: number, width: number, height: number): Box => ({
  ...{ left: x - width / 2, top: y - height / 2, right: x + width / 2, bottom: y + height / 2 },
});

const markBox = ({ x, y }: Pick<Labelled, 'x' | 'y'>): Box => boxAround(x, y, 2 * mark, 2 * mark);

/** The box of a name at a place. */
export const nameBox = ({ x, y, text }: Labelled, { dx, dy }: Pick<LabelPlace, 'dx' | 'dy'>): Box =>
  boxAround(x + dx, y + dy, letter * text.length, line);

const overlap = (a: Box, b: Box): boolean =>
  a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

const isInside = (inner: Box, outer: Box): boolean =>
  inner.left >= outer.left &&
  inner.right <= outer.right &&
  inner.top >= outer.top &&
  inner.bottom <= outer.bottom;

/** Whether two boxes of one size nearly cover each other. */
const isSame = (a: Box, b: Box): boolean =>
  Math.abs(a.left - b.left) < mark / 2 && Math.abs(a.top - b.top) < mark / 2;

/** Beside the mark first, then farther away. */
function placesOf({ text }: Labelled): readonly LabelPlace[] {
  const width = letter * text.length;
  const at = (gap: number, isFar: boolean): LabelPlace[] =>
    directions.map(([right, down]) => ({
      dx: right * (width / 2 + (down === 0 ? mark : 0) + gap),
      dy: down * (line / 2 + (right === 0 ? mark : 0) + gap),
      isFar,
    }));
  return [...at(2, false).slice(0, 8), ...distances.flatMap((distance) => at(distance, true))];
}

/** What the line from a mark to a far name covers, outside of both. */
function leadOf(point: Labelled, place: LabelPlace): Box[] {
  if (!place.isFar) return [];
  const [own, name] = [markBox(point), nameBox(point, place)];
  const steps = Math.ceil(Math.hypot(place.dx, place.dy) / stride);
  const along = Array.from({ length: steps + 1 }, (_, i) =>
    boxAround(point.x + (place.dx * i) / steps, point.y + (place.dy * i) / steps, 1, 1),
  );
  return along.filter((part) => !overlap(part, own) && !overlap(part, name));
}

/**
 * A place for the name of each mark where it covers no other name, no mark and no line to another name; undefined where there is none. Earlier
 * points come first.
 * @param area that names stay in.
 */
export function labelPlaces(
  points: readonly Labelled[],
  area: Box,
  { marks, lines }: Obstacles = { marks: [], lines: [] },
): (LabelPlace | undefined)[] {
  const own = points.map(markBox);
  let taken: readonly Box[] = [];
  return points.map((point, index) => {
    const others = [...taken, ...marks, ...own.filter((_, other) => other !== index)];
    // A line leads through a mark that lies over its own, and through no other: it would seem to be that one's.
    const apart = others.filter((other) => !isSame(other, own[index]!));
    const isFree = (place: LabelPlace, avoided: readonly Box[]): boolean => {
      const name = nameBox(point, place);
      return (
        isInside(name, area) &&
        !others.some((other) => overlap(name, other)) &&
        !leadOf(point, place).some((part) => apart.some((other) => overlap(part, other))) &&
        !avoided.some((other) => overlap(name, other))
      );
    };
    const places = placesOf(point);
    const found = places.find((place) => isFree(place, lines)) ?? places.find((place) => isFree(place, []));
    if (found) taken = [...taken, nameBox(point, found), ...leadOf(point, found)];
    return found;
  });
}
