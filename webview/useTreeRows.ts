import { useMemo } from 'preact/hooks';
import type { PlanOutline } from '../src/protocol/planOutline';
import type { TensorTable } from '../src/protocol/tensorTable';
import { parseFilter } from './filter';
import { linesOf, openAtFirst } from './lines';
import type { TreeGrouping } from './tensorPaths';
import { buildTree, type TreeGroup } from './tree';
import { chosenColumns, isFigureColumn, type TreeColumnId } from './treeColumns';
import { TreeFigures } from './treeFigures';
import { matching, PlannedBits, sorted, sortFrom, type Sort } from './treeRows';
import { namesFrom } from './persistent';
import { useKnownFigures } from './useKnownFigures';
import { usePersistent } from './usePersistent';

/** What the tree shows, and what changes it. Each step reruns only when its inputs change. */
export function useTreeRows(table: TensorTable, plan: PlanOutline | undefined) {
  const [grouping, setGrouping] = usePersistent<TreeGrouping>('tree.grouping', 'layer');
  const [sort, setSort] = usePersistent<Sort | undefined>('tree.sort', undefined, sortFrom);
  const [text, setText] = usePersistent('tree.filter', '');
  const tree = useMemo(() => buildTree(table, grouping), [table, grouping]);
  const filter = useMemo(() => parseFilter(text), [text]);
  const filtered = useMemo(
    () => (filter.kind === 'test' ? buildTree(table, grouping, matching(table, filter.matches)) : tree),
    [tree, filter],
  );
  const planned = useMemo(() => new PlannedBits(plan), [plan]);
  const { columns, chosen, choose } = useColumns(plan !== undefined);
  const figures = useTreeFigures(table, [...columns.map(({ id }) => id), ...(sort ? [sort.column] : [])]);
  const sortedBy = sort && (isFigureColumn(sort.column) ? figures : sort.column === 'plan' && planned);
  const { expanded, expand } = useExpanded(tree);
  const rows = useMemo(
    () =>
      linesOf(
        filtered.children,
        filter.kind === 'test' ? 'all' : expanded,
        sort && ((siblings) => sorted(siblings, sort, { planned, figures })),
      ),
    [filtered, filter, expanded, sort, sortedBy],
  );
  return {
    ...{ table, rows, tree, filter, text, setText, sort, setSort, grouping, setGrouping, expand },
    ...{ planned, figures, columns, chosen, choose },
    matched: filtered.tensors,
    total: tree.tensors,
  };
}

export type TreeState = ReturnType<typeof useTreeRows>;

/** The columns that are shown, and what changes them. */
function useColumns(hasPlan: boolean) {
  const [chosen, choose] = usePersistent<readonly string[] | undefined>('tree.columns', undefined, namesFrom);
  return { columns: useMemo(() => chosenColumns(chosen, hasPlan), [chosen, hasPlan]), chosen, choose };
}

/** Figures of the columns: what none of them shows is not asked for. */
function useTreeFigures(table: TensorTable, ids: readonly TreeColumnId[]): TreeFigures {
  const wanted = new Set(ids.filter(isFigureColumn));
  const error = wanted.delete('error');
  const gain = wanted.delete('gain');
  const known = useKnownFigures(table, { scanned: wanted.size > 0, measured: error || gain, error });
  return useMemo(() => new TreeFigures(known.figures), [known.figures]);
}

const asAtFirst: Readonly<Record<string, boolean>> = {};

/** Open groups: initially all of a small model, then what the user opened. */
function useExpanded(tree: TreeGroup) {
  const initial = useMemo(() => openAtFirst(tree.children, tree.tensors), [tree]);
  const [changed, setChanged] = usePersistent<Readonly<Record<string, boolean>>>('tree.unfolded', asAtFirst);
  const expanded = useMemo(() => {
    const open = new Set(initial);
    for (const [id, isOpen] of Object.entries(changed)) {
      if (isOpen) open.add(id);
      else open.delete(id);
    }
    return open;
  }, [initial, changed]);
  const expand = (ids: readonly string[], isOpen: boolean): void => {
    if (ids.every((id) => expanded.has(id) === isOpen)) return;
    setChanged({ ...changed, ...Object.fromEntries(ids.map((id) => [id, isOpen])) });
  };
  return { expanded, expand };
}
