import * as l10n from '@vscode/l10n';
import type { DataColumn } from '../../src/protocol/dataTable';
import { dataItems, useSaving } from '../useSaving';
import { Menu } from './Menu';

/** What can be done with a table: copy or save all of its lines. */
export function TableMenu(props: {
  title: string;
  /** A tensor or a text that it is about. */
  of?: string;
  columns: () => readonly DataColumn[];
}) {
  const { title, of, columns } = props;
  const saving = useSaving({ title, of });
  return (
    <Menu label={l10n.t('Save or copy: {0}', title)} items={dataItems(saving, 'Table', title, columns)} />
  );
}
