import * as l10n from '@vscode/l10n';
import { useMemo, useState } from 'preact/hooks';
import type { ExportedTensor, ExportPreview, TensorTypeRule } from '../../../src/protocol/export';
import { useAppState } from '../../context';
import { menuContext } from '../../rowMenu';
import { usePersistentForm } from '../../usePersistent';
import { causes } from './causes';
import { TensorName } from '../TensorName';
import { DataGrid } from '../DataGrid';
import { FilterField, FilterStatus } from '../FilterField';
import { columnsOf, sourceOf } from './ExportCells';
import { matching, noFilter, type TableFilter } from './filter';
import { tally } from './Totals';

interface Props {
  readonly preview: ExportPreview;
  readonly types: readonly string[];
  readonly rules: readonly TensorTypeRule[];
  readonly choose: (tensor: string, type: string) => void;
}

/** Each tensor of the file: from what to what, how large, and why. Only visible rows are rendered. */
export function ExportTable({ preview, types, rules, choose }: Props) {
  const { model } = useAppState();
  const { filter, change } = useFilter();
  const { filter: parsed, rows } = useMemo(() => matching(preview.tensors, filter), [preview, filter]);
  const columns = useMemo(() => columnsOf({ types, rules, choose }), [types, rules, choose]);
  const [active, setActive] = useState<string>();
  return (
    <div class="export-table">
      <div class="filter">
        <FilterField
          text={filter.text}
          setText={(text) => change({ text })}
          label={l10n.t('Filter the tensors of the file')}
          placeholder={l10n.t('Filter by name, type or reason')}
        />
        <Different
          preview={preview}
          checked={filter.onlyDifferent}
          onChange={(onlyDifferent) => change({ onlyDifferent })}
        />
      </div>
      {parsed.kind === 'all' ? (
        <Legend tensors={preview.tensors} />
      ) : (
        <FilterStatus filter={parsed} matched={rows.length} total={preview.tensors.length} noun="tensor" />
      )}
      <DataGrid
        id="export"
        label={l10n.t('Tensors of the file')}
        nameLabel={l10n.t('Tensor')}
        lines={rows}
        columns={columns}
        keyOf={({ name }) => name}
        name={({ name }) => <TensorName name={name} />}
        nameTitle={sourceOf}
        choose={({ name }) => setActive(name)}
        isChosen={({ name }) => name === active}
        rowClass={({ presetType }) => (presetType === undefined ? '' : 'differs')}
        dataOf={({ name }) => ({ 'data-tensor': name })}
        contextOf={({ name, source, cause }) =>
          cause === 'computed'
            ? menuContext('name', model?.path, [], [name])
            : menuContext('tensor', model?.path, [source], [name])
        }
        empty={l10n.t('No tensor matches.')}
      />
    </div>
  );
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
      {l10n.t('Only differences')}
      <span class="muted">
        <span class="preset">{l10n.t('from {0}', preset)} </span>({count})
      </span>
    </label>
  );
}

/** What the badges mean, and how often each occurs. */
function Legend({ tensors }: { tensors: readonly ExportedTensor[] }) {
  return (
    <ul class="legend" aria-label={l10n.t('Why tensors get their types')}>
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
  const [filter, setFilter] = usePersistentForm('export.filter', noFilter);
  const change = (part: Partial<TableFilter>): void => setFilter((now) => ({ ...now, ...part }));
  return { filter, change };
}
