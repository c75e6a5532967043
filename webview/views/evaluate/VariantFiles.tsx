import * as l10n from '@vscode/l10n';
import { PathField } from '../fields';
import { variants, type EvaluationForm } from './form';

interface VariantFilesProps {
  readonly form: Pick<EvaluationForm, 'variant' | 'planFile' | 'recipeFile'>;
  readonly change: (changes: Partial<Pick<EvaluationForm, 'planFile' | 'recipeFile'>>) => void;
}

/** The file that a variant is made by, where it is one of a plan or recipe. */
export function VariantFiles({ form, change }: VariantFilesProps) {
  return (
    <>
      {form.variant === variants.planFile && (
        <PathField
          label={l10n.t('Plan file')}
          kind="plan"
          path={form.planFile}
          onChange={(planFile) => change({ planFile })}
        />
      )}
      {form.variant === variants.recipeFile && (
        <PathField
          label={l10n.t('Recipe file')}
          kind="recipe"
          path={form.recipeFile}
          onChange={(recipeFile) => change({ recipeFile })}
        />
      )}
    </>
  );
}
