import * as l10n from '@vscode/l10n';
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
    <div class="rules-editor" role="group" aria-label={l10n.t('Tensor-type rules')}>
      <div class="heading">
        <span class="label" title={l10n.t('--tensor-type: the first pattern that matches a name applies')}>
          {l10n.t('Tensor-type rules')}
        </span>
        <button class="link" title="--tensor-type-file" onClick={() => void load()}>
          {l10n.t('Load…')}
        </button>
        <button
          class="link"
          disabled={rules.length === 0}
          title={l10n.t('Save as a file for --tensor-type-file')}
          onClick={() => void ask('saveTensorTypes', { rules })}
        >
          {l10n.t('Save…')}
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
    <ol aria-label={l10n.t('Rules')}>
      {rules.map(({ pattern, type }, index) => (
        <li key={index}>
          <TextField
            value={pattern}
            label={l10n.t('Pattern of rule {0}', index + 1)}
            onInput={(value) => edit(index, { pattern: value.trim() })}
            width="100%"
          />
          <TypeSelect
            label={l10n.t('Type of rule {0}', index + 1)}
            value={type}
            types={types}
            onChange={(value) => edit(index, { type: value })}
          />
          <button
            class="icon"
            title={l10n.t('Move before the rule above')}
            aria-label={l10n.t('Move the rule {0} up', pattern)}
            disabled={index === 0}
            onClick={() => up(index)}
          >
            ↑
          </button>
          <button
            class="icon"
            title={l10n.t('Remove')}
            aria-label={l10n.t('Remove the rule {0}', pattern)}
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
          label={l10n.t('Pattern of tensor names')}
          placeholder={l10n.t('Regular expression, e.g. ffn_down')}
          onInput={setPattern}
          width="100%"
        />
      </span>
      <TypeSelect label={l10n.t('Type of the new rule')} value={type} types={types} onChange={setType} />
      <Button disabled={pattern.trim() === ''} onClick={commit}>
        {l10n.t('Add')}
      </Button>
    </div>
  );
}
