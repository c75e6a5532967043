import * as l10n from '@vscode/l10n';
import { columnsWith, isFigureColumn, toggled, type TreeColumn, type TreeLayout } from '../treeColumns';
import type { TreeState } from '../useTreeRows';
import { Menu, type MenuItem } from './Menu';

/** What a column without a figure needs. */
const unknown = {
  measured: l10n.t('Not known yet: a sensitivity run measures it (Plan page).'),
  scanned: l10n.t('Not known yet: a scan of the model measures it (Model page).'),
} as const;

/** Which columns the tree has. */
export function TreeColumnMenu(props: { tree: TreeState; layout: TreeLayout; planned: boolean }) {
  const { tree, layout, planned } = props;
  const { columns, chosen, choose, figures } = tree;
  const titleOf = ({ id, title }: TreeColumn, isShown: boolean): string | undefined => {
    if (layout.hidden.has(id)) return l10n.t('There is no room for it: it is shown where the tree is wider.');
    const isUnknown = isShown && isFigureColumn(id) && figures.hintOf(id) === undefined;
    return isUnknown
      ? unknown[id === 'error' || id === 'gain' ? 'measured' : 'scanned']
      : (figures.hintOf(id) ?? title);
  };
  const items = columnsWith(planned).flatMap((column): MenuItem[] => {
    if (column.id === 'name') return [];
    const checked = columns.includes(column);
    const title = titleOf(column, checked);
    return [{ label: column.label, title, checked, run: () => choose((now) => toggled(now, column.id)) }];
  });
  const usual = { label: l10n.t('Usual columns'), disabled: chosen === undefined };
  return (
    <Menu
      label={l10n.t('Columns of the tree')}
      items={[...items, { ...usual, run: () => choose(undefined) }]}
    >
      <svg class="columns-sign" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
        <path d="M2.5 3.5h11v9h-11z M6.2 3.5v9 M9.8 3.5v9" />
      </svg>
    </Menu>
  );
}
