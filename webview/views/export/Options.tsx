import * as l10n from '@vscode/l10n';
import { useState } from 'preact/hooks';
import type { ExportChoices } from '../../../src/protocol/exportChoices';
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

const asPreset = l10n.t('by file type');

/** The settings: the usual ones visible, the others folded. */
export function Options({ form, change, choices, hasPlan }: Props) {
  const [open, setOpen] = useState(moreSet(form) > 0);
  const props = { form, change };
  return (
    <div class="options">
      <Target {...props} choices={choices} hasPlan={hasPlan} />
      {form.type === targets.planFile && (
        <FileField label={l10n.t('Plan file')} kind="plan" name="planFile" {...props} />
      )}
      <FileField
        label={l10n.t('Importance matrix')}
        flag="--imatrix"
        kind="imatrix"
        name="imatrix"
        {...props}
      />
      <Field label={l10n.t('Output')} flag="--output-tensor-type">
        <TypeSelect
          label={l10n.t('Type of output.weight')}
          value={form.outputType}
          types={choices.tensorTypes}
          none={asPreset}
          onChange={(outputType) => change({ outputType })}
        />
      </Field>
      <Field label={l10n.t('Embedding')} flag="--token-embedding-type">
        <TypeSelect
          label={l10n.t('Type of token_embd.weight')}
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
          {l10n.t('More options')}
          {moreSet(form) > 0 && (
            <span class="muted">
              {' '}
              {l10n.t('({0} set)', moreSet(form))}
            </span>
          )}
        </button>
        {!isEmpty(form) && (
          <button class="link" onClick={() => change(emptyForm)}>
            {l10n.t('Reset all')}
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
    <Field label={l10n.t('Type')} wide>
      <select
        aria-label={l10n.t('File type')}
        value={form.type}
        onChange={(event) => change({ type: event.currentTarget.value })}
      >
        <optgroup label={l10n.t('File types of llama.cpp')}>
          {choices.fileTypes.map(({ name, label, needsImportance }) => (
            <option key={name} value={name} disabled={needsImportance && withoutImatrix}>
              {name} –{' '}
              {needsImportance && withoutImatrix ? l10n.t('needs an importance matrix; {0}', label) : label}
            </option>
          ))}
          <option value={targets.copy}>{l10n.t('{0} – every tensor unchanged', targets.copy)}</option>
        </optgroup>
        <optgroup label={l10n.t('Mixed-precision plan')}>
          <option value={targets.currentPlan} disabled={!hasPlan}>
            {hasPlan
              ? l10n.t('Plan of this editor')
              : l10n.t('Plan of this editor – needs the sensitivity analysis')}
          </option>
          <option value={targets.planFile}>{l10n.t('Plan file…')}</option>
        </optgroup>
      </select>
    </Field>
  );
}

const flags = [
  {
    name: 'pure',
    label: l10n.t('Pure'),
    title: l10n.t('--pure: no mixture, the same type for every weight'),
  },
  {
    name: 'leaveOutput',
    label: l10n.t('Leave output tensor'),
    title: l10n.t('--leave-output-tensor: output.weight stays unchanged'),
  },
  {
    name: 'allowRequantize',
    label: l10n.t('Allow requantize'),
    title: l10n.t('--allow-requantize: quantized weights may be quantized again; the errors add up'),
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
