import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { useApp, useAppState } from './context';
import type { TensorTable } from '../src/protocol/tensorTable';
import type { Line } from './lines';
import type { TreeNode } from './tree';
import { pathTo } from './treeRows';
import type { TreeState } from './useTreeRows';

/** Which row keys act on, and which tensors are selected. */
export function useTreeSelection(
  { rows, table, tree, expand }: TreeState,
  scrollTo: (index: number) => void,
) {
  const { store } = useApp();
  const { selected } = useAppState();
  const shown = selected[selected.length - 1];
  const [focused, setFocused] = useState<string>();
  /** Where a range began: Shift extends from here, however often. */
  const anchor = useRef(shown);
  const active = focused ?? shown;
  const lineAt = (id: string | undefined): number => lineOf(rows, table, id);
  const activeIndex = useMemo(() => lineAt(active), [rows, active]);
  // Before the next key press: a late call would move the focus back.
  useLayoutEffect(() => {
    if (shown !== undefined) expand(pathTo(tree, table.indexOf(shown)) ?? [], true);
    setFocused(shown);
    if (selected.length === 1) anchor.current = shown;
  }, [shown]);
  useLayoutEffect(() => {
    const index = lineAt(shown);
    if (index >= 0) scrollTo(index);
  }, [shown, tree]);

  const choose = (
    row: Line<TreeNode>,
    keys: { ctrlKey: boolean; metaKey: boolean; shiftKey: boolean },
  ): void => {
    const { id, kind } = row.node;
    setFocused(id);
    if (kind === 'group') return;
    const start = lineAt(anchor.current);
    if (keys.shiftKey && start >= 0) {
      store.select(between(rows, start, rows.indexOf(row)));
      return;
    }
    anchor.current = id;
    if (!keys.ctrlKey && !keys.metaKey) return store.select([id]);
    const others = selected.filter((name) => name !== id);
    const isRemoved = others.length < selected.length && others.length > 0;
    store.select(isRemoved ? others : [...others, id]);
  };
  return { activeIndex, choose };
}

/** Index of the line of a group or a tensor by its id; −1 where it is not shown. */
function lineOf(rows: readonly Line<TreeNode>[], table: TensorTable, id: string | undefined): number {
  const tensor = id === undefined ? -1 : table.indexOf(id);
  return rows.findIndex(({ node }) => (node.kind === 'tensor' ? node.index === tensor : node.id === id));
}

/** Tensors from one row to another; the second comes last, so that it is the one shown. */
function between(rows: readonly Line<TreeNode>[], from: number, to: number): string[] {
  const range = rows.slice(Math.min(from, to), Math.max(from, to) + 1);
  const names = range.flatMap(({ node }) => (node.kind === 'tensor' ? [node.id] : []));
  return from <= to ? names : names.reverse();
}
