import * as l10n from '@vscode/l10n';
import type { CertifyEstimate, FormatChange, Improvement } from './certificate';
import { intervalText } from './verdict';
import { duration, plural } from './words';

/** What measuring a plan would take. */
export function certifyEstimateText({ windows, compared, seconds, improvement }: CertifyEstimate): string {
  const measured = l10n.t(
    'The plan and {0} are measured over {1}: about {2}.',
    plural(compared, 'other'),
    plural(windows, 'window'),
    duration(seconds),
  );
  if (!improvement) return measured;
  const { swaps, seconds: least, mostSeconds } = improvement;
  return l10n.t(
    '{0} Improving the plan adds between {1} where no swap is proposed and {2} for {3} swaps.',
    measured,
    duration(least),
    duration(mostSeconds),
    swaps,
  );
}

/** What swaps did for a plan. */
export function improvementText({ windows, tried, swaps, difference, isAdopted }: Improvement): string {
  const measured = l10n.t('{0} measured over {1} other windows', plural(tried, 'swap'), windows);
  if (!difference)
    return l10n.t(
      'Nothing gained by swaps: {0}.',
      tried === 0
        ? l10n.t('none is predicted to be better')
        : l10n.t('{0}, none is shown to be better', measured),
    );
  const over = l10n.t(
    'on the windows of the table the difference is {0} nats per token',
    intervalText(difference),
  );
  return isAdopted
    ? l10n.t('Improved by {0} of {1}: {2}.', swaps.length, measured, over)
    : l10n.t('Nothing gained by swaps: of {0}, {1} looked better, but {2}.', measured, swaps.length, over);
}

/** One change for each tensor: what it was at first, and what it became. */
export function finalChanges({ swaps }: Pick<Improvement, 'swaps'>): FormatChange[] {
  const found = new Map<string, FormatChange>();
  for (const change of swaps.flatMap(({ changes }) => changes))
    found.set(change.tensor, { ...change, from: found.get(change.tensor)?.from ?? change.from });
  return [...found.values()].filter(({ from, to }) => from !== to);
}
