import type { ComponentChildren } from 'preact';
import type { ExportFileKind } from '../../../src/protocol/webview';
import { useAsk } from '../../context';
import { Button } from '../../controls';
import type { ExportForm } from './form';

/** What every part of the settings gets: the form, and how to change some of it. */
export interface FormProps {
  readonly form: ExportForm;
  readonly change: (part: Partial<ExportForm>) => void;
}

/** A label and its control, in two columns of the grid around. */
export function Field(props: {
  label: string;
  /** The option of llama-quantize, for those who know it. */
  flag?: string;
  /** Takes the whole width. */
  wide?: boolean;
  children: ComponentChildren;
}) {
  return (
    <div class={props.wide ? 'field wide' : 'field'}>
      <span class="label" title={props.flag}>
        {props.label}
      </span>
      <span class="control">{props.children}</span>
    </div>
  );
}

export function TypeSelect(props: {
  label: string;
  value: string;
  types: readonly string[];
  /** What no choice says; without it one must be chosen. */
  none?: string;
  tabIndex?: number;
  onChange: (type: string) => void;
}) {
  // A type that was typed into a file by hand may be none that can be written: it is shown, and the preview says so.
  const listed = props.value === '' || props.types.includes(props.value);
  return (
    <select
      aria-label={props.label}
      tabIndex={props.tabIndex ?? 0}
      value={props.value}
      onChange={(event) => props.onChange(event.currentTarget.value)}
    >
      {props.none !== undefined && <option value="">{props.none}</option>}
      {!listed && <option value={props.value}>{props.value}</option>}
      {props.types.map((type) => (
        <option key={type} value={type}>
          {type}
        </option>
      ))}
    </select>
  );
}

/** A file that a dialog asks for. */
export function FileField({
  label,
  flag,
  kind,
  name,
  form,
  change,
}: FormProps & { label: string; flag?: string; kind: ExportFileKind; name: 'imatrix' | 'planFile' }) {
  const ask = useAsk();
  const browse = async (): Promise<void> => {
    const chosen = await ask('chooseExportFile', { kind });
    if (chosen) change({ [name]: chosen.path });
  };
  const path = form[name];
  return (
    <Field label={label} {...(flag === undefined ? {} : { flag })} wide>
      <span class={path === '' ? 'ellipsis muted' : 'ellipsis'} title={path}>
        {path === '' ? 'none' : path.replace(/^.*[\\/]/, '')}
      </span>
      <Button onClick={() => void browse()}>Browse…</Button>
      {path !== '' && (
        <button class="link" aria-label={`Remove: ${label}`} onClick={() => change({ [name]: '' })}>
          Remove
        </button>
      )}
    </Field>
  );
}
