import * as l10n from '@vscode/l10n';
import { counted } from './counted';
import { inLanguage } from './said';

/**
 * A count and its noun: "1 tensor", "23,342 tensors"; translated where the noun is one of `counted`.
 * @param plural for nouns that take more than an s ("matrices").
 */
export function plural(count: number, noun: string, plural = `${noun}s`): string {
  const number = count.toLocaleString('en-US');
  const [one, several] = counted[noun]?.(number) ?? [`${number} ${noun}`, `${number} ${plural}`];
  return inLanguage(count === 1 ? one : several);
}

/** Rounded seconds in words: "12 s", "3 min", "1.5 h". */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.ceil(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** Time that something took: "12 ms", "1.4 s", "3 min". */
export function timeTaken(seconds: number): string {
  if (seconds < 0.9995) return `${(1000 * seconds).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
  return seconds < 59.95 ? `${seconds.toFixed(1)} s` : duration(seconds);
}

/** The end of a line about progress: ", 3 min left"; empty where the time is not known. */
export const timeLeft = (seconds: number | undefined): string =>
  seconds === undefined ? '' : l10n.t(', {0} left', duration(seconds));

const units = ['B', 'kB', 'MB', 'GB', 'TB'];

/** Bytes with decimal units: "3.18 MB". */
export function size(bytes: number): string {
  // What is rounded to a thousand of a unit is one of the next.
  const rounded = Number(bytes.toPrecision(5));
  const power = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(rounded) / 3));
  return power === 0 ? `${bytes} B` : `${(bytes / 1000 ** power).toFixed(2)} ${units[power]}`;
}

/** A finite share in percent, with a decimal where it is small: "12 %", "0.4 %". */
export function shareText(share: number): string {
  if (share > 0 && share < 0.001) return '< 0.1 %';
  return `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
}
