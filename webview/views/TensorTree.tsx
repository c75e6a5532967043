import * as l10n from '@vscode/l10n';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { useApp, useAppState } from '../context';
import type { TensorTable } from '../../src/protocol/tensorTable';
import type { Line } from '../lines';
import { lineKey } from '../lineKeys';
import { leavesOf, type TreeNode } from '../tree';
import { pathTo, type PlannedBits } from '../treeRows';
import { useTreeRows, type TreeState } from '../useTreeRows';
import { isFigureColumn, layOutColumns, type TreeColumn, type TreeLayout } from '../treeColumns';
import type { TreeFigures } from '../treeFigures';
import { menuContext, openMenuByKey } from '../rowMenu';
import { useScroll } from '../useScroll';
import { useWidth } from '../useWidth';
import { rowHeight, useVirtualRows } from '../virtualRows';
import { TreeCells } from './TreeCells';
import { TreeColumns, TreeFilter } from './TreeHead';

type TreeRow = Line<TreeNode>;

/**
 * All tensors of the model: filter, sort, groups, keyboard, multi-selection, context menu. Only visible rows are rendered.
 * @param onOpen called when the user opens a tensor.
 */
export function TensorTree({ onOpen }: { onOpen?: () => void }) {
  const { model, plan } = useAppState();
  const tree = useTreeRows(model!.table, plan);
  const grid = useRef<HTMLDivElement>(null);
  const width = useWidth(grid);
  const layout = useMemo(() => layOutColumns(tree.columns, width), [tree.columns, width]);
  return (
    <div class="tree">
      <TreeFilter {...{ tree, layout }} planned={plan !== undefined} />
      <Grid {...{ tree, grid, layout, onOpen }} />
    </div>
  );
}

interface GridProps {
  readonly tree: TreeState;
  /** The element that scrolls. */
  readonly grid: { current: HTMLDivElement | null };
  readonly layout: TreeLayout;
  readonly onOpen: (() => void) | undefined;
}

function Grid({ tree, grid, layout, onOpen }: GridProps) {
  const { store } = useApp();
  const { model, selected } = useAppState();
  const { rows, columns, figures } = tree;
  const virtual = useVirtualRows(rows.length, grid, rowHeight);
  const hidden = [...layout.hidden].join(' ');
  const chosen = useMemo(() => new Set(selected), [selected]);
  const selection = useSelection(tree, (index) => virtual.scrollToIndex(index, { align: 'auto' }));
  const { activeIndex, choose } = selection;
  const latest = useRef(activeIndex);
  latest.current = activeIndex;
  const contextOf = (row: TreeRow): string => menuContext(row.node.kind, model?.path, tensorsOf(row, chosen));
  useScroll('tree', grid); // after the selection, which is scrolled to where nothing was left
  useCopy(grid, () => {
    const row = rows[activeIndex];
    return row && namesOf(row, chosen).join('\n');
  });

  const click = useSteady((row: TreeRow, event: MouseEvent): void => {
    choose(row, event);
    if (row.node.kind === 'group') tree.expand([row.node.id], row.open === false);
    else if (!event.ctrlKey && !event.metaKey && !event.shiftKey) onOpen?.();
  });

  const onKey = (event: KeyboardEvent): void => {
    if (event.target !== event.currentTarget) return;
    if (openMenuByKey(event, () => document.getElementById(`row-${latest.current}`))) return;
    const page = Math.max(1, Math.floor((grid.current?.clientHeight ?? rowHeight) / rowHeight) - 1);
    const list = {
      ...{ lines: rows, active: activeIndex, page },
      openOf: ({ open }: TreeRow) => open,
      depthOf: ({ depth }: TreeRow) => depth,
    };
    const toggle = (row: TreeRow): void => tree.expand([row.node.id], row.open === false);
    const isDone = lineKey(event, list, {
      toggle,
      moveTo: (index, isRange) => {
        const row = rows[index];
        if (row) choose(row, { ctrlKey: false, metaKey: false, shiftKey: isRange });
        virtual.scrollToIndex(index, { align: 'auto' });
      },
      enter: (row) => {
        if (row.open !== undefined) return toggle(row);
        store.update({ tab: 'tensor' });
        onOpen?.();
      },
    });
    if (isDone) event.preventDefault();
  };

  /** The menu is about the row that the event is on: VS Code reads the context off the target. */
  const onContextMenu = (event: MouseEvent): void => {
    const target = event.target as Element;
    const element = target.closest<HTMLElement>('.rows .row');
    if (!element) {
      event.preventDefault(); // keys open the menu of the active row themselves
      return;
    }
    const row = rows[Number(element.dataset['index'])];
    if (!row) return;
    if (row.node.kind === 'tensor' && !chosen.has(row.node.id)) store.select([row.node.id]);
    element.dataset['vscodeContext'] = contextOf(row);
  };

  return (
    <div
      class="tree-grid"
      role="treegrid"
      aria-label={l10n.t('Tensors')}
      aria-multiselectable="true"
      aria-rowcount={rows.length + 1}
      tabIndex={0}
      ref={grid}
      onKeyDown={onKey}
      onContextMenu={onContextMenu}
      aria-activedescendant={activeIndex >= 0 ? `row-${activeIndex}` : undefined}
      style={{ '--tree-columns': layout.template, '--tree-width': `${layout.minWidth}px` }}
    >
      <TreeColumns tree={tree} layout={layout} />
      <div class="rows" role="rowgroup">
        <div class="canvas" style={{ height: `${virtual.getTotalSize()}px` }}>
          {virtual.getVirtualItems().map(({ index, start }) => {
            const row = rows[index];
            return (
              row && (
                <Row
                  key={keyOf(row.node)}
                  {...{ row, index, start, columns, hidden, figures, click }}
                  plan={tree.planned}
                  isSelected={row.node.kind === 'tensor' && chosen.has(row.node.id)}
                  isActive={index === activeIndex}
                />
              )
            );
          })}
        </div>
        {rows.length === 0 && (
          <p class="empty">
            {tree.text === ''
              ? l10n.t('The model holds no tensors.')
              : l10n.t('No tensor matches “{0}”.', tree.text)}
          </p>
        )}
      </div>
    </div>
  );
}

