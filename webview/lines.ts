/** Trees as lists of lines, of which those in closed groups are left out. */

export interface Nested<N> {
  readonly id: string;
  /** Absent for a node that is not a group. */
  readonly children?: readonly N[];
}

/** Without asking for its members, which are found when the group is opened. */
const isGroup = (node: object): boolean => 'children' in node;

/** A visible line. */
export interface Line<N> {
  readonly node: N;
  readonly depth: number;
  /** Undefined for a node that is not a group. */
  readonly open?: boolean;
}

/**
 * The visible lines.
 * @param open ids of open groups, or all of them.
 * @param arranged gives members of a group in another order than theirs.
 */
export function linesOf<N extends Nested<N>>(
  nodes: readonly N[],
  open: ReadonlySet<string> | 'all',
  arranged: (siblings: readonly N[]) => readonly N[] = (siblings) => siblings,
): readonly Line<N>[] {
  const lines: Line<N>[] = [];
  const walk = (siblings: readonly N[], depth: number): void => {
    for (const node of arranged(siblings)) {
      if (!isGroup(node)) {
        lines.push({ node, depth });
        continue;
      }
      const isOpen = open === 'all' || open.has(node.id);
      lines.push({ node, depth, open: isOpen });
      if (isOpen) walk(node.children!, depth + 1);
    }
  };
  walk(nodes, 0);
  return lines;
}

/** Tensors up to which all groups are open until the user closes them; larger models start with all of them closed. */
const openUpTo = 120;

/** Ids of the groups that are open at first. */
export function openAtFirst<N extends Nested<N>>(nodes: readonly N[], tensors: number): Set<string> {
  const open = new Set<string>();
  if (tensors > openUpTo) return open;
  const walk = (node: N): void => {
    if (!isGroup(node)) return;
    open.add(node.id);
    node.children!.forEach(walk);
  };
  nodes.forEach(walk);
  return open;
}
