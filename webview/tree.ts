import type { TensorDescriptor } from '../src/protocol/model';
import type { TensorTable } from '../src/protocol/tensorTable';
import { inOrder } from './executionOrder';
import { hasNumber } from '../src/protocol/places';
import { KindTotals, type Totals } from './kindTotals';
import { pathsOf, textOf, type PatternPath, type TreeGrouping } from './tensorPaths';

/** The model's tensors, grouped. Groups find what is in them when they are opened: a model has a hundred thousand tensors, a screen fifty lines. */
export type TreeNode = TreeGroup | TreeLeaf;

/** What the nodes of a tree share. */
interface Source {
  readonly table: TensorTable;
  readonly totals: KindTotals;
  /** By pattern of names. */
  readonly paths: readonly PatternPath[];
  /** Of each tensor, whether it is in the tree; absent where all are. */
  readonly shown?: Uint8Array;
}

/**
 * The tree of a model, in order of execution. Chains of single modules are one group; the module that holds everything is left out.
 * @param shown of each tensor 1 where it is in the tree; groups keep what all of their tensors make them, such as their ids.
 */
export function buildTree(
  table: TensorTable,
  grouping: TreeGrouping = 'layer',
  shown?: Uint8Array,
): TreeGroup {
  const totals = new KindTotals(table);
  const source = { table, totals, paths: pathsOf(table, grouping), ...(shown ? { shown } : {}) };
  const all = new Uint32Array(table.count);
  for (let i = 0; i < all.length; i++) all[i] = i;
  const root: Place = { members: all, depth: 0, path: '', label: '' };
  if (grouping !== 'none') return new TreeGroup(source, root);
  return new TreeGroup(source, root, () => {
    const leaves: TreeNode[] = [];
    for (const i of executionOf(table)) if (shown?.[i] !== 0) leaves.push(new TreeLeaf(source, i));
    return leaves;
  });
}

const executions = new WeakMap<TensorTable, Uint32Array>();

/** All tensors in order of execution, which the groups of all of them are made for: once for a model, whatever a filter leaves of the list. */
function executionOf(table: TensorTable): Uint32Array {
  const known = executions.get(table);
  if (known) return known;
  const order = Uint32Array.from(leavesOf(buildTree(table)), ({ index }) => index);
  executions.set(table, order);
  return order;
}

/** Tensors that share their outer groups. */
interface Place {
  readonly members: ArrayLike<number>;
  /** How many groups they share. */
  readonly depth: number;
  /** The names of these groups, with points between them. */
  readonly path: string;
  readonly label: string;
}

/** Modules or roles, and tensors, in order of execution. */
export class TreeGroup implements Totals {
  readonly kind = 'group';
  /** Its path, with a dot at the end: no tensor has that name. */
  readonly id: string;
  readonly label: string;
  /** Indices of its tensors that are in the tree, ascending. */
  readonly members: ArrayLike<number>;
  private parts: readonly TreeNode[] | undefined;
  private sums: Totals | undefined;
  /** Whether all of its parts are numbers, with those that are not in the tree. */
  private isRepeated = false;
  private folded: number | undefined;

  constructor(
    private readonly source: Source,
    private readonly place: Place,
    /** Finds its parts where they are not those of the place. */
    private readonly find: () => TreeNode[] = () => this.partsOfPlace(),
  ) {
    this.id = `${place.path}.`;
    this.label = place.label;
    const { shown } = source;
    this.members = shown ? Array.from(place.members).filter((i) => shown[i]) : place.members;
  }

  get children(): readonly TreeNode[] {
    return (this.parts ??= this.find());
  }

  /** Number of equal parts, or of blocks or experts that it stands for: blocks, experts, tensors of a role. 0 where it is none of these. */
  get repeats(): number {
    const { length } = this.children;
    return this.isRepeated ? length : (this.folded ??= this.countFolded());
  }

  /** Whether the tensor is one of its members. */
  holds(tensor: number): boolean {
    const { members } = this;
    let [low, high] = [0, members.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (members[middle]! < tensor) low = middle + 1;
      else high = middle;
    }
    return members[low] === tensor;
  }

  get tensors(): number {
    return this.members.length;
  }
  get parameters(): number {
    return this.total.parameters;
  }
  get bytes(): number {
    return this.total.bytes;
  }
  get minBits(): number {
    return this.total.minBits;
  }
  get maxBits(): number {
    return this.total.maxBits;
  }
  get dtype(): string | undefined {
    return this.total.dtype;
  }
  get shape(): string | undefined {
    return this.total.shape;
  }

  private get total(): Totals {
    return (this.sums ??= this.source.totals.of(this.members));
  }

