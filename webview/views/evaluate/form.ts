import * as l10n from '@vscode/l10n';
import type {
  CalibrationSettings,
  EvaluationSettings,
  WindowConvention,
  WindowSettings,
} from '../../../src/protocol/evaluation';
import type { DeviceChoice } from '../../../src/protocol/device';
import type { RecipeSelection } from '../../../src/protocol/quantizeModel';
import type { EvaluationView, PanelEvaluation } from '../../../src/protocol/evaluationView';
import { defined } from '../../../src/protocol/defined';
import { countOf } from '../../formValues';

/** Variants of the weights that are not named by a file type, a format or a recipe. */
export const variants = {
  ...{ original: 'original', currentPlan: 'current plan', planFile: 'plan file' },
  recipeFile: 'recipe file',
} as const;

/** Settings of the Evaluate tab; numbers are kept as typed, '' is not set. */
export interface EvaluationForm {
  readonly text: string;
  readonly tasks: string;
  /** Of a model that embeds texts; text and questions are not used with it. */
  readonly pairs: string;
  /** One of `variants`, or "type Q4_K_M", "format nf4", "recipe gptq-int4-g128". */
  readonly variant: string;
  /** For the variant `planFile`. */
  readonly planFile: string;
  /** For the variant `recipeFile`. */
  readonly recipeFile: string;
  readonly imatrix: string;
  /** Another model as the base. */
  readonly against: string;
  readonly convention: WindowConvention;
  readonly context: string;
  readonly stride: string;
  readonly windows: string;
  readonly roundActivations: boolean;
  readonly memory: NonNullable<EvaluationSettings['memory']>;
  readonly device: DeviceChoice;
  /** For importance matrices, and for recipes whose methods must know the inputs. */
  readonly calibrationText: string;
  readonly calibrationContext: string;
  readonly calibrationWindows: string;
  readonly processOutput: boolean;
}

/** What of a form says which weights are used. */
export type VariantForm = Pick<EvaluationForm, 'variant' | 'planFile' | 'recipeFile' | 'calibrationText'>;

/** The form as it was left, over what suggests itself for a model that was never evaluated. */
export function formOf({ form, suggestions }: Pick<EvaluationView, 'form' | 'suggestions'>): EvaluationForm {
  const fresh: EvaluationForm = {
    text: suggestions.text ?? '',
    tasks: '',
    pairs: '',
    variant: variants.original,
    planFile: '',
    recipeFile: '',
    imatrix: '',
    against: suggestions.against ?? '',
    convention: 'llama.cpp',
    context: '',
    stride: '',
    windows: '',
    roundActivations: false,
    memory: 'auto',
    device: suggestions.device,
    calibrationText: suggestions.calibrationText ?? '',
    calibrationContext: '',
    calibrationWindows: '',
    processOutput: false,
  };
  const saved = typeof form === 'object' && form !== null ? Object.entries(form) : [];
  const known = saved.filter(
    ([name, value]) => name in fresh && typeof value === typeof fresh[name as keyof EvaluationForm],
  );
  return { ...fresh, ...Object.fromEntries(known) };
}

/** Whether weights are quantized before the run. */
export const isQuantizing = ({ variant }: EvaluationForm): boolean => variant !== variants.original;

/** Whether they are quantized as a recipe says. */
export const isRecipe = ({ variant }: VariantForm): boolean =>
  variant === variants.recipeFile || variant.startsWith('recipe ');

/** Id of the preset that the variant names. */
export const presetIn = ({ variant }: EvaluationForm): string | undefined =>
  variant === variants.recipeFile ? undefined : /^recipe (.*)$/.exec(variant)?.[1];

/** Whether an importance matrix weights the errors: recipes have evidence of their own. */
export const takesImportance = (form: EvaluationForm): boolean => isQuantizing(form) && !isRecipe(form);

/** Whether activations can be rounded as llama.cpp does: recipes say themselves how they are rounded. */
export const takesRounding = (form: EvaluationForm): boolean => !isRecipe(form);

/** What a model can be evaluated with: a text and questions, pairs of texts, or all of them. */
export interface Scored {
  readonly text?: boolean;
  readonly pairs?: boolean;
}

