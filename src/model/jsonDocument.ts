import { findNodeAtLocation, getNodeValue, parseTree, type Node } from 'jsonc-parser';
import type { Span } from '../protocol/documentCheck';

/** The text of a JSON document and the places of its values; what is broken in it is left out. */
export class JsonDocument {
  private readonly root: Node | undefined;

  constructor(readonly text: string) {
    this.root = parseTree(text, [], { allowTrailingComma: true });
  }

  /** The value of the whole document; undefined where there is none. */
  get value(): unknown {
    return this.root && (getNodeValue(this.root) as unknown);
  }

  /** The value at a path of keys and places in lists; undefined where there is none. */
  valueAt(...path: readonly (string | number)[]): unknown {
    const node = this.nodeAt(path);
    return node && (getNodeValue(node) as unknown);
  }

  /** Number of items of a list; 0 where there is none. */
  lengthAt(...path: readonly (string | number)[]): number {
    const node = this.nodeAt(path);
    return node?.type === 'array' ? (node.children?.length ?? 0) : 0;
  }

  /** Where a value stands; where it is missing, the key of what it is missing in, and else the document's first letter. */
  span(...path: readonly (string | number)[]): Span {
    for (let length = path.length; length > 0; length--) {
      const node = this.nodeAt(path.slice(0, length));
      if (!node) continue;
      if (length === path.length) return spanOf(node);
      const key = node.parent?.type === 'property' ? node.parent.children?.[0] : undefined;
      return key ? spanOf(key) : { start: node.offset, end: node.offset + 1 };
    }
    const start = this.root?.offset ?? 0;
    return { start, end: Math.min(start + 1, this.text.length) };
  }

  /** Where the value of a path such as `$.rules[0].grid` stands. */
  spanOfPath(path: string): Span {
    const steps = [...path.matchAll(/\.([\w$-]+)|\[(\d+)\]/g)];
    return this.span(...steps.map(([, key, index]) => key ?? Number(index)));
  }

  /** The span that goes when an item of a list is taken away: with the comma before or after it. */
  removal(list: readonly (string | number)[], index: number): Span {
    const items = this.nodeAt(list)?.children ?? [];
    const item = spanOf(items[index]!);
    if (index > 0) return { start: spanOf(items[index - 1]!).end, end: item.end };
    const next = items[1];
    return { start: item.start, end: next ? next.offset : item.end };
  }

  private nodeAt(path: readonly (string | number)[]): Node | undefined {
    return this.root && findNodeAtLocation(this.root, [...path]);
  }
}

const spanOf = ({ offset, length }: Node): Span => ({ start: offset, end: offset + length });