  private countFolded(): number {
    const { table, paths } = this.source;
    const numberOf = (tensor: number): number | undefined =>
      paths[table.patternOf(tensor)]!.repeatedBy?.[this.place.depth - 1];
    const found = new Set<number>();
    for (let at = 0; at < this.members.length; at++) {
      const number = numberOf(this.members[at]!);
      if (number !== undefined) found.add(table.numberOf(this.members[at]!, number));
    }
    return found.size;
  }

  private partsOfPlace(): TreeNode[] {
    const { groups, leaves } = this.divided();
    const inside = Array.from(groups, ([key, members]) => this.child(String(key), members));
    const parts = ordered([...inside, ...leaves.map((i) => new TreeLeaf(this.source, i))]);
    this.isRepeated = parts.length > 1 && parts.every(({ label }) => /^\d+(\.|$)/.test(label));
    const all = this.place.path === '' ? withoutWrapper(parts) : parts;
    return this.source.shown ? all.filter((part) => this.isShown(part)) : all;
  }

  private isShown(part: TreeNode): boolean {
    if (part.kind === 'group') return part.tensors > 0;
    return this.source.shown?.[part.index] !== 0;
  }

  /** Its tensors by the next group of their path, and those without one. */
  private divided(): { groups: Map<string | number, number[]>; leaves: number[] } {
    const { table, paths } = this.source;
    const { members, depth } = this.place;
    const groups = new Map<string | number, number[]>();
    const leaves: number[] = [];
    let last: { readonly key: string | number; readonly members: number[] } | undefined; // neighbours share their groups
    for (let at = 0; at < members.length; at++) {
      const i = members[at]!;
      const segment = paths[table.patternOf(i)]!.groups[depth];
      if (segment === undefined) leaves.push(i);
      else {
        const key = typeof segment === 'string' ? segment : table.numberOf(i, segment);
        if (last?.key !== key) {
          last = { key, members: groups.get(key) ?? [] };
          groups.set(key, last.members);
        }
        last.members.push(i);
      }
    }
    return { groups, leaves };
  }

  /** A group of its own, or the innermost of those that hold the same tensors. */
  private child(first: string, members: readonly number[]): TreeGroup {
    const names = [first];
    for (
      let next = this.shared(members, names.length);
      next !== undefined;
      next = this.shared(members, names.length)
    )
      names.push(next);
    const label = names.join('.');
    const { path, depth } = this.place;
    return new TreeGroup(this.source, {
      ...{ members, label, depth: depth + names.length },
      path: path === '' ? label : `${path}.${label}`,
    });
  }

  /** The group at this depth below its own where all of these tensors are in it. */
  private shared(members: readonly number[], below: number): string | undefined {
    const { table, paths } = this.source;
    const at = this.place.depth + below;
    const of = (i: number): string | number | undefined => {
      const segment = paths[table.patternOf(i)]!.groups[at];
      return typeof segment === 'number' ? table.numberOf(i, segment) : segment;
    };
    const first = of(members[0]!);
    return first !== undefined && members.every((i) => of(i) === first) ? String(first) : undefined;
  }
}

export class TreeLeaf {
  readonly kind = 'tensor';

  constructor(
    private readonly source: Source,
    /** Of the tensor in the model. */
    readonly index: number,
  ) {}

  get id(): string {
    return this.source.table.name(this.index);
  }
  get label(): string {
    return this.path.label.map((segment) => textOf(this.source.table, this.index, segment)).join('.');
  }
  /** The suffix of its name, where it says little: ".weight". */
  get suffix(): string {
    return this.path.suffix;
  }
  get tensor(): TensorDescriptor {
    return this.source.table.descriptor(this.index);
  }
  get totals(): Totals {
    return this.source.totals.of([this.index]);
  }

  private get path(): PatternPath {
    return this.source.paths[this.source.table.patternOf(this.index)]!;
  }
}

/** In order of execution. */
const ordered = (parts: readonly TreeNode[]): TreeNode[] =>
  inOrder(parts, (part) => (part.kind === 'group' ? part.label : part.label + part.suffix));

/** `model.` holds everything but the output matrix: its parts say more than it does. */
function withoutWrapper(parts: readonly TreeNode[]): TreeNode[] {
  const groups = parts.filter((part) => part.kind === 'group');
  const only = groups[0];
  if (groups.length !== 1 || !only || hasNumber(only.label) || only.repeats > 0) return [...parts];
  return ordered(parts.flatMap((part) => (part === only ? only.children : [part])));
}

/** The tensors of a line, in its order. */
export function leavesOf(node: TreeNode): TreeLeaf[] {
  const leaves: TreeLeaf[] = [];
  const walk = (inner: TreeNode): void => {
    if (inner.kind === 'tensor') leaves.push(inner);
    else for (const child of inner.children) walk(child);
  };
  walk(node);
  return leaves;
}
