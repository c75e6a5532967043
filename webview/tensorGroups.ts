import { plural } from '../src/protocol/words';

/** Long lists of tensors as readable lines: groups by layer or by role, expanded on demand. */

/** What the lines are grouped by first. */
export type Grouping = 'layer' | 'role' | 'none';

/** Tensors of a model beyond which groups start folded. */
const manyTensors = 120;

/** What a tensor's name says about its place: "model.layers.3.mlp.experts.7.up_proj.weight" is expert 7 of layer 3. */
export interface Place {
  /** Number of the repeated block; undefined outside the blocks. */
  readonly layer?: number;
  /** What the tensor does in its block, without numbers: "mlp.experts.up_proj". */
  readonly role: string;
  /** Further numbers in the name, as of an expert. */
  readonly member?: string;
}

/** The first number between the dots of a name is its layer, further ones say which of several. */
export function placeOf(name: string): Place {
  const parts = name.replace(/\.weight$/, '').split('.');
  const at = parts.findIndex((part) => /^\d+$/.test(part));
  if (at < 0) return { role: parts.join('.') };
  const rest = parts.slice(at + 1);
  const numbers = rest.filter((part) => /^\d+$/.test(part));
  const role = rest.filter((part) => !/^\d+$/.test(part)).join('.');
  return {
    layer: Number(parts[at]),
    role: role === '' ? parts.slice(0, at).join('.') : role,
    ...(numbers.length > 0 ? { member: numbers.join('.') } : {}),
  };
}

/** A group of tensors, or a single one; tensors are named by their place in the list that was grouped. */
export interface TensorNode {
  readonly id: string;
  readonly label: string;
  readonly members: readonly number[];
  /** Undefined for a single tensor. */
  readonly children?: readonly TensorNode[];
}

/** A visible line of the grouped list. */
export interface TensorLine {
  readonly node: TensorNode;
  readonly depth: number;
  /** Undefined for a single tensor. */
  readonly open?: boolean;
}

interface Placed extends Place {
  readonly index: number;
  readonly name: string;
}

/** The tensors as a tree, in the order of the list. A group of one tensor is that tensor. */
export function groupTensors(names: readonly string[], by: Grouping): readonly TensorNode[] {
  const placed = names.map((name, index): Placed => ({ ...placeOf(name), index, name }));
  if (by === 'none') return placed.map((item) => leaf(item, item.name));
  const key = by === 'layer' ? layerKey : roleKey;
  return [...collect(placed, key)].map(([label, items]) => {
    const outside = items[0]!.layer === undefined;
    if (outside && items.length === 1) return leaf(items[0]!, items[0]!.role);
    const inner = by === 'layer' ? (item: Placed): string => item.role : layerKey;
    return group(label, label, items, (id) =>
      [...collect(items, inner)].map(([innerLabel, found]) =>
        inside(`${id}/${innerLabel}`, innerLabel, found),
      ),
    );
  });
}

const layerKey = ({ layer, role }: Placed): string => (layer === undefined ? role : `layer ${layer}`);
const roleKey = ({ role }: Placed): string => role;

/** The tensors that share layer and role: one, or the experts. */
function inside(id: string, label: string, items: readonly Placed[]): TensorNode {
  return group(id, label, items, () => items.map((item) => leaf(item, item.member ?? item.name)));
}

function group(
  id: string,
  label: string,
  items: readonly Placed[],
  children: (id: string) => readonly TensorNode[],
): TensorNode {
  if (items.length === 1) return leaf(items[0]!, label);
  return { id, label, members: items.map(({ index }) => index), children: children(id) };
}

/** Tensors have separate ids, so a group's id is never that of a tensor. */
const leaf = ({ index, name }: Placed, label: string): TensorNode => ({
  id: `tensor:${name}`,
  label,
  members: [index],
});

function collect(items: readonly Placed[], key: (item: Placed) => string): Map<string, Placed[]> {
  const found = new Map<string, Placed[]>();
  for (const item of items) {
    const name = key(item);
    const known = found.get(name);
    if (known) known.push(item);
    else found.set(name, [item]);
  }
  return found;
}

/** Groups that are open before anybody has folded one: all of a small model, none of a large one. */
export function openAtFirst(nodes: readonly TensorNode[]): ReadonlySet<string> {
  const open = new Set<string>();
  const total = nodes.reduce((sum, { members }) => sum + members.length, 0);
  if (total > manyTensors) return open;
  const walk = ({ id, children }: TensorNode): void => {
    if (!children) return;
    open.add(id);
    children.forEach(walk);
  };
  nodes.forEach(walk);
  return open;
}

/**
 * The lines to show.
 * @param order of the members of a group; without it they come as they were given.
 */
export function linesOf(
  nodes: readonly TensorNode[],
  open: ReadonlySet<string>,
  order?: (a: TensorNode, b: TensorNode) => number,
): readonly TensorLine[] {
  const lines: TensorLine[] = [];
  const walk = (siblings: readonly TensorNode[], depth: number): void => {
    for (const node of order ? [...siblings].sort(order) : siblings) {
      const { id, children } = node;
      lines.push({ node, depth, ...(children ? { open: open.has(id) } : {}) });
      if (children && open.has(id)) walk(children, depth + 1);
    }
  };
  walk(nodes, 0);
  return lines;
}

/** How many tensors a group has, in words. */
export const sizeOf = ({ members }: TensorNode): string => plural(members.length, 'tensor');
