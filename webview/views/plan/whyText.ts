import * as l10n from '@vscode/l10n';
import type { FormatOption, FormatReasons } from '../../../src/protocol/planFront';
import { size } from '../../../src/protocol/words';
import { scientific } from '../../format';

/** A format, and what it saves for its bytes. */
export interface OptionRow {
  readonly option: FormatOption;
  /** Loss saved per megabyte (10^6 bytes) from the next smaller format; undefined for the smallest. */
  readonly perMegabyte?: number;
}

/** The options, the smallest first. */
export const optionRows = ({ options }: FormatReasons): OptionRow[] =>
  options.map((option, i) => {
    const before = options[i - 1];
    if (!before || before.bytes === option.bytes) return { option };
    return { option, perMegabyte: (1e6 * (before.loss - option.loss)) / (option.bytes - before.bytes) };
  });

const units = { divergence: l10n.t(' nats'), roleError: '' } as const;

/** "blk.7.ffn_down.weight is Q5_K. The runner-up Q6_K takes 2.1 MB more and saves 3.0e−5 nats, which …". */
export function whySentence(reasons: FormatReasons): string {
  const { tensor, format, options, runnerUp, measure } = reasons;
  const own = options.find((option) => option.format === format);
  const other = options.find((option) => option.format === runnerUp);
  if (!own) return l10n.t('{0} is {1}, which was not measured.', tensor, format);
  if (!other) {
    const reason =
      options.length === 1
        ? l10n.t('it was measured in no other')
        : l10n.t('no other one meets the constraints');
    return l10n.t('{0} is {1}: {2}.', tensor, format, reason);
  }
  const more = other.bytes - own.bytes;
  const less = own.loss - other.loss;
  const bytes =
    more === 0
      ? l10n.t('as many bytes')
      : more > 0
        ? l10n.t('{0} more', size(more))
        : l10n.t('{0} less', size(-more));
  const amount = `${scientific(Math.abs(less))}${units[measure]}`;
  const loss = less >= 0 ? l10n.t('saves {0}', amount) : l10n.t('costs {0}', amount);
  const elsewhere = more === 0 ? '' : elsewhereText(reasons, more);
  return l10n.t(
    '{0} is {1}. The runner-up {2} takes {3} and {4}{5}.',
    tensor,
    format,
    other.format,
    bytes,
    loss,
    elsewhere,
  );
}

/** What the bytes of another choice are worth to the rest of the plan. */
function elsewhereText({ price, measure }: FormatReasons, bytes: number): string {
  const amount = `${scientific(Math.abs(price * bytes))}${units[measure]}`;
  return bytes > 0
    ? l10n.t('; those bytes save {0} elsewhere', amount)
    : l10n.t('; those bytes would save {0} elsewhere', amount);
}
