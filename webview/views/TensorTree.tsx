import * as l10n from '@vscode/l10n';
import { useMemo, useRef } from 'preact/hooks';
import { useApp, useAppState } from '../context';
import type { Line } from '../lines';
import { lineKey } from '../lineKeys';
import { leavesOf, type TreeNode } from '../tree';
import { useTreeRows, type TreeState } from '../useTreeRows';
import { layOutColumns, type TreeLayout } from '../treeColumns';
import { menuContext, openMenuByKey } from '../rowMenu';
import { useCopy } from '../useCopy';
import { useScroll } from '../useScroll';
import { useSteady } from '../useSteady';
import { useTreeSelection } from '../useTreeSelection';
import { useWidth } from '../useWidth';
import { rowHeight, useVirtualRows } from '../virtualRows';
import { TreeColumns, TreeFilter } from './TreeHead';
import { keyOf, Row } from './TreeRow';

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

function Grid(props: GridProps) {
  const { tree, grid, layout } = props;
  const { selected } = useAppState();
  const { rows, columns, figures } = tree;
  const virtual = useVirtualRows(rows.length, grid, rowHeight);
  const chosen = useMemo(() => new Set(selected), [selected]);
  const { activeIndex, choose } = useTreeSelection(tree, virtual.scrollTo);
  const hidden = [...layout.hidden].join(' ');
  const hands = useHands(props, { activeIndex, choose, scrollTo: virtual.scrollTo, chosen });
  useScroll('tree', grid); // after the selection, which is scrolled to where nothing was left
  useCopy(grid, () => {
    const row = rows[activeIndex];
    return row && namesOf(row, chosen).join('\n');
  });
  return (
    <div
      class="tree-grid"
      role="treegrid"
      aria-label={l10n.t('Tensors')}
      aria-multiselectable="true"
      aria-rowcount={rows.length + 1}
      tabIndex={0}
      ref={grid}
      onKeyDown={hands.onKey}
      onContextMenu={hands.onContextMenu}
      aria-activedescendant={activeIndex >= 0 ? `row-${activeIndex}` : undefined}
      style={{ '--tree-columns': layout.template, '--tree-width': `${layout.minWidth}px` }}
    >
      <TreeColumns tree={tree} layout={layout} />
      <div class="rows" role="rowgroup">
        <div class="canvas" style={{ height: `${virtual.height}px` }}>
          {virtual.rows.map(({ index, start }) => {
            const row = rows[index]!;
            return (
              <Row
                key={keyOf(row.node)}
                {...{ row, index, start, columns, hidden, figures, click: hands.click }}
                plan={tree.planned}
                isSelected={row.node.kind === 'tensor' && chosen.has(row.node.id)}
                isActive={index === activeIndex}
              />
            );
          })}
        </div>
        {rows.length === 0 && <NoRows text={tree.text} />}
      </div>
    </div>
  );
}

function NoRows({ text }: Pick<TreeState, 'text'>) {
  return (
    <p class="empty">
      {text === '' ? l10n.t('The model holds no tensors.') : l10n.t('No tensor matches “{0}”.', text)}
    </p>
  );
}

interface Selection extends ReturnType<typeof useTreeSelection> {
  readonly chosen: ReadonlySet<string>;
  readonly scrollTo: (index: number) => void;
}

/** What clicks, keys and the menu do. */
function useHands({ tree, grid, onOpen }: GridProps, selection: Selection) {
  const { store } = useApp();
  const { model } = useAppState();
  const { rows } = tree;
  const { activeIndex, choose, chosen, scrollTo } = selection;
  const latest = useRef(activeIndex);
  latest.current = activeIndex;
  const toggle = ({ node, open }: TreeRow): void => tree.expand([node.id], open === false);

  const click = useSteady((row: TreeRow, event: MouseEvent): void => {
    choose(row, event);
    if (row.node.kind === 'group') toggle(row);
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
    const isDone = lineKey(event, list, {
      toggle,
      moveTo: (index, isRange) => {
        const row = rows[index];
        if (row) choose(row, { ctrlKey: false, metaKey: false, shiftKey: isRange });
        scrollTo(index);
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
    const element = (event.target as Element).closest<HTMLElement>('.rows .row');
    if (!element) {
      event.preventDefault(); // keys open the menu of the active row themselves
      return;
    }
    const row = rows[Number(element.dataset['index'])];
    if (!row) return;
    if (row.node.kind === 'tensor' && !chosen.has(row.node.id)) store.select([row.node.id]);
    element.dataset['vscodeContext'] = menuContext(row.node.kind, model?.path, tensorsOf(row, chosen));
  };

  return { click, onKey, onContextMenu };
}

/** What a menu of the row acts on: all of a group, the selection, or the row's tensor alone. */
function tensorsOf({ node }: TreeRow, selected: ReadonlySet<string>): string[] {
  if (node.kind === 'group') return leavesOf(node).map(({ id }) => id);
  return selected.has(node.id) ? [...selected] : [node.id];
}

/** The name of a group's module, or those of the tensors. */
function namesOf(row: TreeRow, selected: ReadonlySet<string>): string[] {
  return row.node.kind === 'group' ? [row.node.id.slice(0, -1)] : tensorsOf(row, selected);
}
