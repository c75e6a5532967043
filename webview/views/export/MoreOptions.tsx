import * as l10n from '@vscode/l10n';
import { TextField } from '../../controls';
import { Field, TextSetting } from '../fields';
import type { FormProps } from './fields';
import type { ExportForm } from './form';

const texts = [
  {
    key: 'includeWeights',
    label: l10n.t('Importance only for'),
    flag: '--include-weights',
    placeholder: l10n.t('parts of tensor names'),
  },
  {
    key: 'excludeWeights',
    label: l10n.t('No importance for'),
    flag: '--exclude-weights',
    placeholder: l10n.t('parts of tensor names'),
  },
  {
    key: 'pruneLayers',
    label: l10n.t('Leave out blocks'),
    flag: '--prune-layers',
    placeholder: l10n.t('numbers, e.g. 20, 21'),
  },
] as const;

const splits: readonly { kind: ExportForm['split']; label: string }[] = [
  { kind: 'none', label: l10n.t('One file') },
  { kind: 'keep', label: l10n.t('The parts of the source') },
  { kind: 'bytes', label: l10n.t('Parts of at most … MB') },
  { kind: 'tensors', label: l10n.t('Parts of at most … tensors') },
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
      <Field label={l10n.t('Key-values')} flag="--override-kv" wide>
        <textarea
          aria-label={l10n.t('Overridden key-values')}
          placeholder={l10n.t('KEY=int|float|bool|str:VALUE, one per line')}
          rows={2}
          value={form.overrides}
          onInput={(event) => change({ overrides: event.currentTarget.value })}
        />
      </Field>
      <Field label={l10n.t('Files')} flag={l10n.t('--keep-split; gguf-split for the others')} wide>
        <select
          aria-label={l10n.t('Split into files')}
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
            label={form.split === 'bytes' ? l10n.t('Megabytes per part') : l10n.t('Tensors per part')}
            placeholder={form.split === 'bytes' ? 'MB' : l10n.t('number')}
            onInput={(splitLimit) => change({ splitLimit })}
            width="90px"
          />
        )}
      </Field>
    </>
  );
}
