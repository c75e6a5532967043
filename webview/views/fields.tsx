import * as l10n from '@vscode/l10n';
import type { ComponentChildren } from 'preact';
import type { FileKind } from '../../src/protocol/pageRequests/model';
import { useAsk } from '../context';
import { Button, TextField } from '../controls';

interface FieldProps {
  readonly label: string;
  /** What the field means, or the option of llama.cpp's programs, for those who know it. */
  readonly flag?: string;
}

/** A label and its control, in two columns of the enclosing grid. */
export function Field(
  props: FieldProps & {
    /** Takes the whole width. */
    wide?: boolean;
    children: ComponentChildren;
  },
) {
  return (
    <div class={props.wide ? 'field wide' : 'field'}>
      <span class="label" title={props.flag}>
        {props.label}
      </span>
      <span class="control">{props.children}</span>
    </div>
  );
}

/** A file that a dialog asks for; '' is none. */
export function PathField({
  label,
  flag,
  kind,
  path,
  none = l10n.t('none'),
  onChange,
}: FieldProps & {
  kind: FileKind;
  path: string;
  /** Shown when no file is chosen. */
  none?: string;
  onChange: (path: string) => void;
}) {
  const ask = useAsk();
  const browse = async (): Promise<void> => {
    const chosen = await ask('chooseFile', { kind });
    if (chosen) onChange(chosen.path);
  };
  return (
    <Field label={label} {...(flag === undefined ? {} : { flag })} wide>
      <span class={path === '' ? 'ellipsis muted' : 'ellipsis'} title={path}>
        {path === '' ? none : path.replace(/^.*[\\/]/, '')}
      </span>
      <Button name={l10n.t('Browse… ({0})', label)} onClick={() => void browse()}>
        {l10n.t('Browse…')}
      </Button>
      {path !== '' && (
        <button class="link" aria-label={l10n.t('Remove: {0}', label)} onClick={() => onChange('')}>
          {l10n.t('Remove')}
        </button>
      )}
    </Field>
  );
}

/** A text that is typed, with its label. */
export function TextSetting(
  props: FieldProps & {
    /** Accessible name, where the label is not enough. */
    name?: string;
    value: string;
    placeholder?: string;
    disabled?: boolean;
    /** Takes the whole width. */
    wide?: boolean;
    onChange: (value: string) => void;
  },
) {
  const { label, flag, name = label, value, placeholder, disabled = false, wide = false, onChange } = props;
  return (
    <Field label={label} wide={wide} {...(flag === undefined ? {} : { flag })}>
      <TextField
        value={value}
        label={name}
        disabled={disabled}
        {...(placeholder === undefined ? {} : { placeholder })}
        onInput={onChange}
        width="100%"
      />
    </Field>
  );
}

/** A choice of a few, with its label. */
export function Choice<T extends string>(
  props: FieldProps & {
    /** Accessible name, where the label is not enough. */
    name?: string;
    options: readonly { readonly name: T; readonly label: string }[];
    value: T;
    /** Takes the whole width. */
    wide?: boolean;
    onChange: (value: T) => void;
  },
) {
  const { label, flag, name = label, wide = false } = props;
  return (
    <Field label={label} wide={wide} {...(flag === undefined ? {} : { flag })}>
      <select
        aria-label={name}
        title={flag}
        value={props.value}
        onChange={(event) => props.onChange(event.currentTarget.value as T)}
      >
        {props.options.map((option) => (
          <option key={option.name} value={option.name}>
            {option.label}
          </option>
        ))}
      </select>
    </Field>
  );
}
