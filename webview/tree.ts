import type { TensorDescriptor } from '../src/protocol/model';

/** A line of the tree: a module, or a tensor. */
export type TreeRow = GroupRow | TensorRow;

export interface GroupRow {
  readonly kind: 'group';
  /** Full path of the module: unique. */
  readonly id: string;
  readonly label: string;
  readonly depth: number;
  readonly expanded: boolean;
  readonly tensors: number;
  readonly parameters: number;
  readonly bytes: number;
}

export interface TensorRow {
  readonly kind: 'tensor';
  readonly id: string;
  readonly label: string;
  readonly depth: number;
  readonly tensor: TensorDescriptor;
}

interface Group {
  readonly path: string;
  readonly label: string;
  readonly groups: Map<string, Group>;
  readonly tensors: { label: string; tensor: TensorDescriptor }[];
}

/** Last parts of a name that say little on their own. */
const trailing = /^(weight|bias|weight_scale|qweight|qzeros|scales|g_idx)$/;

/** Modules of a model by the dots in its tensors' names; chains of single modules are one. */
export function buildTree(tensors: readonly TensorDescriptor[]): Group {
  const root: Group = { path: '', label: '', groups: new Map(), tensors: [] };
  for (const tensor of tensors) {
    const parts = tensor.name.split('.');
    const leaf = parts.length > 1 && trailing.test(parts[parts.length - 1] ?? '') ? 2 : 1;
    const modules = parts.slice(0, -leaf);
    let group = root;
    for (const part of modules) group = childOf(group, part);
    group.tensors.push({ label: parts.slice(-leaf).join('.'), tensor });
  }
  return mergeChains(root);
}

function childOf(group: Group, part: string): Group {
  const known = group.groups.get(part);
  if (known) return known;
  const path = group.path === '' ? part : `${group.path}.${part}`;
  const child: Group = { path, label: part, groups: new Map(), tensors: [] };
  group.groups.set(part, child);
  return child;
}

function mergeChains(group: Group): Group {
  const groups = [...group.groups.values()].map(mergeChains).sort(byLabel);
  const only = groups[0];
  if (group.path !== '' && groups.length === 1 && group.tensors.length === 0 && only) {
    return { ...only, label: `${group.label}.${only.label}` };
  }
  return { ...group, groups: new Map(groups.map((child) => [child.label, child])) };
}

/** Numbers in names in their order: layer 2 before layer 10. */
function byLabel(a: Group, b: Group): number {
  return a.label.localeCompare(b.label, 'en', { numeric: true });
}

/** Tensors a small tree shows at once; larger models start with their layers closed. */
const openBelow = 400;

/** Modules that are open until somebody closes them. */
export function initiallyExpanded(root: Group, tensors: number): Set<string> {
  const open = new Set<string>();
  const walk = (group: Group, depth: number): void => {
    if (tensors <= openBelow || depth === 0) open.add(group.path);
    for (const child of group.groups.values()) walk(child, depth + 1);
  };
  for (const child of root.groups.values()) walk(child, 0);
  return open;
}

/** The visible lines, in order. With a filter every module that holds a match is open. */
export function visibleRows(root: Group, expanded: ReadonlySet<string>, filter: string): TreeRow[] {
  const terms = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const rows: TreeRow[] = [];
  const walk = (group: Group, depth: number): void => {
    for (const { label, tensor } of group.tensors) {
      if (matches(tensor, terms)) rows.push({ kind: 'tensor', id: tensor.name, label, depth, tensor });
    }
    for (const child of group.groups.values()) {
      const totals = totalsOf(child, terms);
      if (totals.tensors === 0) continue;
      const open = terms.length > 0 || expanded.has(child.path);
      rows.push({
        kind: 'group',
        id: `${child.path}.`,
        label: child.label,
        depth,
        expanded: open,
        ...totals,
      });
      if (open) walk(child, depth + 1);
    }
  };
  walk(root, 0);
  return rows;
}

function matches(tensor: TensorDescriptor, terms: readonly string[]): boolean {
  const text = `${tensor.name} ${tensor.dtype}`.toLowerCase();
  return terms.every((term) => text.includes(term));
}

function totalsOf(
  group: Group,
  terms: readonly string[],
): { tensors: number; parameters: number; bytes: number } {
  const total = { tensors: 0, parameters: 0, bytes: 0 };
  for (const { tensor } of group.tensors) {
    if (!matches(tensor, terms)) continue;
    total.tensors += 1;
    total.parameters += tensor.elements;
    total.bytes += tensor.byteLength;
  }
  for (const child of group.groups.values()) {
    const inner = totalsOf(child, terms);
    total.tensors += inner.tensors;
    total.parameters += inner.parameters;
    total.bytes += inner.bytes;
  }
  return total;
}
