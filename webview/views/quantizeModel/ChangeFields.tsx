import * as l10n from '@vscode/l10n';
import { evidenceWords } from '../../../src/protocol/evidence';
import type { RecipeChoices } from '../../../src/protocol/quantizeModel';
import type { Recipe } from '../../../src/protocol/recipe';
import { Choice, TextSetting } from '../fields';
import { OptionFields, withNone } from '../OptionFields';
import type { FormProps } from './form';

const bitChoices = ['2', '3', '4', '5', '6', '7', '8'];
const groupChoices = ['16', '32', '64', '128', '256', 'row', 'tensor'];
const unchanged = l10n.t('as the recipe says');

interface Props extends FormProps {
  readonly choices: RecipeChoices;
  readonly recipe: Recipe | undefined;
}

/** Changes that apply to all matrices which the recipe quantizes; what is left empty stays as the recipe says. */
export function ChangeFields(props: Props) {
  const { form, change, choices } = props;
  const method = choices.methods.find(({ id }) => id === form.method);
  return (
    <>
      <MethodAndLayout {...props} />
      <GridChanges {...props} />
      <FileChanges {...props} />
      {method && (
        <OptionFields method={method} texts={form.options} change={(options) => change({ options })} />
      )}
    </>
  );
}

function MethodAndLayout({ form, change, choices, recipe }: Props) {
  const methods = choices.methods.map(({ id, label, evidence }) => ({
    name: id,
    label: `${label} (${evidenceWords[evidence]})`,
  }));
  const layouts = choices.layouts.map(({ id, label }) => ({ name: id, label }));
  return (
    <>
      <Choice
        label={l10n.t('Method')}
        value={form.method}
        options={[{ name: '', label: `${unchanged}${methodsOf(recipe)}` }, ...methods]}
        onChange={(method) => change({ method, options: {} })}
      />
      <Choice
        label={l10n.t('Layout')}
        value={form.layout}
        options={[{ name: '', label: `${unchanged}${recipe ? ` (${recipe.layout})` : ''}` }, ...layouts]}
        onChange={(layout) => change({ layout })}
      />
    </>
  );
}

/** " (gptq, rtn)": those of the recipe. */
function methodsOf(recipe: Recipe | undefined): string {
  const ids = new Set(
    recipe?.target === 'gguf'
      ? [recipe.method?.id ?? 'rtn']
      : recipe?.rules.flatMap(({ grid, method }) => (grid === 'keep' ? [] : [method?.id ?? 'rtn'])),
  );
  return ids.size > 0 ? ` (${[...ids].join(', ')})` : '';
}

function GridChanges({ form, change }: FormProps) {
  return (
    <>
      <Choice
        label={l10n.t('Bits')}
        value={form.bits}
        options={withNone(unchanged, bitChoices)}
        onChange={(bits) => change({ bits })}
      />
      <Choice
        label={l10n.t('Group')}
        value={form.group}
        options={withNone(unchanged, groupChoices, (name) =>
          /\d/.test(name) ? l10n.t('{0} weights', name) : l10n.t('the {0}', name),
        )}
        onChange={(group) => change({ group })}
      />
    </>
  );
}

function FileChanges({ form, change, recipe }: Props) {
  return (
    <>
      <TextSetting
        label={l10n.t('Skip modules')}
        flag={l10n.t('Modules that keep their weights, separated by commas')}
        wide
        value={form.skip}
        placeholder={recipe?.skip?.join(', ') ?? l10n.t('lm_head')}
        onChange={(skip) => change({ skip })}
      />
      <TextSetting
        label={l10n.t('Largest shard')}
        flag={l10n.t('GB of one file of weights')}
        name={l10n.t('Largest shard in GB')}
        value={form.shard}
        placeholder={l10n.t('5 GB')}
        onChange={(shard) => change({ shard })}
      />
    </>
  );
}
