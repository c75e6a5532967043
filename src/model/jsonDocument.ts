import { createScanner, parseTree, type Node } from 'jsonc-parser';
import type { Span } from '../protocol/documentCheck';
import { maxJsonDepth } from './limits';

type Path = readonly (string | number)[];

/**
 * The text of a JSON document and the places of its values; what is broken in it is left out. Of a key that appears twice the last one counts, as
 * for `JSON.parse`. A text that is nested too deep for a model's JSON has no value.
 */
export class JsonDocument {
  private readonly root: Node | undefined;

  constructor(readonly text: string) {
    if (!isTooDeep(text)) this.root = parseTree(text, [], { allowTrailingComma: true });
  }

  /** The value of the whole document; undefined where there is none. */
  get value(): unknown {
    return this.root && valueOf(this.root);
  }

  /** The value at a path of keys and places in lists; undefined where there is none. */
  valueAt(...path: Path): unknown {
    const node = this.nodeAt(path);
    return node && valueOf(node);
  }

  /** Number of items of a list; 0 where there is none. */
  lengthAt(...path: Path): number {
    const node = this.nodeAt(path);
    return node?.type === 'array' ? (node.children?.length ?? 0) : 0;
  }

  /** Where a value stands; where it is missing, the key of what it is missing in, and else the document's first letter. */
  span(...path: Path): Span {
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
  removal(list: Path, index: number): Span {
    const items = this.nodeAt(list)?.children ?? [];
    const item = spanOf(items[index]!);
    if (index > 0) return { start: spanOf(items[index - 1]!).end, end: item.end };
    const next = items[1];
    return { start: item.start, end: next ? next.offset : item.end };
  }

  private nodeAt(path: Path): Node | undefined {
    return path.reduce<Node | undefined>((node, step) => node && childOf(node, step), this.root);
  }
}

const spanOf = ({ offset, length }: Node): Span => ({ start: offset, end: offset + length });

/** Keys with their values, where these are there. */
const membersOf = ({ children = [] }: Node): (readonly [string, Node])[] =>
  children.flatMap(({ children: [key, value] = [] }) =>
    key && value ? [[key.value as string, value] as const] : [],
  );

function childOf(node: Node, step: string | number): Node | undefined {
  if (typeof step === 'number') return node.type === 'array' ? node.children?.[step] : undefined;
  return node.type === 'object' ? membersOf(node).findLast(([key]) => key === step)?.[1] : undefined;
}

/** Any name may be a key, "__proto__" too. */
function valueOf(node: Node): unknown {
  if (node.type === 'array') return (node.children ?? []).map(valueOf);
  if (node.type === 'object')
    return Object.fromEntries(membersOf(node).map(([key, value]) => [key, valueOf(value)]));
  return node.value;
}

/** Parsing calls itself at each level, so the depth is counted first; only what surely ends a level does, as texts may be broken. */
function isTooDeep(text: string): boolean {
  const scanner = createScanner(text, true);
  const open: string[] = [];
  while (scanner.getPosition() < text.length) {
    scanner.scan();
    const start = text[scanner.getTokenOffset()]; // no other token starts with a bracket
    if (start === '{') open.push('}');
    else if (start === '[') open.push(']');
    else if (start !== undefined && start === open.at(-1)) open.pop();
    if (open.length > maxJsonDepth) return true;
  }
  return false;
}
