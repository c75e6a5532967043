import { useMemo } from 'preact/hooks';
import type { ModelDescription } from '../src/protocol/model';
import { plannedFormats, type PlanOutline, type PlannedFormat } from '../src/protocol/planOutline';
import { parseFilter } from './filter';
import { linesOf, openAtFirst } from './lines';
import type { Grouping } from '../src/protocol/places';
import { buildTree, type TreeGroup } from './tree';
import { filterTree, planRanges, sortFrom, sortTree, type Sort } from './treeRows';
import { usePersistent } from './usePersistent';

const noTensors: ModelDescription['tensors'] = [];
const nothingPlanned: ReadonlyMap<string, PlannedFormat> = new Map();

/** What the tree shows, and what changes it. Each step reruns only when its inputs change. */
export function useTreeRows(model: ModelDescription | undefined, plan: PlanOutline | undefined) {
  const tensors = model?.tensors ?? noTensors;
  const [grouping, setGrouping] = usePersistent<Grouping>('tree.grouping', 'layer');
  const [sort, setSort] = usePersistent<Sort | undefined>('tree.sort', undefined, sortFrom);
  const [text, setText] = usePersistent('tree.filter', '');
  const tree = useMemo(() => buildTree(tensors, grouping), [tensors, grouping]);
  const filter = useMemo(() => parseFilter(text), [text]);
  const filtered = useMemo(
    () => (filter.kind === 'test' ? filterTree(tree, filter.matches) : tree),
    [tree, filter],
  );
  const suggested = useMemo(() => (plan ? plannedFormats(plan, tensors) : nothingPlanned), [plan, tensors]);
  const ranges = useMemo(() => planRanges(filtered, suggested), [filtered, suggested]);
  const sorted = useMemo(
    () => (sort ? sortTree(filtered, sort, ranges) : filtered),
    [filtered, sort, ranges],
  );
  const { expanded, expand } = useExpanded(tree);
  const rows = useMemo(
    () => linesOf(sorted.children, filter.kind === 'test' ? 'all' : expanded),
    [sorted, filter, expanded],
  );
  return {
    ...{ rows, tree, filter, text, setText, sort, setSort, grouping, setGrouping, expand, suggested, ranges },
    matched: filtered.tensors,
    total: tree.tensors,
  };
}

export type TreeState = ReturnType<typeof useTreeRows>;

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
