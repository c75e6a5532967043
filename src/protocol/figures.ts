import type { Estimate } from './estimate';

/** Maximum decimals: differences beyond them are rounding. */
const maxDecimals = 9;
/** Leading digits of an error from which one digit suffices: 0.4, but 0.12. */
const oneDigitFrom = 2;

/**
 * A value and its standard error, both to one or two significant digits of the error: "8.123 ± 0.012". Infinities and NaN
 * are said in words.
 */
export function estimateText({ value, standardError }: Estimate): string {
  if (!Number.isFinite(value)) return 'not finite';
  if (!hasError(standardError)) return minus(String(Number(value.toPrecision(5))));
  const decimals = errorDecimals(standardError);
  return minus(`${value.toFixed(decimals)} ± ${standardError.toFixed(decimals)}`);
}

/**
 * The same with at least five digits of the value: for perplexities on the same tokens, differences matter that are far smaller
 * than the error of each. "19.012 ± 0.8"
 */
export function preciseText({ value, standardError }: Estimate): string {
  if (!Number.isFinite(value) || !hasError(standardError)) return estimateText({ value, standardError });
  const decimals = errorDecimals(standardError);
  const whole = value === 0 ? 1 : Math.floor(Math.log10(Math.abs(value))) + 1;
  return minus(`${value.toFixed(Math.max(decimals, 5 - whole, 0))} ± ${standardError.toFixed(decimals)}`);
}

const hasError = (standardError: number): boolean => standardError > 0 && Number.isFinite(standardError);

/** Number of decimals justified by an error. */
function errorDecimals(standardError: number): number {
  const power = Math.floor(Math.log10(standardError));
  const digits = standardError / 10 ** power < oneDigitFrom ? 1 : 0;
  return Math.min(maxDecimals, Math.max(0, digits - power));
}

/** The same of a share, in percent: "93.1 ± 0.4 %". */
export function percentText({ value, standardError }: Estimate): string {
  return `${estimateText({ value: 100 * value, standardError: 100 * standardError })} %`;
}

/** Standard errors by which a mean must differ from zero to count as a difference: about 95 % of confidence. */
const enough = 2;

/** Whether an estimate is distinguishable from zero. */
export function isDifferent({ value, standardError }: Estimate): boolean {
  return Math.abs(value) > enough * standardError;
}

/** With a minus sign, which a zero that was rounded to does not have. */
const minus = (text: string): string => text.replace(/^-(?=0(\.0*)?( |$))/, '').replace(/^-/, '−');
