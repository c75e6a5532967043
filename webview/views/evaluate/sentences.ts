import type { PairedComparison } from '../../../src/protocol/evaluation';
import type { Estimate } from '../../../src/protocol/estimate';
import { estimateText, isDifferent } from '../../../src/protocol/figures';

/** Two results in words; `a` and `b` are what they are called. */
export function pairSentences(
  { loss, divergence, scoredTokens }: PairedComparison,
  a: string,
  b: string,
): string[] {
  const tokens = `paired over ${scoredTokens.toLocaleString('en-US')} tokens`;
  return [
    `${verdict(loss, a, b)} of loss per token, ${tokens}.`,
    ...(divergence ? [`In KL divergence from the base ${verdict(divergence, a, b)} per token.`] : []),
  ];
}

/** "a is worse than b by x ± e nats"; a difference within two standard errors does not count. */
function verdict(difference: Estimate, a: string, b: string): string {
  if (!isDifferent(difference))
    return `${a} and ${b} cannot be distinguished: the difference is ${estimateText(difference)} nats`;
  const { value, standardError } = difference;
  const amount = `${estimateText({ value: Math.abs(value), standardError })} nats`;
  return `${a} is ${value > 0 ? 'worse' : 'better'} than ${b} by ${amount}`;
}
