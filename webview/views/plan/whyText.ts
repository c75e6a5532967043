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

const units = { divergence: ' nats', roleError: '' } as const;

/** "blk.7.ffn_down.weight is Q5_K. The runner-up Q6_K takes 2.1 MB more and saves 3.0e−5 nats, which …". */
export function whySentence(reasons: FormatReasons): string {
  const { tensor, format, options, runnerUp, measure } = reasons;
  const own = options.find((option) => option.format === format);
  const other = options.find((option) => option.format === runnerUp);
  if (!own) return `${tensor} is ${format}, which was not measured.`;
  if (!other) {
    const reason =
      options.length === 1 ? 'it was measured in no other' : 'no other one meets the constraints';
    return `${tensor} is ${format}: ${reason}.`;
  }
  const more = other.bytes - own.bytes;
  const less = own.loss - other.loss;
  const bytes = more === 0 ? 'as many bytes' : `${size(Math.abs(more))} ${more > 0 ? 'more' : 'less'}`;
  const loss = `${less >= 0 ? 'saves' : 'costs'} ${scientific(Math.abs(less))}${units[measure]}`;
  const elsewhere = more === 0 ? '' : `; those bytes ${elsewhereText(reasons, more)}`;
  return `${tensor} is ${format}. The runner-up ${other.format} takes ${bytes} and ${loss}${elsewhere}.`;
}

/** What the bytes of another choice are worth to the rest of the plan. */
const elsewhereText = ({ price, measure }: FormatReasons, bytes: number): string =>
  `${bytes > 0 ? 'save' : 'would save'} ${scientific(Math.abs(price * bytes))}${units[measure]} elsewhere`;