/** Apart for groups and tensors; names of tensors are not made for it. */
const keyOf = (node: TreeNode): string | number => (node.kind === 'group' ? node.id : node.index);

interface RowProps {
  readonly row: TreeRow;
  readonly index: number;
  /** Pixels from the top. */
  readonly start: number;
  readonly columns: readonly TreeColumn[];
  /** Ids of columns without room, with spaces between them. */
  readonly hidden: string;
  /** What a plan gives the row. */
  readonly plan: PlannedBits;
  readonly figures: TreeFigures;
  readonly isSelected: boolean;
  readonly isActive: boolean;
  readonly click: (row: TreeRow, event: MouseEvent) => void;
}

/** Drawn again only where something of it changed: a list that is scrolled has the same rows at the same places. */
function Row(props: RowProps) {
  const { row, index, start, columns, hidden, plan, figures, isSelected, isActive, click } = props;
  const { node, depth, open } = row;
  const texts = useMemo(
    () =>
      new Map(
        columns.flatMap(({ id }) => (isFigureColumn(id) ? [[id, figures.textOf(id, node)] as const] : [])),
      ),
    [node, columns, figures],
  );
  const figuresRead = [...texts.values()].map(({ text, title }) => `${text} ${title}`).join();
  return useMemo(() => {
    const states = [isSelected && 'selected', isActive && 'active'];
    return (
      <div
        id={`row-${index}`}
        role="row"
        aria-rowindex={index + 2}
        aria-level={depth + 1}
        aria-selected={isSelected}
        aria-expanded={open}
        data-name={node.id}
        data-index={index}
        class={['row', node.kind, ...states].filter(Boolean).join(' ')}
        style={{ transform: `translateY(${start}px)` }}
        onClick={(event) => click(row, event)}
      >
        <TreeCells {...{ row, columns, plan }} hidden={new Set(hidden.split(' '))} figures={texts} />
      </div>
    );
  }, [row, index, start, columns, hidden, plan, figuresRead, isSelected, isActive, click]);
}

/** A function that stays the same and does what the latest one does. */
function useSteady<A extends unknown[]>(latest: (...args: A) => void): (...args: A) => void {
  const current = useRef(latest);
  current.current = latest;
  return useMemo(
    () =>
      (...args: A) =>
        current.current(...args),
    [],
  );
}

/** Which row keys act on, and which tensors are selected. */
function useSelection({ rows, table, tree, expand }: TreeState, scrollTo: (index: number) => void) {
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

  const choose = (row: TreeRow, keys: { ctrlKey: boolean; metaKey: boolean; shiftKey: boolean }): void => {
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
function lineOf(rows: readonly TreeRow[], table: TensorTable, id: string | undefined): number {
  const tensor = id === undefined ? -1 : table.indexOf(id);
  return rows.findIndex(({ node }) => (node.kind === 'tensor' ? node.index === tensor : node.id === id));
}

/** Tensors from one row to another; the second comes last, so that it is the one shown. */
function between(rows: readonly TreeRow[], from: number, to: number): string[] {
  const range = rows.slice(Math.min(from, to), Math.max(from, to) + 1);
  const names = range.flatMap(({ node }) => (node.kind === 'tensor' ? [node.id] : []));
  return from <= to ? names : names.reverse();
}

/** What a menu of the row acts on: all of a group, the selection, or the row's tensor alone. */
function tensorsOf({ node }: TreeRow, selected: ReadonlySet<string>): string[] {
  if (node.kind === 'group') return [...leavesOf(node)].map(({ id }) => id);
  return selected.has(node.id) ? [...selected] : [node.id];
}

/** The name of a group's module, or those of the tensors. */
function namesOf(row: TreeRow, selected: ReadonlySet<string>): string[] {
  return row.node.kind === 'group' ? [row.node.id.slice(0, -1)] : tensorsOf(row, selected);
}

/** Puts a text on the clipboard when the user copies while the element has the focus and no text is selected. */
function useCopy(element: { current: HTMLElement | null }, text: () => string | undefined): void {
  const latest = useRef(text);
  latest.current = text;
  useEffect(() => {
    const copy = (event: ClipboardEvent): void => {
      if (document.activeElement !== element.current || !getSelection()?.isCollapsed) return;
      const copied = latest.current();
      if (copied === undefined) return;
      event.clipboardData?.setData('text/plain', copied);
      event.preventDefault();
    };
    document.addEventListener('copy', copy);
    return () => document.removeEventListener('copy', copy);
  }, []);
}
