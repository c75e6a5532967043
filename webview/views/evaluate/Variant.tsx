import { useEffect, useState } from 'preact/hooks';
import type { ExportChoices } from '../../../src/protocol/webview';
import { useApp, useAppState } from '../../context';
import { Field } from '../fields';
import { variants } from './form';
import type { FormProps } from './useEvaluation';

/** The weights that are evaluated: as they are, planned, or all of one type or format. */
export function Variant({ form, change }: FormProps) {
  const { plan, formats } = useAppState();
  const fileTypes = useFileTypes();
  const isListed = fileTypes.some(({ name }) => form.variant === `type ${name}`);
  return (
    <Field label="Evaluate" wide>
      <select
        aria-label="Weights to evaluate"
        value={form.variant}
        onChange={(event) => change({ variant: event.currentTarget.value })}
      >
        <option value={variants.original}>The model, unmodified</option>
        <optgroup label="Mixed-precision plan">
          <option value={variants.currentPlan} disabled={!plan}>
            {plan ? 'Plan of this editor' : 'Plan of this editor – needs the sensitivity analysis'}
          </option>
          <option value={variants.planFile}>Plan file…</option>
        </optgroup>
        <optgroup label="File types of llama.cpp">
          {form.variant.startsWith('type ') && !isListed && (
            <option value={form.variant}>{form.variant.slice('type '.length)}</option>
          )}
          {fileTypes.map(({ name, label }) => (
            <option key={name} value={`type ${name}`}>
              {name} – {label}
            </option>
          ))}
        </optgroup>
        <optgroup label="One format for all matrices of the blocks">
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
