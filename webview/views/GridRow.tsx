import { useMemo } from 'preact/hooks';
import type { GridProps } from './grid';
import { isControl } from './gridKeys';

interface RowProps<Line> {
  readonly grid: GridProps<Line>;
  readonly line: Line;
  readonly index: number;
  /** Pixels from the top. */
  readonly start: number;
  readonly isActive: boolean;
  readonly click: (line: Line) => void;
}

/**
 * A line of a table. It is drawn again only where something of it changed: its line, its place, what the table says of it, or the columns, whose
 * cells are functions of the line alone.
 */
export function GridRow<Line>({ grid, line, index, start, isActive, click }: RowProps<Line>) {
  const { id, columns } = grid;
  const open = grid.openOf?.(line);
  const depth = grid.depthOf?.(line);
  const isChosen = grid.isChosen?.(line) ?? false;
  const own = grid.rowClass?.(line) ?? '';
  const title = grid.nameTitle?.(line);
  const data = grid.dataOf?.(line);
  return useMemo(() => {
    const states = [open !== undefined && 'group', isActive && 'active', isChosen && 'chosen', own];
    return (
      <div
        id={`${id}-${index}`}
        role="row"
        aria-rowindex={index + 2}
        aria-level={depth === undefined ? undefined : depth + 1}
        aria-expanded={open}
        aria-selected={isChosen}
        class={['grid-row', ...states].filter(Boolean).join(' ')}
        style={{ top: `${start}px` }}
        data-line={index}
        {...data}
        onClick={(event) => {
          if (!isControl(event.target)) click(line);
        }}
      >
        <span
          role="rowheader"
          class="grid-name"
          title={title}
          style={{ paddingLeft: `${6 + 14 * (depth ?? 0)}px` }}
        >
          {open !== undefined && <span class={open ? 'twist open' : 'twist'} aria-hidden="true" />}
          {grid.name(line)}
        </span>
        {columns.map(({ id: column, cell, cellTitle, tint, align }) => (
          <span
            key={column}
            role="gridcell"
            data-column={column}
            title={cellTitle?.(line)}
            class={align === 'left' ? 'ellipsis' : 'right'}
            style={tint && { background: tint(line) }}
          >
            {cell(line)}
          </span>
        ))}
      </div>
    );
  }, [id, line, columns, index, start, open, depth, isChosen, isActive, own, title, JSON.stringify(data)]);
}
