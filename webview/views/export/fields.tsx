import type { FileKind } from '../../../src/protocol/pageRequests/model';
import { PathField } from '../fields';
import type { ExportForm } from './form';

/** What every part of the settings gets: the form, and how to change some of it. */
export interface FormProps {
  readonly form: ExportForm;
  readonly change: (part: Partial<ExportForm>) => void;
}

export function TypeSelect(props: {
  label: string;
  value: string;
  types: readonly string[];
  /** Label of the empty choice; without it one must be chosen. */
  none?: string;
  tabIndex?: number;
  onChange: (type: string) => void;
}) {
  // A type that was typed into a file by hand may not be writable: it is shown, and the preview says so.
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

/** A file of the form. */
export function FileField({
  name,
  form,
  change,
  ...field
}: FormProps & { label: string; flag?: string; kind: FileKind; name: 'imatrix' | 'planFile' }) {
  return <PathField {...field} path={form[name]} onChange={(path) => change({ [name]: path })} />;
}
