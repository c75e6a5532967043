import { useRef, useState } from 'preact/hooks';
import type { ExportedTensor, ExportPreview, TensorTypeRule } from '../../../src/protocol/export';
import { TextField } from '../../controls';
import { size } from '../../format';
import { useVirtualRows } from '../../virtualRows';
import { FormatBadge } from '../FormatBadge';
import { patternOf } from './form';
import { TypeSelect } from './Options';

interface Props {
  readonly preview: ExportPreview;
  readonly types: readonly string[];
  readonly rules: readonly TensorTypeRule[];
  readonly choose: (tensor: string, type: string) => void;
}

/** Each tensor of the file: from what to what, how large, and why. Only the rows in sight are drawn. */
export function ExportTable({ preview, types, rules, choose }: Props) {
  const [filter, setFilter] = useState('');
  const [onlyDifferent, setOnlyDifferent] = useState(false);
  const [editing, setEditing] = useState<string>();
  const scroller = useRef<HTMLDivElement>(null);
  const words = filter.toLowerCase().split(/\s+/);
  const different = preview.tensors.filter(({ presetType }) => presetType !== undefined).length;
  const rows = preview.tensors.filter(
    (tensor) =>
      (!onlyDifferent || tensor.presetType !== undefined) &&
      words.every((word) => `${tensor.name} ${tensor.to} ${tensor.reason}`.toLowerCase().includes(word)),
  );
  const virtual = useVirtualRows(rows.length, scroller);
  return (
    <div class="export-table">
      <div class="filter">
        <TextField
          value={filter}
          label="Filter the tensors of the file"
          placeholder="Filter by name, type or reason"
          onInput={setFilter}
          width="100%"
        />
        <label>
          <input
            type="checkbox"
            checked={onlyDifferent}
            onChange={(event) => setOnlyDifferent(event.currentTarget.checked)}
          />
          Only differences from {preview.preset} ({different})
        </label>
      </div>
      <div class="export-row head" role="row">
        <span>Tensor</span>
        <span>From</span>
        <span>To</span>
        <span class="right">Size</span>
        <span>Why</span>
      </div>
      <div
        class="rows"
        role="grid"
        aria-label="Tensors of the file"
        aria-rowcount={rows.length}
        ref={scroller}
      >
        <div class="canvas" style={{ height: `${virtual.getTotalSize()}px` }}>
          {virtual.getVirtualItems().map(({ index, start }) => {
            const tensor = rows[index];
            if (!tensor) return null;
            return (
              <div
                key={tensor.name}
                role="row"
                aria-rowindex={index + 1}
                data-tensor={tensor.name}
                class={`export-row${tensor.presetType === undefined ? '' : ' differs'}`}
                style={{ transform: `translateY(${start}px)` }}
              >
                <span role="gridcell" class="ellipsis" title={sourceOf(tensor)}>
                  {tensor.name}
                </span>
                <span role="gridcell" class="muted">
                  {tensor.from}
                </span>
                <span role="gridcell">
                  {editing === tensor.name ? (
                    <TypeSelect
                      label={`Type of ${tensor.name}`}
                      value={rules.find(({ pattern }) => pattern === patternOf(tensor.name))?.type ?? ''}
                      types={types}
                      none="no rule"
                      onChange={(type) => {
                        choose(tensor.name, type);
                        setEditing(undefined);
                      }}
                    />
                  ) : (
                    <button
                      class="cell"
                      title="Choose another type"
                      aria-label={`${tensor.to}: choose another type for ${tensor.name}`}
                      disabled={tensor.cause === 'kept' || tensor.cause === 'computed'}
                      onClick={() => setEditing(tensor.name)}
                    >
                      {tensor.presetType !== undefined && <span class="muted">{tensor.presetType} → </span>}
                      <FormatBadge format={tensor.to} />
                    </button>
                  )}
                </span>
                <span role="gridcell" class="right">
                  {size(tensor.bytes)}
                </span>
                <span role="gridcell" class="ellipsis muted" title={tensor.reason}>
                  {tensor.reason}
                </span>
              </div>
            );
          })}
        </div>
        {rows.length === 0 && <p class="empty">No tensor matches.</p>}
      </div>
    </div>
  );
}

function sourceOf({ name, source, sources, shape }: ExportedTensor): string {
  const from = sources > 1 ? `${source} and ${sources - 1} more` : source;
  return `${name} [${shape.join(', ')}], from ${from}`;
}
