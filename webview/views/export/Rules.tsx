import { useState } from 'preact/hooks';
import type { TensorTypeRule } from '../../../src/protocol/export';
import { useAsk } from '../../context';
import { Button, TextField } from '../../controls';
import { TypeSelect, type FormProps } from './fields';

/** Tensor-type rules, one per row: pattern and type. The first pattern that matches a name counts. */
export function Rules({ form, change, types }: FormProps & { types: readonly string[] }) {
  const ask = useAsk();
  const { rules } = form;
  const load = async (): Promise<void> => {
    const loaded = await ask('loadTensorTypes', {});
    if (loaded) change({ rules: [...rules, ...loaded.rules] });
  };
  return (
    <div class="rules-editor" role="group" aria-label="Tensor-type rules">
      <div class="heading">
        <span class="label" title="--tensor-type: the first pattern that matches a name applies">
          Tensor-type rules
        </span>
        <button class="link" title="--tensor-type-file" onClick={() => void load()}>
          Load…
        </button>
        <button
          class="link"
          disabled={rules.length === 0}
          title="Save as a file for --tensor-type-file"
          onClick={() => void ask('saveTensorTypes', { rules })}
        >
          Save…
        </button>
      </div>
      {rules.length > 0 && <RuleList {...{ rules, types }} replace={(next) => change({ rules: next })} />}
      <NewRule types={types} add={(rule) => change({ rules: [...rules, rule] })} />
    </div>
  );
}

function RuleList(props: {
  rules: readonly TensorTypeRule[];
  types: readonly string[];
  replace: (rules: readonly TensorTypeRule[]) => void;
}) {
  const { rules, types, replace } = props;
  const edit = (at: number, part: Partial<TensorTypeRule>): void =>
    replace(rules.map((rule, index) => (index === at ? { ...rule, ...part } : rule)));
  const up = (at: number): void =>
    replace(
      rules.map((rule, index) => (index === at - 1 ? rules[at]! : index === at ? rules[at - 1]! : rule)),
    );
  return (
    <ol aria-label="Rules">
      {rules.map(({ pattern, type }, index) => (
        <li key={index}>
          <TextField
            value={pattern}
            label={`Pattern of rule ${index + 1}`}
            onInput={(value) => edit(index, { pattern: value.trim() })}
            width="100%"
          />
          <TypeSelect
            label={`Type of rule ${index + 1}`}
            value={type}
            types={types}
            onChange={(value) => edit(index, { type: value })}
          />
          <button
            class="icon"
            title="Move before the rule above"
            aria-label={`Move the rule ${pattern} up`}
            disabled={index === 0}
            onClick={() => up(index)}
          >
            ↑
          </button>
          <button
            class="icon"
            title="Remove"
            aria-label={`Remove the rule ${pattern}`}
            onClick={() => replace(rules.filter((_, i) => i !== index))}
          >
            ×
          </button>
        </li>
      ))}
    </ol>
  );
}

function NewRule({ types, add }: { types: readonly string[]; add: (rule: TensorTypeRule) => void }) {
  const [pattern, setPattern] = useState('');
  const [type, setType] = useState('Q6_K');
  const commit = (): void => {
    if (pattern.trim() === '') return;
    add({ pattern: pattern.trim(), type });
    setPattern('');
  };
  return (
    <div class="new-rule">
      <span onKeyDown={(event) => event.key === 'Enter' && commit()}>
        <TextField
          value={pattern}
          label="Pattern of tensor names"
          placeholder="Regular expression, e.g. ffn_down"
          onInput={setPattern}
          width="100%"
        />
      </span>
      <TypeSelect label="Type of the new rule" value={type} types={types} onChange={setType} />
      <Button disabled={pattern.trim() === ''} onClick={commit}>
        Add
      </Button>
    </div>
  );
}
