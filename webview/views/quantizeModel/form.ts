import * as l10n from '@vscode/l10n';
import type {
  QuantizeModelSettings,
  RecipeChanges,
  RecipeChoices,
} from '../../../src/protocol/quantizeModel';
import { optionsOf, type OptionTexts } from '../../methodOptions';

/** The choice of a recipe that is in a file. */
export const fromFile = 'recipe file';

/** What the tab is set to; texts are kept as typed, and empty ones leave what the recipe says. */
export interface QuantizeModelForm {
  /** Only recipes for it are listed; all where it is empty. */
  readonly runtime: string;
  /** Id of a preset, or `fromFile`. */
  readonly recipe: string;
  readonly recipeFile: string;
  readonly method: string;
  /** Values of options of the method, by name. */
  readonly options: OptionTexts;
  readonly bits: string;
  readonly group: string;
  readonly layout: string;
  /** Modules, separated by spaces or commas. */
  readonly skip: string;
  readonly text: string;
  readonly tokens: string;
  readonly context: string;
  /** Largest shard, GB. */
  readonly shard: string;
  /** Folder or file of the result; a suggested one where it is empty. */
  readonly out: string;
}

/** What every part of the settings gets: the form, and how to change some of it. */
export interface FormProps {
  readonly form: QuantizeModelForm;
  readonly change: (part: Partial<QuantizeModelForm>) => void;
}

export const emptyForm: QuantizeModelForm = {
  ...{ runtime: '', recipe: 'gptq-int4-g128', recipeFile: '', method: '', options: {} },
  ...{ bits: '', group: '', layout: '', skip: '', text: '', tokens: '', context: '', shard: '', out: '' },
};

/** Changes of a recipe, which another recipe starts without. */
export const noChanges = {
  ...{ method: '', options: {}, bits: '', group: '', layout: '', skip: '' },
} satisfies Partial<QuantizeModelForm>;

/** Number of changes that are made to the recipe. */
export const changeCount = (form: QuantizeModelForm): number =>
  Object.entries(noChanges).filter(([name, none]) => {
    const value = form[name as keyof typeof noChanges];
    return typeof value === 'string' ? value !== none : Object.keys(value).length > 0;
  }).length;

/**
 * The form as settings; empty fields are omitted.
 * @throws Error with a sentence for a field that is missing or not valid.
 */
export function settingsOf(form: QuantizeModelForm, choices: RecipeChoices): QuantizeModelSettings {
  if (form.recipe === fromFile && form.recipeFile === '') throw new Error(l10n.t('Choose a recipe file.'));
  const changes = changesOf(form, choices);
  const shard = positive(form.shard, l10n.t('Largest shard'));
  return {
    ...(form.recipe === fromFile ? { recipeFile: form.recipeFile } : { recipe: form.recipe }),
    ...(Object.keys(changes).length > 0 ? { changes } : {}),
    ...(shard === undefined ? {} : { maxShardBytes: Math.floor(shard * 1e9) }),
  };
}

function changesOf(form: QuantizeModelForm, { methods }: RecipeChoices): RecipeChanges {
  const skip = form.skip.split(/[\s,]+/).filter((module) => module !== '');
  const method = methods.find(({ id }) => id === form.method);
  const options = method ? optionsOf(form.options, method) : {};
  const calibration = {
    ...(form.text === '' ? {} : { text: form.text }),
    ...named('tokens', whole(form.tokens, l10n.t('Tokens'))),
    ...named('context', whole(form.context, l10n.t('Window'))),
  };
  return {
    ...(form.layout === '' ? {} : { layout: form.layout }),
    ...(method ? { method: method.id } : {}),
    ...(Object.keys(options).length > 0 ? { options } : {}),
    ...named('bits', whole(form.bits, l10n.t('Bits'))),
    ...(form.group === '' ? {} : { group: groupOf(form.group) }),
    ...(skip.length > 0 ? { skip } : {}),
    ...(Object.keys(calibration).length > 0 ? { calibration } : {}),
  };
}

const named = <K extends string>(name: K, value: number | undefined): { [N in K]?: number } =>
  (value === undefined ? {} : { [name]: value }) as { [N in K]?: number };

const groupOf = (text: string): NonNullable<RecipeChanges['group']> =>
  text === 'row' || text === 'tensor' ? text : whole(text, l10n.t('Group'))!;

function positive(text: string, label: string): number | undefined {
  if (text.trim() === '') return undefined;
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value)))
    throw new Error(l10n.t('{0}: “{1}” is not a number above 0.', label, text));
  return value;
}

function whole(text: string, label: string): number | undefined {
  const value = positive(text, label);
  if (value !== undefined && !Number.isSafeInteger(value))
    throw new Error(l10n.t('{0}: “{1}” is not a whole number.', label, text));
  return value;
}
