import type { TensorDescriptor } from '../src/protocol/model';
import { byExecution } from './executionOrder';
import { hasNumber, placeOf, type Grouping } from '../src/protocol/places';

export interface Totals {
  readonly tensors: number;
  readonly parameters: number;
  readonly bytes: number;
  /** Of its tensors, bits per weight; NaN for tensors without weights. */
  readonly minBits: number;
  readonly maxBits: number;
  /** What all of them share. */
  readonly dtype?: string;
  readonly shape?: string;
}

/** Modules or roles, and tensors, in order of execution. */
export interface TreeGroup extends Totals {
  readonly kind: 'group';
  /** Its path, with a dot at the end: no tensor has that name. */
  readonly id: string;
  readonly label: string;
  /** Number of equal parts: blocks, experts, tensors of a role. 0 where the parts differ. */
  readonly repeats: number;
  readonly children: readonly TreeNode[];
}

export interface TreeLeaf {
  readonly kind: 'tensor';
  readonly id: string;
  readonly label: string;
  /** The suffix of its name, where it says little: ".weight". */
  readonly suffix: string;
  readonly tensor: TensorDescriptor;
}

export type TreeNode = TreeGroup | TreeLeaf;

interface Draft {
  readonly path: string;
  readonly label: string;
  readonly groups: Map<string, Draft>;
  readonly leaves: TreeLeaf[];
}

/** The model's tensors, grouped. Chains of single modules are one; the module that holds everything is left out. */
export function buildTree(tensors: readonly TensorDescriptor[], grouping: Grouping = 'layer'): TreeGroup {
  const root = draft('', '');
  for (const tensor of tensors) {
    const { modules, label, suffix } = pathOf(tensor.name, grouping);
    let group = root;
    for (const module of modules) group = childOf(group, module);
    group.leaves.push({ kind: 'tensor', id: tensor.name, label, suffix, tensor });
  }
  return withoutWrapper(finished(root));
}

/** Groups of a tensor, from the outside, and what its line says. */
function pathOf(
  name: string,
  grouping: Grouping,
): { modules: readonly string[]; label: string; suffix: string } {
  const { modules, label, suffix, wrapper, numbers, role } = placeOf(name);
  if (grouping === 'none') return { modules: [], label: name.slice(0, name.length - suffix.length), suffix };
  const member = numbers.at(-1);
  if (grouping === 'layer' || member === undefined || role === '') return { modules, label, suffix };
  return { modules: [...wrapper, role + suffix, ...numbers.slice(0, -1)], label: member, suffix: '' };
}

const draft = (path: string, label: string): Draft => ({ path, label, groups: new Map(), leaves: [] });

function childOf(group: Draft, label: string): Draft {
  const known = group.groups.get(label);
  if (known) return known;
  const child = draft(group.path === '' ? label : `${group.path}.${label}`, label);
  group.groups.set(label, child);
  return child;
}

function finished(group: Draft): TreeGroup {
  const groups = [...group.groups.values()].map(finished);
  const only = groups[0];
  if (group.path !== '' && groups.length === 1 && group.leaves.length === 0 && only)
    return { ...only, label: `${group.label}.${only.label}` };
  const children = [...groups, ...group.leaves].sort((a, b) => byExecution(labelOf(a), labelOf(b)));
  return groupOf(`${group.path}.`, group.label, children);
}

const labelOf = (node: TreeNode): string => (node.kind === 'group' ? node.label : node.label + node.suffix);

export function groupOf(id: string, label: string, children: readonly TreeNode[]): TreeGroup {
  const isRepeated = children.length > 1 && children.every((child) => /^\d+(\.|$)/.test(child.label));
  return {
    kind: 'group',
    ...{ id, label, children, repeats: isRepeated ? children.length : 0 },
    ...totalsOf(children),
  };
}

/** Sums and extremes over the children. */
function totalsOf(children: readonly TreeNode[]): Totals {
  const parts = children.map((child) => (child.kind === 'group' ? child : leafTotals(child)));
  const sum = (key: 'tensors' | 'parameters' | 'bytes'): number =>
    parts.reduce((total, part) => total + part[key], 0);
  const common = <K extends 'dtype' | 'shape'>(key: K): Partial<Record<K, string>> => {
    const value = parts[0]?.[key];
    const isCommon = value !== undefined && parts.every((part) => part[key] === value);
    return isCommon ? ({ [key]: value } as Partial<Record<K, string>>) : {};
  };
  const bits = parts.filter(({ minBits }) => !Number.isNaN(minBits));
  return {
    ...{ tensors: sum('tensors'), parameters: sum('parameters'), bytes: sum('bytes') },
    minBits: bits.reduce((least, { minBits }) => Math.min(least, minBits), bits.length ? Infinity : NaN),
    maxBits: bits.reduce((most, { maxBits }) => Math.max(most, maxBits), bits.length ? -Infinity : NaN),
    ...common('dtype'),
    ...common('shape'),
  };
}

export function leafTotals({ tensor }: TreeLeaf): Totals {
  const bits = tensor.elements > 0 ? (8 * tensor.byteLength) / tensor.elements : NaN;
  return {
    ...{ tensors: 1, parameters: tensor.elements, bytes: tensor.byteLength, minBits: bits, maxBits: bits },
    ...{ dtype: tensor.dtype, shape: tensor.shape.join(' × ') },
  };
}

/** `model.` holds everything but the output matrix: its parts say more than it does. */
function withoutWrapper(root: TreeGroup): TreeGroup {
  const groups = root.children.filter((child) => child.kind === 'group');
  const only = groups[0];
  if (groups.length !== 1 || !only || only.repeats > 0 || hasNumber(only.label)) return root;
  const children = root.children.flatMap((child) => (child === only ? only.children : [child]));
  return { ...root, children: [...children].sort((a, b) => byExecution(labelOf(a), labelOf(b))) };
}

/** The tensors of a line, in its order. */
export function* leavesOf(node: TreeNode): Generator<TreeLeaf> {
  if (node.kind === 'tensor') yield node;
  else for (const child of node.children) yield* leavesOf(child);
}