/** Whether pairs of texts are embedded, which nothing else goes with. */
export const isOfPairs = ({ pairs }: EvaluationForm, { text, pairs: embeds }: Scored): boolean =>
  embeds === true && (text !== true || pairs !== '');

/** @throws Error like `settingsOf`. */
function pairsSettings(form: EvaluationForm): PanelEvaluation {
  if (form.pairs === '') throw new Error(l10n.t('Choose a file of pairs.'));
  if (isRecipe(form)) throw new Error(l10n.t('Recipes cannot be evaluated with pairs of texts.'));
  return defined({
    ...variantOf(form),
    pairs: form.pairs,
    imatrix: takesImportance(form) ? form.imatrix || undefined : undefined,
    device: form.device,
  });
}

/**
 * The form as settings; empty fields are omitted.
 * @throws Error with a sentence for what is missing or invalid.
 */
export function settingsOf(form: EvaluationForm, what: Scored = { text: true }): PanelEvaluation {
  if (isOfPairs(form, what)) return pairsSettings(form);
  if (form.text === '' && form.tasks === '')
    throw new Error(l10n.t('Choose a text, a file of questions, or both.'));
  const isSliding = form.convention === 'sliding';
  const windows: WindowSettings = defined({
    convention: form.convention,
    context: countOf(form.context, l10n.t('Tokens per window')),
    stride: isSliding ? countOf(form.stride, l10n.t('Stride')) : undefined,
    windows: countOf(form.windows, l10n.t('Maximum windows')),
  });
  if (windows.stride !== undefined && windows.context !== undefined && windows.stride > windows.context)
    throw new Error(
      l10n.t('The stride is larger than a window: tokens between windows would not be scored.'),
    );
  return defined({
    ...variantOf(form),
    ...windows,
    text: form.text || undefined,
    tasks: form.tasks || undefined,
    imatrix: takesImportance(form) ? form.imatrix || undefined : undefined,
    against: form.against || undefined,
    roundActivations: (takesRounding(form) && form.roundActivations) || undefined,
    memory: form.memory,
    device: form.device,
  });
}

/** @throws Error like `settingsOf`. */
export function calibrationOf(form: EvaluationForm): CalibrationSettings {
  if (form.calibrationText === '') throw new Error(l10n.t('Choose a text.'));
  return defined({
    text: form.calibrationText,
    context: countOf(form.calibrationContext, l10n.t('Tokens per chunk')),
    windows: countOf(form.calibrationWindows, l10n.t('Maximum chunks')),
    processOutput: form.processOutput || undefined,
    memory: form.memory,
    device: form.device,
  });
}

/** The variant as a request names it. @throws Error like `settingsOf`. */
export function variantOf(
  form: VariantForm,
): Pick<PanelEvaluation, 'type' | 'format' | 'planFile' | 'usePlan' | 'recipe'> {
  const { variant, planFile } = form;
  if (variant === variants.original) return {};
  if (variant === variants.currentPlan) return { usePlan: true };
  if (variant === variants.planFile) {
    if (planFile === '') throw new Error(l10n.t('Choose a plan file.'));
    return { planFile };
  }
  const [kind, ...words] = variant.split(' ');
  const name = words.join(' ');
  if (isRecipe(form)) return { recipe: recipeOf(form, name) };
  return kind === 'format' ? { format: name } : { type: name };
}

/** A preset, with the text that its evidence comes from. */
export const presetOf = (
  id: string,
  { calibrationText }: Pick<EvaluationForm, 'calibrationText'>,
): RecipeSelection => ({
  recipe: id,
  ...calibrationBy(calibrationText),
});

const calibrationBy = (text: string): Pick<RecipeSelection, 'changes'> =>
  text === '' ? {} : { changes: { calibration: { text } } };

/** @param id of a preset. */
function recipeOf(form: VariantForm, id: string): RecipeSelection {
  const { variant, recipeFile, calibrationText } = form;
  if (variant !== variants.recipeFile) return presetOf(id, form);
  if (recipeFile === '') throw new Error(l10n.t('Choose a recipe file.'));
  return { recipeFile, ...calibrationBy(calibrationText) };
}
