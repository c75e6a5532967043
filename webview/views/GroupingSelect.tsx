import * as l10n from '@vscode/l10n';
import type { Grouping } from '../../src/protocol/places';
import type { TreeGrouping } from '../tensorPaths';

const labels: Readonly<Record<TreeGrouping, string>> = {
  layer: l10n.t('By layer'),
  folded: l10n.t('Blocks folded'),
  role: l10n.t('By role'),
  none: l10n.t('List'),
};

/** Groupings that there are of a table. */
export const tableGroupings: readonly Grouping[] = ['layer', 'role', 'none'];
/** And of the tree. */
export const treeGroupings: readonly TreeGrouping[] = ['layer', 'folded', 'role', 'none'];

/** How a list of tensors is grouped. */
export function GroupingSelect<G extends TreeGrouping>(props: {
  label: string;
  groupings: readonly G[];
  value: G;
  onChange: (value: G) => void;
}) {
  return (
    <select
      aria-label={props.label}
      value={props.value}
      onChange={(event) => props.onChange(event.currentTarget.value as G)}
    >
      {props.groupings.map((id) => (
        <option key={id} value={id}>
          {labels[id]}
        </option>
      ))}
    </select>
  );
}
