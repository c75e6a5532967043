import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { ExportChoices } from '../../../src/protocol/webview';
import { useAsk } from '../../context';
import { Button, TextField } from '../../controls';
import { emptyForm, hasMore, type ExportForm } from './form';

interface Props {
  readonly form: ExportForm;
  readonly change: (part: Partial<ExportForm>) => void;
  readonly choices: ExportChoices;
  readonly hasPlan: boolean;
}

/** The settings: the usual ones in sight, the others folded away. */
export function Options({ form, change, choices, hasPlan }: Props) {
  const [open, setOpen] = useState(hasMore(form));
  return (
    <div class="options">
      <Field label="Type">
        <select
          aria-label="File type"
          value={form.type}
          onChange={(event) => change({ type: event.currentTarget.value })}
        >
          {hasPlan && <option value="">Current plan</option>}
          {choices.fileTypes.map(({ name, label, needsImportance }) => (
            <option key={name} value={name} disabled={needsImportance && form.imatrix === ''}>
              {name} – {label}
              {needsImportance && form.imatrix === '' ? ' (needs an importance matrix)' : ''}
            </option>
          ))}
          <option value="COPY">COPY – every tensor as it is</option>
        </select>
      </Field>
      <Imatrix form={form} change={change} />
      <Field label="Output type">
        <TypeSelect
          label="Type of output.weight"
          value={form.outputType}
          types={choices.tensorTypes}
          onChange={(outputType) => change({ outputType })}
        />
      </Field>
      <Field label="Embedding type">
        <TypeSelect
          label="Type of token_embd.weight"
          value={form.tokenEmbeddingType}
          types={choices.tensorTypes}
          onChange={(tokenEmbeddingType) => change({ tokenEmbeddingType })}
        />
      </Field>
      <div class="flags">
        <Flag
          label="Pure"
          title="No mixture: the same type for every weight"
          name="pure"
          {...{ form, change }}
        />
        <Flag
          label="Leave output tensor"
          title="output.weight stays as it is"
          name="leaveOutput"
          {...{ form, change }}
        />
        <Flag
          label="Allow requantize"
          title="Weights that are quantized already may be quantized again; both errors add up"
          name="allowRequantize"
          {...{ form, change }}
        />
      </div>
      <Rules form={form} change={change} choices={choices} />
      <button class="link more" aria-expanded={open} onClick={() => setOpen(!open)}>
        {open ? 'Fewer options' : 'More options'}
      </button>
      {open && <More form={form} change={change} />}
      {form !== emptyForm && (
        <button class="link more" onClick={() => change(emptyForm)}>
          Reset
        </button>
      )}
    </div>
  );
}

function Field({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <div class="field">
      <span class="label">{label}</span>
      {children}
    </div>
  );
}

export function TypeSelect(props: {
  label: string;
  value: string;
  types: readonly string[];
  /** What no choice says. */
  none?: string;
  onChange: (type: string) => void;
}) {
  return (
    <select
      aria-label={props.label}
      value={props.value}
      onChange={(event) => props.onChange(event.currentTarget.value)}
    >
      <option value="">{props.none ?? 'as the file type says'}</option>
      {props.types.map((type) => (
        <option key={type} value={type}>
          {type}
        </option>
      ))}
    </select>
  );
}

function Flag(props: {
  label: string;
  title: string;
  name: 'pure' | 'leaveOutput' | 'allowRequantize';
  form: ExportForm;
  change: (part: Partial<ExportForm>) => void;
}) {
  return (
    <label title={props.title}>
      <input
        type="checkbox"
        checked={props.form[props.name]}
        onChange={(event) => props.change({ [props.name]: event.currentTarget.checked })}
      />
      {props.label}
    </label>
  );
}

function Imatrix({ form, change }: Pick<Props, 'form' | 'change'>) {
  const ask = useAsk();
  const browse = async (): Promise<void> => {
    const chosen = await ask('chooseImatrix', {});
    if (chosen) change({ imatrix: chosen.path });
  };
  return (
    <Field label="Importance matrix">
      <span class="file">
        <span class="ellipsis muted" title={form.imatrix}>
          {form.imatrix === '' ? 'none' : form.imatrix.replace(/^.*[\\/]/, '')}
        </span>
        <Button onClick={() => void browse()}>Browse…</Button>
        {form.imatrix !== '' && <Button onClick={() => change({ imatrix: '' })}>Remove</Button>}
      </span>
    </Field>
  );
}

/** Tensor-type rules: the first that is found in a name counts. */
function Rules({ form, change, choices }: Omit<Props, 'hasPlan'>) {
  const [pattern, setPattern] = useState('');
  const [type, setType] = useState('Q6_K');
  const add = (): void => {
    if (pattern.trim() === '') return;
    change({ rules: [...form.rules, { pattern: pattern.trim(), type }] });
    setPattern('');
  };
  return (
    <div class="rules-editor">
      <Field label="Types by name">
        <span class="file">
          <TextField
            value={pattern}
            label="Pattern of tensor names"
            placeholder="regular expression, e.g. ffn_down"
            onInput={setPattern}
            width="100%"
          />
          <TypeSelect label="Type of the rule" value={type} types={choices.tensorTypes} onChange={setType} />
          <Button onClick={add}>Add</Button>
        </span>
      </Field>
      {form.rules.length > 0 && (
        <ul aria-label="Tensor-type rules">
          {form.rules.map((rule, index) => (
            <li key={`${index} ${rule.pattern}`}>
              <code class="ellipsis">{rule.pattern}</code> → {rule.type}
              <button
                class="link"
                aria-label={`Remove the rule ${rule.pattern}`}
                onClick={() => change({ rules: form.rules.filter((_, i) => i !== index) })}
              >
                Remove
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function More({ form, change }: Pick<Props, 'form' | 'change'>) {
  const text = (label: string, name: 'includeWeights' | 'excludeWeights' | 'pruneLayers', hint: string) => (
    <Field label={label}>
      <TextField
        value={form[name]}
        label={label}
        placeholder={hint}
        onInput={(value) => change({ [name]: value })}
        width="100%"
      />
    </Field>
  );
  return (
    <div class="more-options">
      {text('Importance only of', 'includeWeights', 'parts of tensor names')}
      {text('No importance of', 'excludeWeights', 'parts of tensor names')}
      {text('Leave out blocks', 'pruneLayers', 'numbers, e.g. 20, 21')}
      <Field label="Key-values">
        <textarea
          aria-label="Overridden key-values"
          placeholder="KEY=int|float|bool|str:VALUE, one a line"
          rows={2}
          value={form.overrides}
          onInput={(event) => change({ overrides: event.currentTarget.value })}
        />
      </Field>
      <Field label="Files">
        <span class="file">
          <select
            aria-label="Split into files"
            value={form.split}
            onChange={(event) => change({ split: event.currentTarget.value as ExportForm['split'] })}
          >
            <option value="none">one file</option>
            <option value="keep">the parts of the source</option>
            <option value="bytes">parts of at most … MB</option>
            <option value="tensors">parts of at most … tensors</option>
          </select>
          {(form.split === 'bytes' || form.split === 'tensors') && (
            <TextField
              value={form.splitLimit}
              label={form.split === 'bytes' ? 'Megabytes of a part' : 'Tensors of a part'}
              onInput={(splitLimit) => change({ splitLimit })}
              width="90px"
            />
          )}
        </span>
      </Field>
    </div>
  );
}
