import * as l10n from '@vscode/l10n';
import type { PairedComparison } from '../../../src/protocol/evaluation';
import type { Estimate } from '../../../src/protocol/estimate';
import { estimateText, isDifferent } from '../../../src/protocol/figures';

/** Two results in words; `a` and `b` are what they are called. */
export function pairSentences(
  { loss, divergence, scoredTokens }: PairedComparison,
  a: string,
  b: string,
): string[] {
  const tokens = l10n.t('paired over {0} tokens', scoredTokens.toLocaleString('en-US'));
  return [
    l10n.t('{0} of loss per token, {1}.', verdict(loss, a, b), tokens),
    ...(divergence
      ? [l10n.t('In KL divergence from the base {0} per token.', verdict(divergence, a, b))]
      : []),
  ];
}

/** "a is worse than b by x ± e nats"; a difference within two standard errors does not count. */
function verdict(difference: Estimate, a: string, b: string): string {
  if (!isDifferent(difference))
    return l10n.t(
      '{0} and {1} cannot be distinguished: the difference is {2} nats',
      a,
      b,
      estimateText(difference),
    );
  const { value, standardError } = difference;
  const amount = l10n.t('{0} nats', estimateText({ value: Math.abs(value), standardError }));
  return value > 0
    ? l10n.t('{0} is worse than {1} by {2}', a, b, amount)
    : l10n.t('{0} is better than {1} by {2}', a, b, amount);
}
