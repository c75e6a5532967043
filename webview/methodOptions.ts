import * as l10n from '@vscode/l10n';
import type { MethodDescription, MethodOptions, OptionDescription } from '../src/protocol/recipe';

/** Values of options as they are typed, by name; an empty one is the default. */
export type OptionTexts = Readonly<Record<string, string>>;

/**
 * Options that differ from the method's defaults.
 * @throws Error with a sentence for one that is not valid.
 */
export function optionsOf(texts: OptionTexts, { options }: MethodDescription): MethodOptions {
  return Object.fromEntries(
    options.flatMap((option) => {
      const text = texts[option.name] ?? '';
      if (text.trim() === '') return [];
      const value = optionValue(text, option);
      return value === option.default ? [] : [[option.name, value]];
    }),
  );
}

function optionValue(text: string, option: OptionDescription): number | boolean | string {
  if (option.type === 'boolean') return text === 'true';
  if (option.type === 'choice') return text;
  const value = Number(text);
  if (value >= option.minimum && value <= option.maximum) return value;
  throw new Error(
    l10n.t('{0}: “{1}” is not a number from {2} to {3}.', option.name, text, option.minimum, option.maximum),
  );
}

/** "damping 0.05, act_order false". */
export const optionsText = (options: MethodOptions): string =>
  Object.entries(options)
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(', ');
