import * as l10n from '@vscode/l10n';
import { useEffect, useState } from 'preact/hooks';
import type { ExportChoices } from '../../../src/protocol/webview';
import { useApp, useAppState } from '../../context';
import { useRecipeChoices } from '../../useRecipeChoices';
import { Field } from '../fields';
import { variants } from './form';
import type { FormProps } from './useEvaluation';

/** The weights that are evaluated: as they are, planned, as a recipe says, or all of one type or format. */
export function Variant({ form, change }: FormProps) {
  const { plan, formats } = useAppState();
  return (
    <Field label={l10n.t('Evaluate')} wide>
      <select
        aria-label={l10n.t('Weights to evaluate')}
        value={form.variant}
        onChange={(event) => change({ variant: event.currentTarget.value })}
      >
        <option value={variants.original}>{l10n.t('The model, unmodified')}</option>
        <optgroup label={l10n.t('Mixed-precision plan')}>
          <option value={variants.currentPlan} disabled={!plan}>
            {plan
              ? l10n.t('Plan of this editor')
              : l10n.t('Plan of this editor – needs the sensitivity analysis')}
          </option>
          <option value={variants.planFile}>{l10n.t('Plan file…')}</option>
        </optgroup>
        <Recipes variant={form.variant} />
        <FileTypes variant={form.variant} />
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

/** Recipes that make checkpoints. */
function Recipes({ variant }: { variant: string }) {
  const { choices } = useRecipeChoices();
  const recipes = choices?.recipes.filter(({ recipe }) => recipe.target === 'checkpoint') ?? [];
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

function FileTypes({ variant }: { variant: string }) {
  const fileTypes = useFileTypes();
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
