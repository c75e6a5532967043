import type { TreeRow } from './treeRows';

/** What keys do to the tree. */
export interface TreeActions {
  readonly moveTo: (index: number, isRange: boolean) => void;
  readonly expand: (row: TreeRow, isOpen: boolean) => void;
  readonly open: (row: TreeRow) => void;
}

/** Handles a key of the tree; false where it has no effect. `page`: visible rows. */
export function treeKey(
  event: { key: string; shiftKey: boolean },
  rows: readonly TreeRow[],
  active: number,
  page: number,
  { moveTo, expand, open }: TreeActions,
): boolean {
  const steps: Readonly<Record<string, number>> = {
    ArrowDown: active + 1,
    ArrowUp: active - 1,
    PageDown: active + page,
    PageUp: active - page,
    Home: 0,
    End: rows.length - 1,
  };
  const row = rows[active];
  const isGroup = row?.node.kind === 'group';
  const step = steps[event.key];
  if (step !== undefined) moveTo(Math.max(0, Math.min(rows.length - 1, step)), event.shiftKey);
  else if (event.key === 'ArrowRight' && row && isGroup && !row.expanded) expand(row, true);
  else if (event.key === 'ArrowRight') moveTo(Math.min(rows.length - 1, active + 1), false);
  else if (event.key === 'ArrowLeft' && row && isGroup && row.expanded) expand(row, false);
  else if (event.key === 'ArrowLeft') moveTo(parentIndex(rows, active), false);
  else if (event.key === 'Enter' && row && isGroup) expand(row, !row.expanded);
  else if (event.key === 'Enter' && row) open(row);
  else return false;
  return true;
}

function parentIndex(rows: readonly TreeRow[], index: number): number {
  const depth = rows[index]?.depth ?? 0;
  for (let i = index - 1; i >= 0; i--) if (rows[i]!.depth < depth) return i;
  return index;
}
