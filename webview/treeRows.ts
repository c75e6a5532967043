import type { PlannedFormat, PlanOutline } from '../src/protocol/planOutline';
import type { TensorTable } from '../src/protocol/tensorTable';
import type { Filtered } from './filter';
import { naturalOrder } from './executionOrder';
import type { TreeGroup, TreeLeaf, TreeNode } from './tree';
import { isFigureColumn, treeColumns, type FigureColumn, type TreeColumnId } from './treeColumns';

/** Of each tensor, whether a filter matches it. */
export function matching(table: TensorTable, matches: (line: Filtered) => boolean): Uint8Array {
  const texts = table.kinds.map(({ dtype }) => [dtype]);
  return Uint8Array.from({ length: table.count }, (_, i) =>
    matches({ name: table.name(i), texts: texts[table.kindOf(i)]! }) ? 1 : 0,
  );
}

/** The least and the greatest of some values. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

/** The range of a value over the tensors of a line. That of a group is found when it is first asked for. */
export class Ranges {
  private readonly ofGroups = new WeakMap<TreeGroup, Range | undefined>();

  /** @param valueOf of a tensor by its index in the model; NaN where it is not known. */
  constructor(private readonly valueOf: (tensor: number) => number) {}

  /** Undefined where the value of none of its tensors is known. */
  of(node: TreeNode): Range | undefined {
    if (node.kind === 'tensor') return this.over([node.index]);
    if (!this.ofGroups.has(node)) this.ofGroups.set(node, this.over(node.members));
    return this.ofGroups.get(node);
  }

  private over(members: ArrayLike<number>): Range | undefined {
    let [min, max] = [Infinity, -Infinity];
    for (let at = 0; at < members.length; at++) {
      const value = this.valueOf(members[at]!);
      if (value < min) min = value;
      if (value > max) max = value;
    }
    return min <= max ? { min, max } : undefined;
  }
}

/** What a plan gives the lines of a tree. */
export class PlannedBits {
  private readonly ranges: Ranges;

  constructor(private readonly outline?: Pick<PlanOutline, 'formats' | 'of'>) {
    this.ranges = new Ranges((tensor) => this.formatAt(tensor)?.bits ?? NaN);
  }

  /** Undefined where the plan does not list the tensor. */
  formatOf({ index }: TreeLeaf): PlannedFormat | undefined {
    return this.formatAt(index);
  }

  /** The bits of its tensors; undefined where the plan lists none of them. */
  rangeOf(node: TreeNode): Range | undefined {
    return this.outline && this.ranges.of(node);
  }

  private formatAt(tensor: number): PlannedFormat | undefined {
    return this.outline?.formats[this.outline.of[tensor] ?? -1];
  }
}

export interface Sort {
  readonly column: TreeColumnId;
  readonly descending: boolean;
}

/** A stored order; undefined where it is none. */
export function sortFrom(stored: unknown): Sort | undefined {
  const { column, descending } = Object(stored) as Partial<Sort>;
  const isKnown = typeof descending === 'boolean' && treeColumns.some(({ id }) => id === column);
  return isKnown ? { column: column!, descending } : undefined;
}

/** What is known of tensors besides what their files say. */
export interface Known {
  readonly planned: PlannedBits;
  readonly figures: { rangeOf(column: FigureColumn, node: TreeNode): Range | undefined };
}

/** What a line is sorted by; undefined where that is not known. */
type Key = (node: TreeNode, known: Known) => number | string | undefined;

const totalsOf = (node: TreeNode) => (node.kind === 'group' ? node : node.totals);

const keys: Readonly<Record<Exclude<TreeColumnId, FigureColumn>, Key>> = {
  name: (node) => node.label,
  shape: (node) => totalsOf(node).shape ?? '',
  dtype: (node) => totalsOf(node).dtype ?? '',
  parameters: (node) => totalsOf(node).parameters,
  bytes: (node) => totalsOf(node).bytes,
  bits: (node) => (totalsOf(node).parameters > 0 ? totalsOf(node).bytes / totalsOf(node).parameters : 0),
  plan: (node, { planned }) => planned.rangeOf(node)?.max,
};

const keyOf = (column: TreeColumnId): Key =>
  isFigureColumn(column) ? (node, { figures }) => figures.rangeOf(column, node)?.max : keys[column];

/** Siblings in the order of a column; ties stay in order of execution, and what is not known comes last. */
export function sorted(
  siblings: readonly TreeNode[],
  { column, descending }: Sort,
  known: Known,
): readonly TreeNode[] {
  const direction = descending ? -1 : 1;
  const order = (a: number | string, b: number | string): number =>
    typeof a === 'number' && typeof b === 'number' ? a - b : naturalOrder(String(a), String(b));
  const key = keyOf(column);
  const keyed = siblings.map((node) => ({ node, key: key(node, known) }));
  const [ordered, rest] = [keyed.filter(isKeyed), keyed.filter((item) => !isKeyed(item))];
  ordered.sort((a, b) => direction * order(a.key, b.key));
  return [...ordered, ...rest].map(({ node }) => node);
}

interface Keyed {
  readonly node: TreeNode;
  readonly key: number | string | undefined;
}

const isKeyed = (item: Keyed): item is Keyed & { readonly key: number | string } => item.key !== undefined;

/** The groups that must be open for a tensor's line to be seen; undefined where the tree does not have it. */
export function pathTo(root: TreeGroup, tensor: number): string[] | undefined {
  for (const child of root.children) {
    if (child.kind === 'tensor') {
      if (child.index === tensor) return [];
    } else if (child.holds(tensor)) return [child.id, ...pathTo(child, tensor)!];
  }
  return undefined;
}
