import * as l10n from '@vscode/l10n';
import { printable } from '../src/protocol/printable';
import { shareText } from '../src/protocol/words';

/**
 * Names and numbers as the editor shows them. A weight that is NaN reads "NaN"; a figure that is NaN was not defined for its data
 * (protocol/analysis.ts) and says so.
 */

const undefinedFigure = l10n.t('not defined');

/** A name of a file's own: characters that cannot be seen are escaped, and it is never empty. */
export const nameText = (name: string): string => (name === '' ? l10n.t('(no name)') : printable(name));

/** Counts with a suffix: 5.25 M. */
export function count(value: number): string {
  if (value < 10_000) return value.toLocaleString('en-US');
  // What is rounded to a thousand of a unit is one of the next.
  const power = Math.floor(Math.log10(Number(value.toPrecision(3))) / 3);
  return `${(value / 1000 ** power).toPrecision(3)} ${['', 'k', 'M', 'B', 'T', 'P'][power]}`;
}

/** Magnitudes outside are written with a power of ten. */
const usual = { least: 1e-4, beyond: 1e6 };

const isUsual = (magnitude: number): boolean => magnitude >= usual.least && magnitude < usual.beyond;

/** Decimals that leave a number of this magnitude so many significant digits. */
const decimalsOf = (magnitude: number, digits: number): number =>
  Math.max(0, digits - 1 - Math.floor(Math.log10(magnitude)));

/** A weight: significant digits, four unless told, with their zeros, so that a column of them can be compared. */
export function number(value: number, digits = 4): string {
  if (!Number.isFinite(value)) return notFinite(value, 'NaN');
  if (value === 0) return '0';
  const rounded = Number(value.toPrecision(digits));
  const magnitude = Math.abs(rounded);
  const text = isUsual(magnitude)
    ? rounded.toFixed(decimalsOf(magnitude, digits))
    : value.toExponential(Math.min(3, digits - 1));
  return text.replaceAll('-', '−');
}

/** An integer without decimals, any other number with significant digits: levels of codes, zero points. */
export const exact = (value: number, digits?: number): string =>
  Number.isSafeInteger(value) && Math.abs(value) < usual.beyond
    ? `${value}`.replace('-', '−')
    : number(value, digits);

/**
 * Weights or figures below each other: with the decimals that leave the largest five significant digits. What would read as zero keeps
 * its own digits.
 * @param alone how a value is shown that has no decimals to align.
 */
export function aligned(values: readonly number[], alone: (value: number) => string = number): string[] {
  const largest = values.reduce(
    (most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most),
    0,
  );
  if (!isUsual(largest)) return values.map((value) => alone(value));
  const decimals = decimalsOf(largest, 5);
  return values.map((value) => {
    if (!Number.isFinite(value) || value === 0) return alone(value);
    const text = value.toFixed(decimals);
    return Number(text) === 0 ? scientific(value) : text.replaceAll('-', '−');
  });
}

/** A statistic or an error measure, with the digits of a weight. */
export function figure(value: number, digits?: number): string {
  return Number.isNaN(value) ? undefinedFigure : number(value, digits);
}

/** Two digits and a power of ten, so that a column of them can be compared: 3.2e−4. */
export function scientific(value: number): string {
  if (!Number.isFinite(value)) return notFinite(value);
  return value === 0 ? '0' : value.toExponential(1).replaceAll('-', '−');
}

function notFinite(value: number, notANumber = undefinedFigure): string {
  if (Number.isNaN(value)) return notANumber;
  return value > 0 ? '∞' : '−∞';
}

export function shapeText(shape: readonly number[]): string {
  return shape.length === 0 ? '' : shape.join(' × ');
}

/** Whole per cent of a job that are done; 0 while its size is unknown. */
export const percentDone = ({ done, total }: { readonly done: number; readonly total: number }): number =>
  total > 0 ? Math.floor((100 * done) / total) : 0;

/** With a fixed number of decimals. */
export function fixed(value: number, decimals: number): string {
  return Number.isFinite(value) ? value.toFixed(decimals).replaceAll('-', '−') : notFinite(value);
}

/** A signal-to-noise ratio in dB: ∞ where nothing was lost. */
export function ratio(sqnr: number): string {
  return fixed(sqnr, 2);
}

/** Signal to noise from a relative squared error Σ(x − x')² / Σx². */
export function decibels(relativeSquaredError: number, digits: number): string {
  const level = -10 * Math.log10(relativeSquaredError);
  return Number.isFinite(level) ? l10n.t('{0} dB', fixed(level, digits)) : notFinite(level);
}

/** A share in percent. */
export const percent = (share: number): string =>
  Number.isFinite(share) ? shareText(share) : notFinite(share);

export function bits(value: number): string {
  return fixed(value, value < 10 ? 2 : 1);
}
