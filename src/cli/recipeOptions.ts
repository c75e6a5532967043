import { resolve } from 'node:path';
import type { RecipeChanges, RecipeSelection } from '../protocol/quantizeModel';
import type { MethodOptions } from '../protocol/recipe';
import {
  listOption,
  valueOption,
  countOption,
  textOption,
  textOptions,
  UsageError,
  type CommandContext,
} from './command';

/** Options that change what a recipe does to weights, and where its evidence comes from. */
export const recipeChanges = {
  layout: valueOption('L', 'layout, in place of that of the recipe'),
  method: valueOption('M', 'method, in place of that of the recipe'),
  option: listOption('NAME=VALUE', 'set an option of the method'),
  bits: valueOption('N', 'bits of integers, 2 to 8'),
  group: valueOption('N', 'weights that share a scale: a number, row or tensor'),
  skip: listOption(
    'MODULE',
    'keep this module as it is (default: lm_head; none: quantize it too); re:PATTERN keeps all that match',
  ),
  calibration: valueOption('F', 'UTF-8 text to run the model over, for methods that need to know its inputs'),
  tokens: valueOption('N', 'tokens of the calibration text that are used (default: 65,536)'),
} as const;

/** The same, and the windows of the calibration text. */
export const recipeOptions = {
  ...recipeChanges,
  context: valueOption(
    'N',
    'tokens per window (default: 512, or the context length of the model if shorter)',
  ),
} as const;

/** The recipe that a command names, a preset or a file, with its changes. */
export function recipeOf(context: CommandContext, recipe: string): RecipeSelection {
  const isFile = /[\\/]|\.json$/i.test(recipe);
  const changes = changesOf(context);
  return {
    ...(isFile ? { recipeFile: resolve(recipe) } : { recipe }),
    ...(Object.keys(changes).length === 0 ? {} : { changes }),
  };
}

function changesOf(context: CommandContext): RecipeChanges {
  const [layout, method, group, calibration] = ['layout', 'method', 'group', 'calibration'].map((name) =>
    textOption(context, name),
  );
  const [bits, tokens, window] = ['bits', 'tokens', 'context'].map((name) => countOption(context, name));
  const skip = textOptions(context, 'skip');
  const options = methodOptions(textOptions(context, 'option'));
  const evidence = {
    ...(calibration === undefined ? {} : { text: resolve(calibration) }),
    ...(tokens === undefined ? {} : { tokens }),
    ...(window === undefined ? {} : { context: window }),
  };
  return {
    ...(layout === undefined ? {} : { layout }),
    ...(method === undefined ? {} : { method }),
    ...(Object.keys(options).length === 0 ? {} : { options }),
    ...(bits === undefined ? {} : { bits }),
    ...(group === undefined ? {} : { group: groupOf(group) }),
    ...(skip.length === 0 ? {} : { skip: skip.filter((module) => module !== 'none') }),
    ...(Object.keys(evidence).length === 0 ? {} : { calibration: evidence }),
  };
}

/** Options of a method. @throws UsageError for what is not NAME=VALUE. */
export function methodOptions(given: readonly string[]): MethodOptions {
  return Object.fromEntries(
    given.map((option) => {
      const [, name, value] = /^([^=]+)=(.+)$/.exec(option) ?? [];
      if (name === undefined || value === undefined)
        throw new UsageError(`--option takes NAME=VALUE, not "${option}".`);
      const isNumber = value.trim() !== '' && Number.isFinite(Number(value));
      return [name, value === 'true' ? true : value === 'false' ? false : isNumber ? Number(value) : value];
    }),
  );
}

function groupOf(text: string): number | 'row' | 'tensor' {
  if (text === 'row' || text === 'tensor') return text;
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new UsageError(`--group takes a number of weights, row or tensor, not "${text}".`);
}
