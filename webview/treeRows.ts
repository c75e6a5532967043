import type { PlannedFormat, PlanOutline } from '../src/protocol/planOutline';
import type { TensorTable } from '../src/protocol/tensorTable';
import type { Filtered } from './filter';
import { naturalOrder } from './executionOrder';
import type { TreeGroup, TreeLeaf, TreeNode } from './tree';

/** Of each tensor, whether a filter matches it. */
export function matching(table: TensorTable, matches: (line: Filtered) => boolean): Uint8Array {
  const texts = table.kinds.map(({ dtype }) => [dtype]);
  return Uint8Array.from({ length: table.count }, (_, i) =>
    matches({ name: table.name(i), texts: texts[table.kindOf(i)]! }) ? 1 : 0,
  );
}

/** Fewest and most bits per weight. */
export interface BitRange {
  readonly min: number;
  readonly max: number;
}

/** What a plan gives the lines of a tree. */
export class PlannedBits {
  private readonly ranges = new WeakMap<TreeNode, BitRange | undefined>();

  constructor(private readonly outline?: Pick<PlanOutline, 'formats' | 'of'>) {}

  /** Undefined where the plan does not list the tensor. */
  formatOf({ index }: TreeLeaf): PlannedFormat | undefined {
    return this.outline?.formats[this.outline.of[index] ?? -1];
  }

  /** The bits of its tensors; undefined where the plan lists none of them. */
  rangeOf(node: TreeNode): BitRange | undefined {
    if (!this.ranges.has(node)) this.ranges.set(node, this.found(node));
    return this.ranges.get(node);
  }

  private found(node: TreeNode): BitRange | undefined {
    if (!this.outline) return undefined;
    const { formats, of } = this.outline;
    const members = node.kind === 'group' ? node.members : [node.index];
    let [min, max] = [Infinity, -Infinity];
    for (let at = 0; at < members.length; at++) {
      const bits = formats[of[members[at]!] ?? -1]?.bits;
      if (bits === undefined) continue;
      min = Math.min(min, bits);
      max = Math.max(max, bits);
    }
    return min <= max ? { min, max } : undefined;
  }
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
  const isKnown = typeof descending === 'boolean' && column !== undefined && Object.hasOwn(keys, column);
  return isKnown ? { column, descending } : undefined;
}

type Keys = Readonly<Record<SortColumn, (node: TreeNode, planned: PlannedBits) => number | string>>;

const totalsOf = (node: TreeNode) => (node.kind === 'group' ? node : node.totals);

/** What each column sorts a line by. */
const keys: Keys = {
  name: (node) => node.label,
  shape: (node) => totalsOf(node).shape ?? '',
  dtype: (node) => totalsOf(node).dtype ?? '',
  parameters: (node) => totalsOf(node).parameters,
  bytes: (node) => totalsOf(node).bytes,
  bits: (node) => (totalsOf(node).parameters > 0 ? totalsOf(node).bytes / totalsOf(node).parameters : 0),
  plan: (node, planned) => planned.rangeOf(node)?.max ?? 0,
};

/** Siblings in the order of a column; ties stay in order of execution. */
export function sorted(
  siblings: readonly TreeNode[],
  { column, descending }: Sort,
  planned: PlannedBits,
): readonly TreeNode[] {
  const direction = descending ? -1 : 1;
  const order = (a: number | string, b: number | string): number =>
    typeof a === 'number' && typeof b === 'number' ? a - b : naturalOrder(String(a), String(b));
  return siblings
    .map((node) => ({ node, key: keys[column](node, planned) }))
    .sort((a, b) => direction * order(a.key, b.key))
    .map(({ node }) => node);
}

/** The groups that must be open for a tensor's line to be seen; undefined where the tree does not have it. */
export function pathTo(root: TreeGroup, tensor: number): string[] | undefined {
  for (const child of root.children) {
    if (child.kind === 'tensor') {
      if (child.index === tensor) return [];
    } else if (child.holds(tensor)) return [child.id, ...pathTo(child, tensor)!];
  }
  return undefined;
}
