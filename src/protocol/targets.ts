import type { JointFigures } from './certificate';

/** What a plan is to keep to, whatever its size: at least one of them. */
export interface Targets {
  /** Largest mean KL divergence, nats per token. */
  readonly mean?: number;
  /** Largest 99 % quantile of the KL divergence of tokens, nats. */
  readonly percentile99?: number;
  /** Smallest share of tokens whose most probable token is that of the original, 0 to 1. */
  readonly sameTopToken?: number;
}

/** How figures of single tokens follow from the mean divergence D, measured where gains are. */
export interface Spread {
  /** The 99 % quantile of the divergence is so many times D. */
  readonly percentile99: number;
  /** The share of tokens whose most probable token changes is so many times √D: it changes with the logits, D with their square. */
  readonly topChanged: number;
}

/** The largest mean divergence that is predicted to keep all targets, nats per token. */
export const divergenceWithin = (
  { mean = Infinity, percentile99 = Infinity, sameTopToken = 0 }: Targets,
  spread: Spread,
): number =>
  Math.min(mean, percentile99 / spread.percentile99, ((1 - sameTopToken) / spread.topChanged) ** 2);

/** The targets that measured figures miss, as parts of a sentence. */
export function missedTargets(targets: Targets, measured: JointFigures): string[] {
  const { mean, percentile99, sameTopToken } = targets;
  const missed = (name: string, value: number, target: number | undefined, isKept: boolean, text = short) =>
    target === undefined || isKept ? [] : [`${name} is ${text(value)}, not ${text(target)}`];
  return [
    ...missed('the mean KL divergence', measured.mean.value, mean, measured.mean.value <= (mean ?? 0)),
    ...missed(
      'its 99 % quantile',
      measured.percentile99,
      percentile99,
      measured.percentile99 <= (percentile99 ?? 0),
    ),
    ...missed(
      'the share of tokens with the same most probable token',
      measured.sameTopToken,
      sameTopToken,
      measured.sameTopToken >= (sameTopToken ?? 0),
      (share) => `${short(100 * share)} %`,
    ),
  ];
}

const short = (value: number): string => String(Number(value.toPrecision(4)));
