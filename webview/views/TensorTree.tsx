import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { TensorContext } from '../../src/protocol/webview';
import { useApp, useAppState } from '../context';
import { TextField } from '../controls';
import { bits, count, shapeText, size } from '../format';
import { buildTree, initiallyExpanded, visibleRows, type TreeRow } from '../tree';
import { rowHeight, useVirtualRows } from '../virtualRows';
import { savedState, saveState } from '../vscodeApi';
import { FormatBadge } from './FormatBadge';

/** All tensors by module: filter, keyboard, multi-selection, context menu. Only the rows in sight are drawn. */
export function TensorTree() {
  const { store } = useApp();
  const { model, plan, selected } = useAppState();
  const tensors = model?.tensors ?? [];
  const tree = useMemo(() => buildTree(tensors), [tensors]);
  const [expanded, setExpanded] = useState<ReadonlySet<string>>(() => {
    const saved = savedState().expanded;
    return saved ? new Set(saved) : initiallyExpanded(tree, tensors.length);
  });
  const [filter, setFilter] = useState('');
  const rows = useMemo(() => visibleRows(tree, expanded, filter), [tree, expanded, filter]);
  const [focused, setFocused] = useState<string>();
  const suggested = useMemo(
    () => new Map(plan?.assignments.flatMap((item) => item.sources.map((name) => [name, item]))),
    [plan],
  );
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualRows(rows.length, scroller);
  const matched = rows.filter((row) => row.kind === 'tensor').length;

  /** Where a range began: Shift extends from here, however often. */
  const anchor = useRef(selected[selected.length - 1]);
  const active = focused ?? selected[selected.length - 1];
  const activeIndex = rows.findIndex((row) => row.id === active);
  const shown = selected[selected.length - 1];
  // Before the next key press: a late one would take the focus back to where it was.
  useLayoutEffect(() => {
    const index = rows.findIndex((row) => row.id === shown);
    if (index >= 0) virtual.scrollToIndex(index, { align: 'auto' });
    setFocused(shown);
    if (selected.length === 1) anchor.current = shown;
  }, [shown]);

  const toggle = (row: TreeRow, open?: boolean): void => {
    if (row.kind !== 'group') return;
    const path = row.id.slice(0, -1);
    const next = new Set(expanded);
    if (open ?? !next.has(path)) next.add(path);
    else next.delete(path);
    setExpanded(next);
    saveState({ expanded: [...next] });
  };

  const choose = (row: TreeRow, event: { ctrlKey: boolean; metaKey: boolean; shiftKey: boolean }): void => {
    setFocused(row.id);
    if (row.kind === 'group') return;
    if (event.ctrlKey || event.metaKey) {
      const without = selected.filter((name) => name !== row.id);
      store.select(
        without.length === selected.length || without.length === 0 ? [...without, row.id] : without,
      );
    } else if (event.shiftKey && rows.some(({ id }) => id === anchor.current)) {
      store.select(between(rows, anchor.current ?? row.id, row.id));
      return;
    } else {
      store.select([row.id]);
    }
    anchor.current = row.id;
  };

  const moveTo = (index: number, event: KeyboardEvent): void => {
    const row = rows[Math.max(0, Math.min(rows.length - 1, index))];
    if (!row) return;
    choose(row, { ctrlKey: false, metaKey: false, shiftKey: event.shiftKey });
    virtual.scrollToIndex(rows.indexOf(row), { align: 'auto' });
  };

  const onKey = (event: KeyboardEvent): void => {
    const row = rows[activeIndex];
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? rowHeight) / rowHeight) - 1);
    const steps: Record<string, number> = {
      ArrowDown: activeIndex + 1,
      ArrowUp: activeIndex - 1,
      PageDown: activeIndex + page,
      PageUp: activeIndex - page,
      Home: 0,
      End: rows.length - 1,
    };
    const isGroup = row?.kind === 'group';
    const actions: Record<string, () => void> = {
      ArrowRight: () =>
        row && isGroup && !row.expanded ? toggle(row, true) : moveTo(activeIndex + 1, event),
      ArrowLeft: () =>
        row && isGroup && row.expanded ? toggle(row, false) : moveTo(parentIndex(rows, activeIndex), event),
      Enter: () => (row && isGroup ? toggle(row) : store.update({ tab: 'tensor' })),
    };
    const step = steps[event.key];
    const action = step === undefined ? actions[event.key] : (): void => moveTo(step, event);
    if (!action) return;
    action();
    event.preventDefault();
  };

  return (
    <div class="tree">
      <div class="filter">
        <TextField
          value={filter}
          label="Filter tensors"
          placeholder="Filter by name or dtype"
          onInput={setFilter}
          width="100%"
        />
        <span class="matches">
          {filter ? `${matched} of ${tensors.length}` : `${tensors.length} tensors`}
        </span>
      </div>
      <div class={`row head${plan ? ' planned' : ''}`} role="row">
        <span>Name</span>
        <span class="medium-only">Shape</span>
        <span>Dtype</span>
        <span class="right wide-only">Params</span>
        <span class="right">Size</span>
        <span class="right wide-only" title="Bits per weight">
          bpw
        </span>
        {plan && <span title="Suggested format">Plan</span>}
      </div>
      <div
        class="rows"
        role="treegrid"
        aria-label="Tensors"
        aria-multiselectable="true"
        aria-rowcount={rows.length}
        tabIndex={0}
        ref={scroller}
        onKeyDown={onKey}
        aria-activedescendant={activeIndex >= 0 ? `row-${activeIndex}` : undefined}
      >
        <div class="canvas" style={{ height: `${virtual.getTotalSize()}px` }}>
          {virtual.getVirtualItems().map(({ index, start }) => {
            const row = rows[index];
            if (!row) return null;
            const isSelected = selected.includes(row.id);
            return (
              <div
                key={row.id}
                id={`row-${index}`}
                role="row"
                aria-rowindex={index + 1}
                aria-level={row.depth + 1}
                aria-selected={isSelected}
                aria-expanded={row.kind === 'group' ? row.expanded : undefined}
                data-name={row.id}
                class={`row ${row.kind}${plan ? ' planned' : ''}${isSelected ? ' selected' : ''}${row.id === active ? ' active' : ''}`}
                style={{ transform: `translateY(${start}px)` }}
                data-vscode-context={
                  row.kind === 'tensor' ? contextOf(model?.path ?? '', row.id, selected) : undefined
                }
                onClick={(event) => {
                  choose(row, event);
                  toggle(row);
                }}
                onContextMenu={() => row.kind === 'tensor' && !isSelected && store.select([row.id])}
              >
                <Cells row={row} format={suggested.get(row.id)?.format} planned={plan !== undefined} />
              </div>
            );
          })}
        </div>
        {rows.length === 0 && <p class="empty">No tensor matches “{filter}”.</p>}
      </div>
    </div>
  );
}

