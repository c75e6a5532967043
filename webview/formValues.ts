import * as l10n from '@vscode/l10n';
/**
 * A count as it is typed; undefined where nothing is.
 * @throws Error with a sentence for anything but a whole number of at least 1.
 */
export function countOf(text: string, label: string): number | undefined {
  if (text.trim() === '') return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(l10n.t('{0}: “{1}” is not a whole number of at least 1.', label, text));
  return value;
}

/** A value, or a sentence why there is none. */
export function checked<T>(make: () => T): { value?: T; problem: string | undefined } {
  try {
    return { value: make(), problem: undefined };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}
