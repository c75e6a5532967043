import * as l10n from '@vscode/l10n';
import { useState } from 'preact/hooks';
import { evidenceWords } from '../../../src/protocol/evidence';
import type { QuantizePreview, RecipeChoices } from '../../../src/protocol/quantizeModel';
import { bits } from '../../format';
import { CalibrationTextField } from '../CalibrationTextField';
import { Choice, Field, PathField, TextSetting } from '../fields';
import { withNone } from '../OptionFields';
import { ChangeFields } from './ChangeFields';
import { changeCount, fromFile, noChanges, type FormProps } from './form';

interface Props extends FormProps {
  readonly choices: RecipeChoices;
  /** The recipe with all changes applied. */
  readonly preview: QuantizePreview | undefined;
}

/** The recipe, the text for its evidence, and changes of it, which are folded. */
export function RecipeFields({ form, change, choices, preview }: Props) {
  const [open, setOpen] = useState(changeCount(form) > 0);
  const changes = changeCount(form);
  return (
    <div class="options">
      <Runtime {...{ form, change, choices }} />
      <RecipeSelect {...{ form, change, choices }} />
      {form.recipe === fromFile && (
        <PathField
          label={l10n.t('Recipe file')}
          kind="recipe"
          path={form.recipeFile}
          onChange={(recipeFile) => change({ recipeFile })}
        />
      )}
      <Description {...{ form, choices, preview }} />
      <Calibration {...{ form, change, preview }} />
      <div class="folding">
        <button class="disclosure" aria-expanded={open} onClick={() => setOpen(!open)}>
          <span class={open ? 'twist open' : 'twist'} aria-hidden="true" />
          {l10n.t('Change the recipe')}
          {changes > 0 && (
            <span class="muted">
              {' '}
              {l10n.t('({0} changed)', changes)}
            </span>
          )}
        </button>
        {changes > 0 && (
          <button class="link" onClick={() => change(noChanges)}>
            {l10n.t('As the recipe says')}
          </button>
        )}
      </div>
      {open && <ChangeFields {...{ form, change, choices }} recipe={preview?.recipe} />}
    </div>
  );
}

function Runtime({ form, change, choices }: FormProps & { choices: RecipeChoices }) {
  const runtimes = [...new Set(choices.recipes.flatMap((item) => item.runtimes))].sort();
  return (
    <Choice
      label={l10n.t('Runtime')}
      flag={l10n.t('Where the quantized model is to run')}
      options={withNone(l10n.t('any runtime'), runtimes)}
      value={form.runtime}
      onChange={(runtime) => change({ runtime })}
    />
  );
}

function RecipeSelect({ form, change, choices }: FormProps & { choices: RecipeChoices }) {
  const isFor = (runtimes: readonly string[]): boolean =>
    form.runtime === '' || runtimes.includes(form.runtime);
  const listed = choices.recipes.filter(
    ({ recipe, runtimes }) => isFor(runtimes) || recipe.id === form.recipe,
  );
  return (
    <Field label={l10n.t('Recipe')}>
      <select
        aria-label={l10n.t('Recipe')}
        value={form.recipe}
        onChange={(event) => change({ ...noChanges, recipe: event.currentTarget.value })}
      >
        {listed.map(({ recipe, bitsPerWeight }) => (
          <option key={recipe.id} value={recipe.id}>
            {recipe.id}
            {bitsPerWeight === undefined ? '' : l10n.t(' – {0} bits', bits(bitsPerWeight))}
          </option>
        ))}
        <option value={fromFile}>{l10n.t('Recipe file…')}</option>
      </select>
    </Field>
  );
}

/** What the recipe does, what it must know, and which runtimes load the result. */
function Description({ form, choices, preview }: Omit<Props, 'change'>) {
  const chosen = choices.recipes.find(({ recipe }) => recipe.id === form.recipe);
  const recipe = chosen?.recipe ?? preview?.recipe;
  if (!recipe) return null;
  const evidence = chosen?.evidence ?? preview?.evidence.kind ?? 'none';
  return (
    <div class="recipe-description">
      <strong>{recipe.label}</strong> <span class="evidence">{evidenceWords[evidence]}</span>
      <p class="muted">
        {recipe.description}
        {chosen && chosen.runtimes.length > 0 && l10n.t(' Runs in {0}.', chosen.runtimes.join(', '))}
      </p>
    </div>
  );
}

/** Tokens that a calibration reads, and those of a window, where the recipe does not say. */
const usual = { tokens: '65,536', context: l10n.t('at most 512') };

/** The text that evidence comes from; recipes that need none do not ask for it. */
function Calibration({ form, change, preview }: FormProps & Pick<Props, 'preview'>) {
  if (preview?.evidence.usable === 'none') return null;
  const { tokens = usual.tokens, context = usual.context } = preview?.recipe.calibration ?? {};
  return (
    <>
      <CalibrationTextField
        path={form.text}
        none={l10n.t('none chosen')}
        onChange={(text) => change({ text })}
      />
      <TextSetting
        label={l10n.t('Tokens')}
        flag={l10n.t('Tokens of the text that are run')}
        name={l10n.t('Calibration tokens')}
        value={form.tokens}
        placeholder={tokens.toLocaleString('en-US')}
        onChange={(tokens) => change({ tokens })}
      />
      <TextSetting
        label={l10n.t('Window')}
        flag={l10n.t('Tokens of a window')}
        name={l10n.t('Tokens of a window')}
        value={form.context}
        placeholder={context.toLocaleString('en-US')}
        onChange={(context) => change({ context })}
      />
    </>
  );
}
