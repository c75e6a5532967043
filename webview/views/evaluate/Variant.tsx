import * as l10n from '@vscode/l10n';
import { useEffect, useState } from 'preact/hooks';
import type { RecipeChoices } from '../../../src/protocol/quantizeModel';
import type { ExportChoices } from '../../../src/protocol/exportChoices';
import { useApp, useAppState } from '../../context';
import { useRecipeChoices } from '../../useRecipeChoices';
import { Field } from '../fields';
import { variants, type EvaluationForm } from './form';

/**
 * The weights that are evaluated: as they are, planned, as a recipe says, or all of one type or format.
 * @param props.label,props.name what they are for, and the same in full.
 * @param props.first what comes before all others.
 */
export function Variant(props: {
  form: Pick<EvaluationForm, 'variant'>;
  change: (part: Pick<EvaluationForm, 'variant'>) => void;
  label?: string;
  name?: string;
  first?: { readonly value: string; readonly label: string };
}) {
  const { form, change, first = unmodified } = props;
  const { label = l10n.t('Evaluate'), name = l10n.t('Weights to evaluate') } = props;
  const { plan, formats } = useAppState();
  const fileTypes = useFileTypes();
  const { choices } = useRecipeChoices();
  const recipes = choices?.recipes.filter(({ recipe }) => recipe.target === 'checkpoint') ?? [];
  return (
    <Field label={label} wide>
      <select
        // A new element takes its value from all of its options, also from those that came later.
        key={`${fileTypes.length} ${recipes.length}`}
        aria-label={name}
        value={form.variant}
        onChange={(event) => change({ variant: event.currentTarget.value })}
      >
        <option value={first.value}>{first.label}</option>
        <optgroup label={l10n.t('Mixed-precision plan')}>
          <option value={variants.currentPlan} disabled={!plan}>
            {plan
              ? l10n.t('Plan of this editor')
              : l10n.t('Plan of this editor – needs the sensitivity analysis')}
          </option>
          <option value={variants.planFile}>{l10n.t('Plan file…')}</option>
        </optgroup>
        <Recipes variant={form.variant} recipes={recipes} />
        <FileTypes variant={form.variant} fileTypes={fileTypes} />
        <optgroup label={l10n.t('One format for all matrices of the blocks')}>
          {formats.map(({ id, label }) => (
            <option key={id} value={`format ${id}`}>
              {id} – {label}
            </option>
          ))}
        </optgroup>
      </select>
    </Field>
  );
}

const unmodified = { value: variants.original, label: l10n.t('The model, unmodified') };

/** Recipes that make checkpoints. */
function Recipes(props: { variant: string; recipes: RecipeChoices['recipes'] }) {
  const { variant, recipes } = props;
  const prefix = 'recipe ';
  const chosen = variant.startsWith(prefix) && variant !== variants.recipeFile;
  const isListed = recipes.some(({ recipe }) => variant === prefix + recipe.id);
  return (
    <optgroup label={l10n.t('Recipes')}>
      {chosen && !isListed && <option value={variant}>{variant.slice(prefix.length)}</option>}
      {recipes.map(({ recipe: { id, label } }) => (
        <option key={id} value={prefix + id}>
          {id} – {label}
        </option>
      ))}
      <option value={variants.recipeFile}>{l10n.t('Recipe file…')}</option>
    </optgroup>
  );
}

function FileTypes(props: { variant: string; fileTypes: ExportChoices['fileTypes'] }) {
  const { variant, fileTypes } = props;
  const isListed = fileTypes.some(({ name }) => variant === `type ${name}`);
  return (
    <optgroup label={l10n.t('File types of llama.cpp')}>
      {variant.startsWith('type ') && !isListed && (
        <option value={variant}>{variant.slice('type '.length)}</option>
      )}
      {fileTypes.map(({ name, label }) => (
        <option key={name} value={`type ${name}`}>
          {name} – {label}
        </option>
      ))}
    </optgroup>
  );
}

/** File types of the exporter; none until they are known. */
function useFileTypes(): ExportChoices['fileTypes'] {
  const { host, store } = useApp();
  const [fileTypes, setFileTypes] = useState<ExportChoices['fileTypes']>([]);
  useEffect(() => {
    host.call('exportChoices', {}).then(
      (choices) => setFileTypes(choices.fileTypes),
      (error: unknown) => store.update({ problem: error instanceof Error ? error.message : String(error) }),
    );
  }, [host]);
  return fileTypes;
}
