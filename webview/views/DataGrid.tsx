import { useRef } from 'preact/hooks';
import { openMenuByKey } from '../rowMenu';
import { useSteady } from '../useSteady';
import { rowHeight, useVirtualRows } from '../virtualRows';
import { gridData, type GridColumn, type GridProps } from './grid';
import { useActiveLine } from './gridKeys';
import { GridRow } from './GridRow';
import { TableMenu } from './TableMenu';

/** Height of a scroll bar and the border (pixels). */
const scrollBar = 14;

/**
 * A table of any length that renders only visible rows. Header and names stay visible while the rest scrolls; keys move
 * an active row, Enter goes to its control where it has one and Escape comes back.
 */
export function DataGrid<Line>(props: GridProps<Line>) {
  const { id, lines, columns, keyOf } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualRows(lines.length, scroller, rowHeight);
  const { active, setActive, onKey } = useActiveLine(props, scroller, virtual.scrollTo);
  const activeLine = lines[active];
  const latest = useRef(active);
  latest.current = active;
  const click = useSteady((line: Line): void => {
    setActive(keyOf(line));
    if (props.openOf?.(line) === undefined) props.choose(line);
    else props.toggle?.(line);
  });
  return (
    <>
      <div class="grid-tools">
        <TableMenu title={props.label} columns={props.savedColumns ?? (() => gridData(props))} />
      </div>
      <div
        class="grid"
        role={props.openOf ? 'treegrid' : 'grid'}
        aria-label={props.label}
        aria-rowcount={lines.length + 1}
        aria-colcount={columns.length + 1}
        aria-activedescendant={activeLine ? `${id}-${active}` : undefined}
        tabIndex={0}
        ref={scroller}
        // A short table takes only the room of its rows and a scroll bar.
        style={{ maxHeight: `${Math.max(3 * rowHeight, virtual.height) + scrollBar}px` }}
        onKeyDown={(event) => {
          const isOwn = event.target === event.currentTarget;
          if (isOwn && openMenuByKey(event, () => document.getElementById(`${id}-${latest.current}`))) return;
          onKey(event);
        }}
        onContextMenu={(event) => {
          const row = (event.target as Element).closest<HTMLElement>('[data-line]');
          const line = row && lines[Number(row.dataset['line'])];
          if (!line) return event.preventDefault(); // keys open the menu of the active line themselves
          setActive(keyOf(line));
          if (props.contextOf) event.currentTarget.dataset['vscodeContext'] = props.contextOf(line);
        }}
      >
        <div class="grid-canvas" style={{ ...layoutOf(columns), height: `${virtual.height}px` }}>
          <Head {...props} />
          {virtual.rows.map(({ index, start }) => {
            const line = lines[index]!;
            return (
              <GridRow
                key={keyOf(line)}
                {...{ grid: props, line, index, start, isActive: index === active, click }}
              />
            );
          })}
        </div>
        {lines.length === 0 && <p class="empty">{props.empty}</p>}
      </div>
    </>
  );
}

/** An empty text would be written again at every drawing. */
const arrows = { none: undefined, ascending: ' ↑', descending: ' ↓' } as const;

function Head<Line>({ nameLabel, columns, order, reorder }: GridProps<Line>) {
  return (
    <div class="grid-row grid-head" role="row" aria-rowindex={1}>
      <span role="columnheader" class="grid-name">
        {nameLabel}
      </span>
      {columns.map(({ id, label, title, align }) => {
        const sort = order?.column !== id ? 'none' : order.descending ? 'descending' : 'ascending';
        return (
          <span
            key={id}
            role="columnheader"
            title={title}
            aria-sort={reorder && sort}
            class={align === 'left' ? 'ellipsis' : 'right'}
          >
            {reorder ? (
              <button onClick={() => reorder(id)}>
                {label}
                <span aria-hidden="true">{arrows[sort]}</span>
              </button>
            ) : (
              label
            )}
          </span>
        );
      })}
    </div>
  );
}

/** Columns, and the minimum width at which all are readable. */
function layoutOf<Line>(columns: readonly GridColumn<Line>[]): Record<string, string> {
  const widths = columns.map(({ width, grows }) => (grows ? `minmax(${width}px, 1.3fr)` : `${width}px`));
  const sum = columns.reduce((total, { width }) => total + width, 0);
  return {
    '--grid-columns': `minmax(var(--grid-name), 1fr) ${widths.join(' ')}`,
    'min-width': `calc(var(--grid-name) + ${sum}px)`,
  };
}
