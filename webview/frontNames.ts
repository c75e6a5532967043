import type { FrontPoint, PlanFront, PresetPoint } from '../src/protocol/planFront';
import { boxAround, labelPlaces, type Box, type LabelPlace } from './charts/labels';
import { shareOfLoss, shareOfSize, type FrontScale, type MeasuredPoint } from './frontScale';

/** Room around the axes of the chart of plans (pixels): the overlay with the budget is placed by it. */
export const frontMargin = { left: 66, right: 14, top: 12, bottom: 38 } as const;
export const frontHeight = 290;

/** The name of a preset in the chart. */
export interface FrontName {
  readonly point: PresetPoint;
  readonly place: LabelPlace;
}

/** Sides of the largest mark, and of a piece of the line of plans (pixels). */
const [mark, piece] = [12, 4];

/**
 * Names of presets where they have room.
 * @param width of the chart in pixels.
 * @param marked further marks that names must not cover: measured points, with their intervals, and the plan.
 */
export function frontNames(
  { points, presets }: Pick<PlanFront, 'points' | 'presets'>,
  scale: FrontScale,
  width: number,
  marked: readonly (Pick<FrontPoint, 'bytes' | 'loss'> & Partial<Pick<MeasuredPoint, 'halfWidth'>>)[],
): FrontName[] {
  const { left, right, top, bottom } = frontMargin;
  const area: Box = { left, top, right: width - right, bottom: frontHeight - bottom };
  const at = ({ bytes, loss }: Pick<FrontPoint, 'bytes' | 'loss'>) => ({
    x: left + shareOfSize(scale, bytes) * (area.right - left),
    y: top + shareOfLoss(scale, loss) * (area.bottom - top),
  });
  const shown = presets.filter(
    (preset) => preset.loss >= scale.losses[0] && at(preset).x >= left && at(preset).x <= area.right,
  );
  const marks = marked.map((point): Box => {
    const { halfWidth = 0, loss } = point;
    const around = boxAround(at(point).x, at(point).y, mark, mark);
    const ends = [loss + halfWidth, loss - halfWidth].map((end) => at({ ...point, loss: end }).y);
    return { ...around, top: Math.min(around.top, ends[0]!), bottom: Math.max(around.bottom, ends[1]!) };
  });
  const lines = lineBoxes(points.map(at));
  const places = labelPlaces(
    shown.map((point) => ({ ...at(point), text: point.fileType })),
    area,
    { marks, lines },
  );
  return shown.flatMap((point, i) => (places[i] ? [{ point, place: places[i] }] : []));
}

/** A line as small boxes along it. */
function lineBoxes(points: readonly { readonly x: number; readonly y: number }[]): Box[] {
  return points.slice(1).flatMap((to, i) => {
    const from = points[i]!;
    const steps = Math.max(1, Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / piece));
    return Array.from({ length: steps }, (_, step) => {
      const share = (step + 0.5) / steps;
      return boxAround(from.x + share * (to.x - from.x), from.y + share * (to.y - from.y), piece, piece);
    });
  });
}
