import type { Filtered } from './filter';
import { groupOf, leafTotals, type TreeGroup, type TreeLeaf, type TreeNode } from './tree';

/** The part of a tree whose tensors match a filter, with its own totals. */
export function filterTree(root: TreeGroup, matches: (line: Filtered) => boolean): TreeGroup {
  const children = root.children.flatMap((child): TreeNode[] => {
    if (child.kind === 'tensor') return matches(lineOf(child)) ? [child] : [];
    const part = filterTree(child, matches);
    return part.tensors === 0 ? [] : [part];
  });
  return { ...groupOf(root.id, root.label, children), repeats: root.repeats > 0 ? children.length : 0 };
}

const lineOf = ({ tensor: { name, dtype } }: TreeLeaf): Filtered => ({ name, texts: [dtype] });

/** Fewest and most bits per weight. */
export interface BitRange {
  readonly min: number;
  readonly max: number;
}

/** The bits that a plan gives the tensors of each line, by its id; lines without any are absent. */
export function planRanges(
  root: TreeGroup,
  planned: ReadonlyMap<string, { readonly bits: number }>,
): Map<string, BitRange> {
  const ranges = new Map<string, BitRange>();
  if (planned.size === 0) return ranges;
  const walk = (node: TreeNode): BitRange | undefined => {
    const range = node.kind === 'group' ? union(node.children.map(walk)) : single(planned.get(node.id)?.bits);
    if (range) ranges.set(node.id, range);
    return range;
  };
  walk(root);
  return ranges;
}

const single = (bits: number | undefined): BitRange | undefined =>
  bits === undefined ? undefined : { min: bits, max: bits };

function union(ranges: readonly (BitRange | undefined)[]): BitRange | undefined {
  return ranges.reduce(
    (all, range) =>
      all && range
        ? { min: Math.min(all.min, range.min), max: Math.max(all.max, range.max) }
        : (all ?? range),
    undefined,
  );
}

/** Columns that rows can be sorted by; without one they are in order of execution. */
export type SortColumn = 'name' | 'shape' | 'dtype' | 'parameters' | 'bytes' | 'bits' | 'plan';

export interface Sort {
  readonly column: SortColumn;
  readonly descending: boolean;
}

/** A stored order; undefined where it is none. */
export function sortFrom(stored: unknown): Sort | undefined {
  const { column, descending } = Object(stored) as Partial<Sort>;
  const isKnown = typeof descending === 'boolean' && column !== undefined && column in keys;
  return isKnown ? { column, descending } : undefined;
}

type Keys = Readonly<
  Record<SortColumn, (node: TreeNode, ranges: ReadonlyMap<string, BitRange>) => number | string>
>;

const totalsOf = (node: TreeNode) => (node.kind === 'group' ? node : leafTotals(node));

/** What each column sorts a line by. */
const keys: Keys = {
  name: (node) => node.label,
  shape: (node) => totalsOf(node).shape ?? '',
  dtype: (node) => totalsOf(node).dtype ?? '',
  parameters: (node) => totalsOf(node).parameters,
  bytes: (node) => totalsOf(node).bytes,
  bits: (node) => (totalsOf(node).parameters > 0 ? totalsOf(node).bytes / totalsOf(node).parameters : 0),
  plan: (node, ranges) => ranges.get(node.id)?.max ?? 0,
};

const collator = new Intl.Collator('en', { numeric: true });

/** Siblings in the order of a column; ties stay in order of execution. */
export function sortTree(root: TreeGroup, sort: Sort, ranges: ReadonlyMap<string, BitRange>): TreeGroup {
  const keyed = root.children.map((child) => ({
    child: child.kind === 'group' ? sortTree(child, sort, ranges) : child,
    key: keys[sort.column](child, ranges),
  }));
  const direction = sort.descending ? -1 : 1;
  keyed.sort(({ key: a }, { key: b }) => {
    const order =
      typeof a === 'number' && typeof b === 'number' ? a - b : collator.compare(String(a), String(b));
    return direction * order;
  });
  return { ...root, children: keyed.map(({ child }) => child) };
}

/** The groups that must be open for a tensor's line to be seen. */
export function pathTo(root: TreeGroup, tensor: string): string[] | undefined {
  for (const child of root.children) {
    if (child.id === tensor) return [];
    if (child.kind === 'tensor') continue;
    const inner = pathTo(child, tensor);
    if (inner) return [child.id, ...inner];
  }
  return undefined;
}
