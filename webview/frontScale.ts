import * as l10n from '@vscode/l10n';
import type { CertificateRival } from '../src/protocol/certificate';
import { studentQuantile } from '../src/protocol/estimate';
import { greatestOf, leastOf } from '../src/protocol/extremes';
import type { Plan } from '../src/protocol/plan';
import type { FrontPoint, PlanFront } from '../src/protocol/planFront';

/** Where sizes and losses lie in the chart of plans: sizes evenly, losses by their logarithms. */
export interface FrontScale {
  /** Bytes at the left and the right edge. */
  readonly sizes: readonly [least: number, most: number];
  /** Loss at the lower and the upper edge; both above 0. */
  readonly losses: readonly [least: number, most: number];
}

/** How far below the smallest loss of a preset the chart reaches; without presets, how far below the largest loss. */
const [belowPresets, belowMost] = [5, 1e4];

/** Room between points and edges, as a share of the axis. */
const margin = 0.04;

/**
 * @param others further points to hold, as measured ones.
 * @returns undefined where nothing is lost at any size, which no logarithm shows.
 */
export function frontScale(
  { points, presets }: Pick<PlanFront, 'points' | 'presets'>,
  others: readonly Pick<FrontPoint, 'bytes' | 'loss'>[] = [],
): FrontScale | undefined {
  const most = greatestOf(
    [...points, ...presets, ...others].map(({ loss }) => loss).filter((loss) => loss > 0),
  );
  if (!(most > 0)) return undefined;
  // A preset of 16 bits loses next to nothing, far below all others.
  const marked = [...presets, ...others].filter(({ loss }) => loss > most / belowMost);
  const least = marked.length > 0 ? leastOf(marked.map(({ loss }) => loss)) / belowPresets : most / belowMost;
  // Plans that lose less have bytes to spare: the chart ends with the first of them.
  const end = points.findIndex(({ loss }) => loss < least);
  const drawn = [...(end < 0 ? points : points.slice(0, end + 1)), ...marked];
  const sizes = drawn.map(({ bytes }) => bytes);
  const [left, right] = widened(leastOf(sizes), greatestOf(sizes));
  const [low, high] = widened(Math.log10(least), Math.log10(most));
  return { sizes: [left, right], losses: [10 ** low, 10 ** high] };
}

const widened = (least: number, most: number): [number, number] => {
  const room = margin * (most - least || 1);
  return [least - room, most + room];
};

/** From the left edge; outside of the chart below 0 or above 1. */
export const shareOfSize = ({ sizes: [least, most] }: FrontScale, bytes: number): number =>
  (bytes - least) / (most - least);

/** From the upper edge, 0 to 1; a loss that is too small to be drawn lies at the lower edge. */
export function shareOfLoss({ losses: [least, most] }: FrontScale, loss: number): number {
  const share = (Math.log(most) - Math.log(Math.max(loss, least))) / (Math.log(most) - Math.log(least));
  return Math.max(0, share);
}

/** Bytes of tensor data at a place between the edges. */
export const sizeAt = ({ sizes: [least, most] }: FrontScale, share: number): number =>
  least + share * (most - least);

/** How bits per weight follow from bytes of tensor data: along a line, which the ends of the front give; undefined where they are one. */
export function bitsOfSizes({ points }: Pick<PlanFront, 'points'>) {
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last || first.bytes === last.bytes) return undefined;
  const bitsPerByte = (last.bitsPerWeight - first.bitsPerWeight) / (last.bytes - first.bytes);
  return {
    bitsAt: (bytes: number): number => first.bitsPerWeight + (bytes - first.bytes) * bitsPerByte,
    bytesAt: (bits: number): number => first.bytes + (bits - first.bitsPerWeight) / bitsPerByte,
  };
}

/** A plan's loss in the measure of a front; undefined where an error or a gain is not known. */
export const lossOf = ({ total }: Pick<Plan, 'total'>, { measure }: Pick<PlanFront, 'measure'>) =>
  measure === 'divergence' ? total.divergence : total.roleError;

/** What was measured of whole models over a text. */
export interface MeasuredPoint {
  readonly kind: 'plan' | CertificateRival['kind'];
  readonly name: string;
  readonly bytes: number;
  /** Mean KL divergence, nats per token. */
  readonly loss: number;
  /** Half of its 95 % confidence interval. */
  readonly halfWidth: number;
}

/** The measurements of a plan's certificate; none where it has none, or where the front is not of divergences. */
export function measuredPoints(plan: Plan, { measure, presets }: PlanFront): MeasuredPoint[] {
  const { certificate } = plan;
  if (!certificate || measure !== 'divergence') return [];
  const { bytes } = plan.total;
  const own = certificate.measured.mean;
  /** Standard errors of the half of a 95 % interval, which are over windows. */
  const half = studentQuantile(Math.max(1, certificate.text.windows - 1));
  return [
    { kind: 'plan', name: l10n.t('this plan'), bytes, loss: own.value, halfWidth: half * own.standardError },
    ...certificate.rivals.map(({ kind, name, codes, fileBytes, measured }) => ({
      ...{
        kind,
        name: codes === 'optimised' && kind === 'preset' ? l10n.t('{0}, optimised codes', name) : name,
      },
      bytes:
        kind === 'random' ? bytes : (presets.find(({ fileType }) => fileType === name)?.bytes ?? fileBytes),
      loss: measured.mean.value,
      halfWidth: half * measured.mean.standardError,
    })),
  ];
}
