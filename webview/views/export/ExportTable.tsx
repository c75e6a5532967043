import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { ExportedTensor, ExportPreview, TensorTypeRule } from '../../../src/protocol/export';
import { TextField } from '../../controls';
import { rowHeight, useVirtualRows } from '../../virtualRows';
import { savedState, saveState } from '../../vscodeApi';
import { causes } from './causes';
import { ExportCells } from './ExportCells';
import { filterOf, matching, type TableFilter } from './filter';
import { tally } from './Totals';

interface Props {
  readonly preview: ExportPreview;
  readonly types: readonly string[];
  readonly rules: readonly TensorTypeRule[];
  readonly choose: (tensor: string, type: string) => void;
}

/** Each tensor of the file: from what to what, how large, and why. Only the rows in sight are drawn. */
export function ExportTable({ preview, types, rules, choose }: Props) {
  const { filter, change } = useFilter();
  const rows = useMemo(() => matching(preview.tensors, filter), [preview, filter]);
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualRows(rows.length, scroller);
  const { active, setActive, onKey } = useActiveRow(rows, scroller, (index) =>
    virtual.scrollToIndex(index, { align: 'auto' }),
  );
  return (
    <div class="export-table">
      <div class="filter">
        <TextField
          value={filter.text}
          label="Filter the tensors of the file"
          placeholder="Filter by name, type or reason"
          onInput={(text) => change({ text })}
          width="100%"
        />
        <Different
          preview={preview}
          checked={filter.onlyDifferent}
          onChange={(onlyDifferent) => change({ onlyDifferent })}
        />
      </div>
      <Legend tensors={preview.tensors} />
      <div class="export-row head" aria-hidden="true">
        <span>Tensor</span>
        <span class="from">From</span>
        <span>To</span>
        <span class="right">Size</span>
        <span>Why</span>
      </div>
      <div
        class="rows"
        role="grid"
        aria-label="Tensors of the file"
        aria-rowcount={rows.length}
        aria-colcount={5}
        aria-activedescendant={active < 0 ? undefined : `export-row-${active}`}
        tabIndex={0}
        onKeyDown={onKey}
        ref={scroller}
      >
        <div class="canvas" style={{ height: `${virtual.getTotalSize()}px` }}>
          {virtual.getVirtualItems().map(({ index, start }) => {
            const tensor = rows[index];
            if (!tensor) return null;
            return (
              <div
                key={tensor.name}
                id={`export-row-${index}`}
                role="row"
                aria-rowindex={index + 1}
                data-tensor={tensor.name}
                class={classOf(tensor, index === active)}
                style={{ transform: `translateY(${start}px)` }}
                onClick={() => setActive(tensor.name)}
              >
                <ExportCells {...{ tensor, types, rules, choose }} />
              </div>
            );
          })}
        </div>
        {rows.length === 0 && <p class="empty">No tensor matches.</p>}
      </div>
    </div>
  );
}

/** The row that keys move; Enter goes to its type, Escape comes back. */
function useActiveRow(
  rows: readonly ExportedTensor[],
  scroller: { current: HTMLDivElement | null },
  scrollTo: (index: number) => void,
) {
  const [name, setActive] = useState<string>();
  const active = rows.findIndex((row) => row.name === name);
  const onKey = (event: KeyboardEvent): void => {
    const isInside = event.target !== scroller.current;
    if (isInside) {
      if (event.key === 'Escape') scroller.current?.focus();
      return;
    }
    if (event.key === 'Enter') {
      scroller.current?.querySelector<HTMLSelectElement>(`#export-row-${active} select`)?.focus();
      event.preventDefault();
      return;
    }
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? rowHeight) / rowHeight) - 1);
    const steps: Record<string, number> = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + page,
      PageUp: active - page,
      Home: 0,
      End: rows.length - 1,
    };
    const step = steps[event.key];
    if (step === undefined) return;
    const next = Math.max(0, Math.min(rows.length - 1, step));
    setActive(rows[next]?.name);
    scrollTo(next);
    event.preventDefault();
  };
  return { active, setActive, onKey };
}

function Different(props: {
  preview: ExportPreview;
  checked: boolean;
  onChange: (checked: boolean) => void;
}) {
  const { tensors, preset } = props.preview;
  const count = tensors.filter(({ presetType }) => presetType !== undefined).length;
  return (
    <label>
      <input
        type="checkbox"
        checked={props.checked}
        onChange={(event) => props.onChange(event.currentTarget.checked)}
      />
      <span class="swatch" aria-hidden="true" />
      Only differences
      <span class="muted">
        <span class="preset">from {preset} </span>({count})
      </span>
    </label>
  );
}

/** What the badges mean, and how often each is there. */
function Legend({ tensors }: { tensors: readonly ExportedTensor[] }) {
  return (
    <ul class="legend" aria-label="Why tensors get their types">
      {tally(tensors.map(({ cause }) => cause)).map(([cause, count]) => (
        <li key={cause} title={causes[cause].meaning}>
          <span class={`cause ${cause}`}>{causes[cause].badge}</span> {count}
        </li>
      ))}
    </ul>
  );
}

/** The filter, as it was left when the tab or the editor was hidden. */
function useFilter() {
  const [filter, setFilter] = useState<TableFilter>(() => filterOf(savedState().exportFilter));
  useEffect(() => saveState({ exportFilter: filter }), [filter]);
  const change = (part: Partial<TableFilter>): void => setFilter((now) => ({ ...now, ...part }));
  return { filter, change };
}

const classOf = ({ presetType }: ExportedTensor, isActive: boolean): string =>
  `export-row${presetType === undefined ? '' : ' differs'}${isActive ? ' active' : ''}`;
