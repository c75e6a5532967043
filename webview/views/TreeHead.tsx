import * as l10n from '@vscode/l10n';
import { columnsWith, type TreeColumn, type TreeColumnId, type TreeLayout } from '../treeColumns';
import type { Sort } from '../treeRows';
import type { TreeState } from '../useTreeRows';
import { FilterField, FilterStatus } from './FilterField';
import { GroupingSelect, treeGroupings } from './GroupingSelect';
import { TreeColumnMenu } from './TreeColumnMenu';

/** Filter, grouping, order and columns of the tree. */
export function TreeFilter(props: { tree: TreeState; layout: TreeLayout; planned: boolean }) {
  const { tree, layout, planned } = props;
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
        <GroupingSelect
          label={l10n.t('Order of the tensors')}
          groupings={treeGroupings}
          value={grouping}
          onChange={setGrouping}
        />
        <SortSelect tree={tree} planned={planned} />
        <TreeColumnMenu {...{ tree, layout, planned }} />
      </div>
      <FilterStatus filter={filter} matched={matched} total={total} noun="tensor" />
    </div>
  );
}

/** The order of groups and tensors by any figure, also one whose column has no room. */
function SortSelect({ tree, planned }: { tree: TreeState; planned: boolean }) {
  const all = columnsWith(planned);
  const by = (id: string): TreeColumn | undefined => all.find((column) => column.id === id);
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
      {all.map(({ id, label }) => (
        <option key={id} value={id}>
          {label}
        </option>
      ))}
    </select>
  );
}

/** Column headers: a click sorts, a second reverses the order, a third restores the order of execution. */
export function TreeColumns({ tree, layout }: { tree: TreeState; layout: TreeLayout }) {
  const { sort, setSort, columns, figures } = tree;
  const next = ({ id, isNumber = false }: TreeColumn): Sort | undefined => {
    if (sort?.column !== id) return { column: id, descending: isNumber };
    return sort.descending === isNumber ? { column: id, descending: !isNumber } : undefined;
  };
  return (
    <div class="row head" role="row">
      {columns.map((column) => (
        <span
          key={column.id}
          role="columnheader"
          aria-sort={orderOf(column.id, sort)}
          class={column.class ?? ''}
          hidden={layout.hidden.has(column.id)}
        >
          <button
            class={`sorter ${orderOf(column.id, sort)}`}
            title={
              figures.hintOf(column.id) ?? column.title ?? l10n.t('Sort by {0}', column.label.toLowerCase())
            }
            onClick={() => setSort(next(column))}
          >
            {column.label}
          </button>
        </span>
      ))}
    </div>
  );
}

function orderOf(column: TreeColumnId, sort: Sort | undefined): 'none' | 'ascending' | 'descending' {
  if (sort?.column !== column) return 'none';
  return sort.descending ? 'descending' : 'ascending';
}
