import { useMemo } from 'preact/hooks';
import type { Line } from '../lines';
import type { TreeNode } from '../tree';
import { isFigureColumn, type TreeColumn } from '../treeColumns';
import type { TreeFigures } from '../treeFigures';
import type { PlannedBits } from '../treeRows';
import { TreeCells } from './TreeCells';

/** Apart for groups and tensors; names of tensors are not made for it. */
export const keyOf = (node: TreeNode): string | number => (node.kind === 'group' ? node.id : node.index);

interface RowProps {
  readonly row: Line<TreeNode>;
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
  readonly click: (row: Line<TreeNode>, event: MouseEvent) => void;
}

/** Drawn again only where something of it changed: a list that is scrolled has the same rows at the same places. */
export function Row(props: RowProps) {
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
