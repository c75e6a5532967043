import type { CertifyEstimate, FormatChange, Improvement } from './certificate';
import { intervalText } from './verdict';
import { duration, plural } from './words';

/** What measuring a plan would take. */
export function certifyEstimateText({ windows, compared, seconds, improvement }: CertifyEstimate): string {
  const measured = `The plan and ${plural(compared, 'other')} are measured over ${plural(windows, 'window')}: about ${duration(seconds)}.`;
  if (!improvement) return measured;
  const { swaps, seconds: least, mostSeconds } = improvement;
  return `${measured} Improving the plan adds between ${duration(least)} where no swap is proposed and ${duration(mostSeconds)} for ${swaps} swaps.`;
}

/** What swaps did for a plan. */
export function improvementText({ windows, tried, swaps, difference, isAdopted }: Improvement): string {
  const measured = `${plural(tried, 'swap')} measured over ${windows} other windows`;
  if (!difference)
    return `Nothing gained by swaps: ${tried === 0 ? 'none is predicted to be better' : `${measured}, none is shown to be better`}.`;
  const over = `on the windows of the table the difference is ${intervalText(difference)} nats per token`;
  return isAdopted
    ? `Improved by ${swaps.length} of ${measured}: ${over}.`
    : `Nothing gained by swaps: of ${measured}, ${swaps.length} looked better, but ${over}.`;
}

/** One change for each tensor: what it was at first, and what it became. */
export function finalChanges({ swaps }: Pick<Improvement, 'swaps'>): FormatChange[] {
  const found = new Map<string, FormatChange>();
  for (const change of swaps.flatMap(({ changes }) => changes))
    found.set(change.tensor, { ...change, from: found.get(change.tensor)?.from ?? change.from });
  return [...found.values()].filter(({ from, to }) => from !== to);
}
