import { TextField } from '../../controls';
import { Field, TextSetting } from '../fields';
import type { FormProps } from './fields';
import type { ExportForm } from './form';

const texts = [
  {
    key: 'includeWeights',
    label: 'Importance only for',
    flag: '--include-weights',
    placeholder: 'parts of tensor names',
  },
  {
    key: 'excludeWeights',
    label: 'No importance for',
    flag: '--exclude-weights',
    placeholder: 'parts of tensor names',
  },
  {
    key: 'pruneLayers',
    label: 'Leave out blocks',
    flag: '--prune-layers',
    placeholder: 'numbers, e.g. 20, 21',
  },
] as const;

const splits: readonly { kind: ExportForm['split']; label: string }[] = [
  { kind: 'none', label: 'One file' },
  { kind: 'keep', label: 'The parts of the source' },
  { kind: 'bytes', label: 'Parts of at most … MB' },
  { kind: 'tensors', label: 'Parts of at most … tensors' },
];

/** Options that are rarely set. */
export function MoreOptions({ form, change }: FormProps) {
  return (
    <>
      {texts.map(({ key, ...field }) => (
        <TextSetting
          key={key}
          {...field}
          wide
          value={form[key]}
          onChange={(value) => change({ [key]: value })}
        />
      ))}
      <Field label="Key-values" flag="--override-kv" wide>
        <textarea
          aria-label="Overridden key-values"
          placeholder="KEY=int|float|bool|str:VALUE, one per line"
          rows={2}
          value={form.overrides}
          onInput={(event) => change({ overrides: event.currentTarget.value })}
        />
      </Field>
      <Field label="Files" flag="--keep-split; gguf-split for the others" wide>
        <select
          aria-label="Split into files"
          value={form.split}
          onChange={(event) => change({ split: event.currentTarget.value as ExportForm['split'] })}
        >
          {splits.map(({ kind, label }) => (
            <option key={kind} value={kind}>
              {label}
            </option>
          ))}
        </select>
        {(form.split === 'bytes' || form.split === 'tensors') && (
          <TextField
            value={form.splitLimit}
            label={form.split === 'bytes' ? 'Megabytes per part' : 'Tensors per part'}
            placeholder={form.split === 'bytes' ? 'MB' : 'number'}
            onInput={(splitLimit) => change({ splitLimit })}
            width="90px"
          />
        )}
      </Field>
    </>
  );
}
