import * as l10n from '@vscode/l10n';
import type { Sort, SortColumn } from '../treeRows';
import type { TreeState } from '../useTreeRows';
import { FilterField, FilterStatus } from './FilterField';
import { GroupingSelect } from './GroupingSelect';

/** Filter, grouping and order of the tree. */
export function TreeFilter({ tree, planned }: { tree: TreeState; planned: boolean }) {
  const { filter, text, setText, matched, total, grouping, setGrouping } = tree;
  return (
    <div class="tree-filter">
      <div class="filter-line">
        <FilterField
          text={text}
          setText={setText}
          label={l10n.t('Filter tensors')}
          placeholder={l10n.t('Filter: q_proj & !layers.0')}
        />
        <GroupingSelect label={l10n.t('Order of the tensors')} value={grouping} onChange={setGrouping} />
        <SortSelect tree={tree} planned={planned} />
      </div>
      <FilterStatus filter={filter} matched={matched} total={total} noun="tensor" />
    </div>
  );
}

interface Column {
  readonly id: SortColumn;
  readonly label: string;
  readonly title?: string;
  readonly class?: string;
  /** Numbers are sorted from the largest first. */
  readonly isNumber?: boolean;
}

const columns: readonly Column[] = [
  { id: 'name', label: l10n.t('Name') },
  { id: 'shape', label: l10n.t('Shape'), class: 'shape' },
  { id: 'dtype', label: l10n.t('Dtype'), class: 'dtype' },
  { id: 'parameters', label: l10n.t('Params'), class: 'right parameters', isNumber: true },
  { id: 'bytes', label: l10n.t('Size'), class: 'right bytes', isNumber: true },
  { id: 'bits', label: l10n.t('Bits'), title: l10n.t('Bits per weight'), isNumber: true },
  { id: 'plan', label: l10n.t('Plan'), title: l10n.t('Format that the plan suggests'), isNumber: true },
];

const columnsOf = (planned: boolean): readonly Column[] =>
  planned ? columns : columns.filter(({ id }) => id !== 'plan');

/** The order of groups and tensors by any figure, also one whose column has no room. */
function SortSelect({ tree, planned }: { tree: TreeState; planned: boolean }) {
  const shown = columnsOf(planned);
  const by = (id: string): Column | undefined => shown.find((column) => column.id === id);
  const choose = (id: string): void => {
    const column = by(id);
    tree.setSort(column && { column: column.id, descending: column.isNumber === true });
  };
  return (
    <select
      aria-label={l10n.t('Sort by')}
      title={l10n.t('What groups and tensors are sorted by')}
      value={tree.sort && by(tree.sort.column) ? tree.sort.column : ''}
      onChange={(event) => choose(event.currentTarget.value)}
    >
      <option value="">{l10n.t('Execution')}</option>
      {shown.map(({ id, label }) => (
        <option key={id} value={id}>
          {label}
        </option>
      ))}
    </select>
  );
}

/** Column headers: a click sorts, a second reverses the order, a third restores the order of execution. */
export function TreeColumns({ tree, planned }: { tree: TreeState; planned: boolean }) {
  const { sort, setSort } = tree;
  const next = ({ id, isNumber = false }: Column): Sort | undefined => {
    if (sort?.column !== id) return { column: id, descending: isNumber };
    return sort.descending === isNumber ? { column: id, descending: !isNumber } : undefined;
  };
  return (
    <div class={`row head${planned ? ' planned' : ''}`} role="row">
      {columnsOf(planned).map((column) => (
        <span
          key={column.id}
          role="columnheader"
          aria-sort={orderOf(column.id, sort)}
          class={column.class ?? ''}
        >
          <button
            class={`sorter ${orderOf(column.id, sort)}`}
            title={column.title ?? l10n.t('Sort by {0}', column.label.toLowerCase())}
            onClick={() => setSort(next(column))}
          >
            {column.label}
          </button>
        </span>
      ))}
    </div>
  );
}

function orderOf(column: SortColumn, sort: Sort | undefined): 'none' | 'ascending' | 'descending' {
  if (sort?.column !== column) return 'none';
  return sort.descending ? 'descending' : 'ascending';
}
