import { decisiveError } from '../src/protocol/pareto';
import { greatestOf, leastOf } from '../src/protocol/extremes';
import { boxAround, labelPlaces, type LabelPlace } from './charts/labels';
import type { LensLine } from './lensRecipes';

/** Room around the axes of the chart of a lens (pixels), and its height. */
export const lensMargin = { left: 62, right: 14, top: 10, bottom: 38 } as const;
export const lensHeight = 250;

/** A recipe in the chart. */
export interface LensPoint {
  readonly line: LensLine;
  readonly bits: number;
  /** Relative: of the outputs where it is known, else of the weights. */
  readonly error: number;
}

/** Recipes that a logarithm can show; one that loses nothing is not. */
export const pointsOf = (lines: readonly LensLine[]): LensPoint[] =>
  lines.flatMap((line) => {
    const { result } = line;
    const error = result ? Math.sqrt(decisiveError(result)) : 0;
    return result && error > 0 && Number.isFinite(error) ? [{ line, bits: result.bitsPerWeight, error }] : [];
  });

/** Both ends of the axes, which are logarithmic. */
export interface LensScale {
  readonly bits: readonly [least: number, most: number];
  readonly errors: readonly [least: number, most: number];
}

/** Room between points and edges, as a share of the axis. */
const room = 0.06;

/** Undefined without points. */
export function lensScale(points: readonly LensPoint[]): LensScale | undefined {
  if (points.length === 0) return undefined;
  const spread = (values: readonly number[]) =>
    widened(values.map(Math.log10)).map((end) => 10 ** end) as [number, number];
  return {
    bits: spread(points.map((point) => point.bits)),
    errors: spread(points.map(({ error }) => error)),
  };
}

function widened(values: readonly number[]): [number, number] {
  const [least, most] = [leastOf(values), greatestOf(values)];
  const margin = room * (most - least || 1);
  return [least - margin, most + margin];
}

/** Names of the points of the front where they have room. @param width of the chart in pixels. */
export function lensNames(
  points: readonly LensPoint[],
  { bits, errors }: LensScale,
  width: number,
): { readonly point: LensPoint; readonly place: LabelPlace }[] {
  const { left, right, top, bottom } = lensMargin;
  const area = { left, top, right: width - right, bottom: lensHeight - bottom };
  const share = (value: number, [least, most]: readonly [number, number]): number =>
    Math.log(value / least) / Math.log(most / least);
  const at = (point: LensPoint) => ({
    x: left + share(point.bits, bits) * (area.right - left),
    y: area.bottom - share(point.error, errors) * (area.bottom - top),
  });
  const named = points.filter(({ line }) => line.isOnFront);
  const others = points.filter(({ line }) => !line.isOnFront);
  const places = labelPlaces(
    named.map((point) => ({ ...at(point), text: nameOf(point) })),
    area,
    { marks: [], lines: others.map((point) => boxAround(at(point).x, at(point).y, 6, 6)) },
  );
  return named.flatMap((point, i) => (places[i] ? [{ point, place: places[i] }] : []));
}

/** "Q4_K", "int3-g64 ecb", "llm-int8". */
export const nameOf = ({ line: { grid, method } }: LensPoint): string =>
  method === 'rtn' || method === grid ? grid : `${grid} ${method}`;
