import * as l10n from '@vscode/l10n';
import { plural } from '../src/protocol/words';
import { placeOf, type Grouping } from '../src/protocol/places';

/** Lists of tensors, such as those of an exported file, in groups by layer or by role. */

/** A group of tensors, or a single one; tensors are named by their place in the list that was grouped. */
export interface TensorNode {
  readonly id: string;
  readonly label: string;
  readonly members: readonly number[];
  /** Undefined for a single tensor. */
  readonly children?: readonly TensorNode[];
}

interface Placed {
  readonly index: number;
  readonly name: string;
  /** Number of the repeated block; undefined outside the blocks. */
  readonly layer: string | undefined;
  readonly role: string;
  /** Further numbers of the name, as of an expert. */
  readonly member: string;
}

function place(name: string, index: number): Placed {
  const { wrapper, numbers, role } = placeOf(name);
  const [layer, ...others] = numbers;
  return { index, name, layer, role: role === '' ? wrapper.join('.') : role, member: others.join('.') };
}

/** The tensors as a tree, in the order of the list. A group of one tensor is that tensor. */
export function groupTensors(names: readonly string[], by: Grouping): readonly TensorNode[] {
  const placed = names.map(place);
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

const layerKey = ({ layer, role }: Placed): string =>
  layer === undefined ? role : l10n.t('layer {0}', layer);
const roleKey = ({ role }: Placed): string => role;

/** The tensors that share layer and role: one, or the experts. */
function inside(id: string, label: string, items: readonly Placed[]): TensorNode {
  return group(id, label, items, () => items.map((item) => leaf(item, item.member || item.name)));
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

/** How many tensors a group has, in words. */
export const sizeOf = ({ members }: TensorNode): string => plural(members.length, 'tensor');
