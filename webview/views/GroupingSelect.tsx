import * as l10n from '@vscode/l10n';
import type { Grouping } from '../../src/protocol/places';

const groupings: readonly { readonly id: Grouping; readonly label: string }[] = [
  { id: 'layer', label: l10n.t('By layer') },
  { id: 'role', label: l10n.t('By role') },
  { id: 'none', label: l10n.t('List') },
];

/** How a list of tensors is grouped. */
export function GroupingSelect(props: {
  label: string;
  value: Grouping;
  onChange: (value: Grouping) => void;
}) {
  return (
    <select
      aria-label={props.label}
      value={props.value}
      onChange={(event) => props.onChange(event.currentTarget.value as Grouping)}
    >
      {groupings.map(({ id, label }) => (
        <option key={id} value={id}>
          {label}
        </option>
      ))}
    </select>
  );
}
