import { evidenceWords } from '../../../src/protocol/evidence';
import type { RecipeChoices } from '../../../src/protocol/quantizeModel';
import type { OptionDescription, Recipe } from '../../../src/protocol/recipe';
import { TextField } from '../../controls';
import { Field } from '../fields';
import type { FormProps } from './form';

const bitChoices = ['2', '3', '4', '5', '6', '7', '8'];
const groupChoices = ['16', '32', '64', '128', '256', 'row', 'tensor'];

interface Props extends FormProps {
  readonly choices: RecipeChoices;
  readonly recipe: Recipe | undefined;
}

/** Changes that apply to all matrices which the recipe quantizes; what is left empty stays as the recipe says. */
export function ChangeFields({ form, change, choices, recipe }: Props) {
  const method = choices.methods.find(({ id }) => id === form.method);
  return (
    <>
      <Select
        label="Method"
        value={form.method}
        none={`as the recipe says${methodOf(recipe)}`}
        options={choices.methods.map(({ id, label, evidence }) => ({
          name: id,
          label: `${label} (${evidenceWords[evidence]})`,
        }))}
        onChange={(id) => change({ method: id, options: {} })}
      />
      <Select
        label="Layout"
        value={form.layout}
        none={`as the recipe says${recipe ? ` (${recipe.layout})` : ''}`}
        options={choices.layouts.map(({ id, label }) => ({ name: id, label }))}
        onChange={(layout) => change({ layout })}
      />
      <Select
        label="Bits"
        value={form.bits}
        none="as the recipe says"
        options={bitChoices.map((name) => ({ name, label: name }))}
        onChange={(bits) => change({ bits })}
      />
      <Select
        label="Group"
        value={form.group}
        none="as the recipe says"
        options={groupChoices.map((name) => ({
          name,
          label: /\d/.test(name) ? `${name} weights` : `the ${name}`,
        }))}
        onChange={(group) => change({ group })}
      />
      <Field label="Skip modules" flag="Modules that keep their weights, separated by commas" wide>
        <TextField
          value={form.skip}
          label="Skip modules"
          placeholder={recipe?.skip?.join(', ') ?? 'lm_head'}
          onInput={(skip) => change({ skip })}
          width="100%"
        />
      </Field>
      <Field label="Largest shard" flag="GB of one file of weights">
        <TextField
          value={form.shard}
          label="Largest shard in GB"
          placeholder="5 GB"
          onInput={(shard) => change({ shard })}
          width="100%"
        />
      </Field>
      {method?.options.map((option) => (
        <Option
          key={option.name}
          option={option}
          value={form.options[option.name] ?? ''}
          onChange={(value) => change({ options: { ...form.options, [option.name]: value } })}
        />
      ))}
    </>
  );
}

function methodOf(recipe: Recipe | undefined): string {
  const ids = new Set(
    recipe?.rules.flatMap(({ grid, method }) => (grid === 'keep' ? [] : [method?.id ?? 'rtn'])),
  );
  return ids.size > 0 ? ` (${[...ids].join(', ')})` : '';
}

/** An option of the method; empty is its default. */
function Option(props: { option: OptionDescription; value: string; onChange: (value: string) => void }) {
  const { option, value, onChange } = props;
  const { name, description } = option;
  const none = `${option.default} (default)`;
  if (option.type === 'number')
    return (
      <Field label={name} flag={description}>
        <TextField value={value} label={name} placeholder={none} onInput={onChange} width="100%" />
      </Field>
    );
  const choices = option.type === 'boolean' ? ['true', 'false'] : option.choices;
  return (
    <Select
      label={name}
      flag={description}
      value={value}
      none={none}
      options={choices.map((choice) => ({ name: choice, label: choice }))}
      onChange={onChange}
    />
  );
}

function Select(props: {
  label: string;
  flag?: string;
  value: string;
  /** Label of the empty choice. */
  none: string;
  options: readonly { readonly name: string; readonly label: string }[];
  onChange: (value: string) => void;
}) {
  const { label, flag, value, none, options, onChange } = props;
  return (
    <Field label={label} {...(flag === undefined ? {} : { flag })}>
      <select aria-label={label} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        <option value="">{none}</option>
        {options.map((option) => (
          <option key={option.name} value={option.name}>
            {option.label}
          </option>
        ))}
      </select>
    </Field>
  );
}
