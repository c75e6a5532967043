/** Trees as lists of lines, of which those in closed groups are left out. */

export interface Nested<N> {
  readonly id: string;
  /** Absent for a node that is not a group. */
  readonly children?: readonly N[] | undefined;
}

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
 * @param order of the members of a group; without it they come as they were given.
 */
export function linesOf<N extends Nested<N>>(
  nodes: readonly N[],
  open: ReadonlySet<string> | 'all',
  order?: (a: N, b: N) => number,
): readonly Line<N>[] {
  const lines: Line<N>[] = [];
  const walk = (siblings: readonly N[], depth: number): void => {
    for (const node of order ? [...siblings].sort(order) : siblings) {
      const isOpen = open === 'all' || open.has(node.id);
      lines.push({ node, depth, ...(node.children ? { open: isOpen } : {}) });
      if (node.children && isOpen) walk(node.children, depth + 1);
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
  const walk = ({ id, children }: N): void => {
    if (!children) return;
    open.add(id);
    children.forEach(walk);
  };
  nodes.forEach(walk);
  return open;
}
