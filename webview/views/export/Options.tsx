import { useState } from 'preact/hooks';
import type { ExportChoices } from '../../../src/protocol/webview';
import { Field } from '../fields';
import { Codes } from './Codes';
import { FileField, TypeSelect, type FormProps } from './fields';
import { emptyForm, isEmpty, moreSet, targets } from './form';
import { MoreOptions } from './MoreOptions';
import { Rules } from './Rules';

interface Props extends FormProps {
  readonly choices: ExportChoices;
  readonly hasPlan: boolean;
}

const asPreset = 'by file type';

/** The settings: the usual ones visible, the others folded. */
export function Options({ form, change, choices, hasPlan }: Props) {
  const [open, setOpen] = useState(moreSet(form) > 0);
  const props = { form, change };
  return (
    <div class="options">
      <Target {...props} choices={choices} hasPlan={hasPlan} />
      {form.type === targets.planFile && (
        <FileField label="Plan file" kind="plan" name="planFile" {...props} />
      )}
      <FileField label="Importance matrix" flag="--imatrix" kind="imatrix" name="imatrix" {...props} />
      <Field label="Output" flag="--output-tensor-type">
        <TypeSelect
          label="Type of output.weight"
          value={form.outputType}
          types={choices.tensorTypes}
          none={asPreset}
          onChange={(outputType) => change({ outputType })}
        />
      </Field>
      <Field label="Embedding" flag="--token-embedding-type">
        <TypeSelect
          label="Type of token_embd.weight"
          value={form.tokenEmbeddingType}
          types={choices.tensorTypes}
          none={asPreset}
          onChange={(tokenEmbeddingType) => change({ tokenEmbeddingType })}
        />
      </Field>
      <Codes {...props} />
      <Flags {...props} />
      <Rules {...props} types={choices.tensorTypes} />
      <div class="folding">
        <button class="disclosure" aria-expanded={open} onClick={() => setOpen(!open)}>
          <span class={open ? 'twist open' : 'twist'} aria-hidden="true" />
          More options
          {moreSet(form) > 0 && <span class="muted">&nbsp;({moreSet(form)} set)</span>}
        </button>
        {!isEmpty(form) && (
          <button class="link" onClick={() => change(emptyForm)}>
            Reset all
          </button>
        )}
      </div>
      {open && <MoreOptions {...props} />}
    </div>
  );
}

/** A file type, the plan of the editor, or one in a file. */
function Target({ form, change, choices, hasPlan }: Props) {
  // Optimised codes fit the inputs themselves.
  const withoutImatrix = form.imatrix === '' && form.codes !== 'optimised';
  return (
    <Field label="Type" wide>
      <select
        aria-label="File type"
        value={form.type}
        onChange={(event) => change({ type: event.currentTarget.value })}
      >
        <optgroup label="File types of llama.cpp">
          {choices.fileTypes.map(({ name, label, needsImportance }) => (
            <option key={name} value={name} disabled={needsImportance && withoutImatrix}>
              {name} – {needsImportance && withoutImatrix ? `needs an importance matrix; ${label}` : label}
            </option>
          ))}
          <option value={targets.copy}>{targets.copy} – every tensor unchanged</option>
        </optgroup>
        <optgroup label="Mixed-precision plan">
          <option value={targets.currentPlan} disabled={!hasPlan}>
            {hasPlan ? 'Plan of this editor' : 'Plan of this editor – needs the sensitivity analysis'}
          </option>
          <option value={targets.planFile}>Plan file…</option>
        </optgroup>
      </select>
    </Field>
  );
}

const flags = [
  { name: 'pure', label: 'Pure', title: '--pure: no mixture, the same type for every weight' },
  {
    name: 'leaveOutput',
    label: 'Leave output tensor',
    title: '--leave-output-tensor: output.weight stays unchanged',
  },
  {
    name: 'allowRequantize',
    label: 'Allow requantize',
    title: '--allow-requantize: quantized weights may be quantized again; the errors add up',
  },
] as const;

function Flags({ form, change }: FormProps) {
  return (
    <div class="flags">
      {flags.map(({ name, label, title }) => (
        <label key={name} title={title}>
          <input
            type="checkbox"
            checked={form[name]}
            onChange={(event) => change({ [name]: event.currentTarget.checked })}
          />
          {label}
        </label>
      ))}
    </div>
  );
}
