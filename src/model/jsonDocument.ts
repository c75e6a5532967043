import { parseTree } from 'jsonc-parser';
import type { Span } from '../protocol/documentCheck';
import { isTooDeep } from './jsonDepth';
import { jsonOptions, reparse, type JsonNode } from './jsonReparse';
import { maxJsonDepth } from './limits';

type Path = readonly (string | number)[];

/**
 * The text of a JSON document and the places of its values; what is broken in it is left out. Of a key that appears twice the last one counts, as
 * for `JSON.parse`. A text that is nested too deep for a model's JSON has no value.
 */
export class JsonDocument {
  private root: JsonNode | undefined;

  constructor(private content: string) {
    this.root = parse(content);
  }

  get text(): string {
    return this.content;
  }

  /** Takes another text instead; what did not change is not parsed again. Places that were asked for before are those in the earlier text. */
  update(text: string): void {
    if (!this.root || !reparse(this.root, this.content, text)) this.root = parse(text);
    this.content = text;
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

  private nodeAt(path: Path): JsonNode | undefined {
    let node = this.root;
    for (const step of path) node = node && childOf(node, step);
    return node;
  }
}

const parse = (text: string): JsonNode | undefined =>
  isTooDeep(text, maxJsonDepth) ? undefined : parseTree(text, [], jsonOptions);

const spanOf = ({ offset, length }: JsonNode): Span => ({ start: offset, end: offset + length });

/** Keys with their values, where these are there. */
const membersOf = ({ children = [] }: JsonNode): (readonly [string, JsonNode])[] =>
  children.flatMap(({ children: [key, value] = [] }) =>
    key && value ? [[key.value as string, value] as const] : [],
  );

function childOf(node: JsonNode, step: string | number): JsonNode | undefined {
  if (typeof step === 'number') return node.type === 'array' ? node.children?.[step] : undefined;
  if (node.type !== 'object' || !node.children) return undefined;
  for (let i = node.children.length - 1; i >= 0; i--) {
    const member = node.children[i]!.children!;
    if (member.length === 2 && member[0]!.value === step) return member[1];
  }
  return undefined;
}

/** Any name may be a key, "__proto__" too. */
function valueOf(node: JsonNode): unknown {
  if (node.type === 'array') return (node.children ?? []).map(valueOf);
  if (node.type === 'object')
    return Object.fromEntries(membersOf(node).map(([key, value]) => [key, valueOf(value)]));
  return node.value;
}