function Cells({ row, format, planned }: { row: TreeRow; format: string | undefined; planned: boolean }) {
  const indent = { paddingLeft: `${row.depth * 14}px` };
  if (row.kind === 'group') {
    return (
      <>
        <span role="gridcell" class="name" style={indent}>
          <span class={row.expanded ? 'twist open' : 'twist'} aria-hidden="true" />
          {row.label}
        </span>
        <span role="gridcell" class="muted medium-only">
          {row.tensors} tensors
        </span>
        <span />
        <span role="gridcell" class="right muted wide-only">
          {count(row.parameters)}
        </span>
        <span role="gridcell" class="right muted">
          {size(row.bytes)}
        </span>
        <span role="gridcell" class="right muted wide-only">
          {row.parameters > 0 ? bits((8 * row.bytes) / row.parameters) : ''}
        </span>
        {planned && <span />}
      </>
    );
  }
  const { tensor } = row;
  return (
    <>
      <span
        role="gridcell"
        class="name"
        style={indent}
        title={tensor.unreadableReason ? `${tensor.name}: ${tensor.unreadableReason}` : tensor.name}
      >
        <span class={tensor.readable ? 'leaf' : 'leaf unreadable'} aria-hidden="true" />
        {row.label}
      </span>
      <span role="gridcell" class="medium-only">
        {shapeText(tensor.shape)}
      </span>
      <span role="gridcell">{tensor.dtype}</span>
      <span role="gridcell" class="right wide-only">
        {count(tensor.elements)}
      </span>
      <span role="gridcell" class="right">
        {size(tensor.byteLength)}
      </span>
      <span role="gridcell" class="right wide-only">
        {tensor.elements > 0 ? bits((8 * tensor.byteLength) / tensor.elements) : ''}
      </span>
      {planned && <span role="gridcell">{format && <FormatBadge format={format} />}</span>}
    </>
  );
}

function contextOf(model: string, name: string, selected: readonly string[]): string {
  const context: TensorContext = {
    webviewSection: 'tensor',
    preventDefaultContextMenuItems: true,
    quantscopeModel: model,
    quantscopeTensors: selected.includes(name) ? selected : [name],
  };
  return JSON.stringify(context);
}

/** Tensors from one row to another; the second comes last, so that it is the one shown. */
function between(rows: readonly TreeRow[], from: string, to: string): string[] {
  const a = rows.findIndex((row) => row.id === from);
  const b = rows.findIndex((row) => row.id === to);
  const range = rows.slice(Math.min(a, b), Math.max(a, b) + 1).filter((row) => row.kind === 'tensor');
  const names = range.map((row) => row.id);
  return a <= b ? names : names.reverse();
}

function parentIndex(rows: readonly TreeRow[], index: number): number {
  const depth = rows[index]?.depth ?? 0;
  for (let i = index - 1; i >= 0; i--) if (rows[i]!.depth < depth) return i;
  return index;
}
