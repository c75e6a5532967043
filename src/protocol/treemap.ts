/** A rectangle in the units of the whole. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Rectangles with areas in the proportions of the values, as square as they can be: rows are filled along the shorter side as long as that
 * makes their worst ratio of sides better (Bruls, Huizing and van Wijk, Squarified Treemaps, 2000).
 * @param values positive, the largest first.
 * @returns one rectangle for each value, which together fill the box.
 */
export function squarify(values: readonly number[], box: Box): Box[] {
  const total = values.reduce((sum, value) => sum + value, 0);
  if (total <= 0 || box.width <= 0 || box.height <= 0)
    return values.map(() => ({ ...box, width: 0, height: 0 }));
  const scale = (box.width * box.height) / total;
  const areas = values.map((value) => value * scale);
  const boxes: Box[] = [];
  let rest = box;
  for (let start = 0; start < areas.length;) {
    const side = Math.min(rest.width, rest.height);
    let end = start + 1;
    while (end < areas.length && worst(areas, start, end + 1, side) <= worst(areas, start, end, side)) end++;
    rest = fillRow(areas.slice(start, end), rest, boxes);
    start = end;
  }
  return boxes;
}

/** The largest ratio of sides in a row of areas along a side. */
function worst(areas: readonly number[], start: number, end: number, side: number): number {
  let [sum, least, most] = [0, Infinity, 0];
  for (let i = start; i < end; i++) {
    sum += areas[i]!;
    least = Math.min(least, areas[i]!);
    most = Math.max(most, areas[i]!);
  }
  return Math.max((side * side * most) / (sum * sum), (sum * sum) / (side * side * least));
}

/** Puts a row along the shorter side, and returns what is left of the box. */
function fillRow(areas: readonly number[], box: Box, boxes: Box[]): Box {
  const sum = areas.reduce((total, area) => total + area, 0);
  const isTall = box.width >= box.height;
  const depth = sum / (isTall ? box.height : box.width);
  let along = 0;
  for (const area of areas) {
    const length = area / depth;
    boxes.push(
      isTall
        ? { x: box.x, y: box.y + along, width: depth, height: length }
        : { x: box.x + along, y: box.y, width: length, height: depth },
    );
    along += length;
  }
  return isTall
    ? { ...box, x: box.x + depth, width: box.width - depth }
    : { ...box, y: box.y + depth, height: box.height - depth };
}
