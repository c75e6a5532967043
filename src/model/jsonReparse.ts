import { parseTree, printParseErrorCode, type NodeType, type ParseError } from 'jsonc-parser';
import { isTooDeep } from './jsonDepth';
import { maxJsonDepth } from './limits';

export const jsonOptions = { allowTrailingComma: true } as const;

/** A value, or a key with its value, of a JSON text: as the parser makes it. */
export interface JsonNode {
  readonly type: NodeType;
  readonly value?: unknown;
  offset: number;
  length: number;
  colonOffset?: number;
  parent?: JsonNode;
  children?: JsonNode[];
}

/** The part of a text that another one has in its place: it ends at `end` there, and `delta` units later in the other. */
interface Change {
  readonly start: number;
  readonly end: number;
  readonly delta: number;
}

/** New children of a container, in the place of some of its own. */
interface Replacement {
  readonly container: JsonNode;
  /** Children before it that stay, and how many go. */
  readonly kept: number;
  readonly removed: number;
  readonly children: readonly JsonNode[];
}

/**
 * Makes the tree of a text that of another one, in place: only what changed is parsed, which is the innermost object that holds the change, or the
 * items of a list that it touches. The parser is one pass with a token of foresight, so what follows is as it was once the change ends where the
 * changed value ends. Broken text makes no difference as long as values end there in spite of it.
 * @returns whether that was possible; else the tree is as it was.
 */
export function reparse(root: JsonNode, before: string, after: string): boolean {
  const change = changeBetween(before, after);
  if (!change) return true;
  const holding = containersOf(root, change);
  for (let depth = holding.length - 1; depth >= 0; depth--) {
    const found = replacement(holding[depth]!, depth, before, after, change);
    if (!found) continue;
    apply(root, found, change);
    return true;
  }
  return false;
}

/** Undefined where the texts are the same. */
function changeBetween(before: string, after: string): Change | undefined {
  if (before === after) return undefined;
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before.charCodeAt(start) === after.charCodeAt(start)) start += 1;
  let tail = 0;
  while (
    tail < shorter - start &&
    before.charCodeAt(before.length - 1 - tail) === after.charCodeAt(after.length - 1 - tail)
  )
    tail += 1;
  return { start, end: before.length - tail, delta: after.length - before.length };
}

const endOf = ({ offset, length }: JsonNode): number => offset + length;

/** Lists and objects between whose brackets the change lies, the outermost first. */
function containersOf(root: JsonNode, { start, end }: Change): JsonNode[] {
  const found: JsonNode[] = [];
  let node: JsonNode | undefined = root;
  const holds = (item: JsonNode): boolean => item.offset < start && endOf(item) > end;
  while (node?.children && holds(node)) {
    found.push(node);
    const child: JsonNode | undefined = node.children.find(holds);
    node = child?.type === 'property' ? child.children?.[1] : child;
  }
  return found;
}

function replacement(
  container: JsonNode,
  depth: number,
  before: string,
  after: string,
  change: Change,
): Replacement | undefined {
  const isList = container.type === 'array' && before[endOf(container) - 1] === ']';
  return (
    (isList ? items(container, depth, after, change, 0) : undefined) ??
    (isList ? items(container, depth, after, change, 1) : undefined) ??
    members(container, depth, after, change)
  );
}

/** The whole of a container again; not where that is most of the text. */
function members(
  container: JsonNode,
  depth: number,
  after: string,
  { delta }: Change,
): Replacement | undefined {
  const { offset, length, children = [] } = container;
  const wanted = length + delta;
  if (wanted > after.length / 2) return undefined;
  const errors: ParseError[] = [];
  const parsed = parsePart(after.slice(offset, offset + wanted), depth, errors);
  if (parsed?.type !== container.type || parsed.length !== wanted) return undefined;
  if (errors.some(isUnclosed)) return undefined;
  return { container, kept: 0, removed: children.length, children: moved(parsed.children ?? [], offset) };
}

const isUnclosed = ({ error }: ParseError): boolean => unclosed.has(printParseErrorCode(error));

/** That a value goes on after the part of the text, or ends before its end. */
const unclosed: ReadonlySet<string> = new Set([
  'CloseBraceExpected',
  'CloseBracketExpected',
  'EndOfFileExpected',
]);

/**
 * The items of a list between those that the change does not touch, for which a zero stands: where that is read as an item, what stands there is, too.
 * @param further untouched items after the change that are parsed again: an item without its end takes the next one in.
 */
function items(
  container: JsonNode,
  depth: number,
  after: string,
  { start, end, delta }: Change,
  further: number,
): Replacement | undefined {
  const { children = [] } = container;
  const touched = children.findIndex((item) => endOf(item) >= start);
  const kept = touched < 0 ? children.length : touched;
  const untouched = children.findIndex((item, i) => i >= kept && item.offset > end);
  const next = untouched < 0 ? children.length : Math.min(untouched + further, children.length);
  const [from, head] = kept > 0 ? [endOf(children[kept - 1]!), '[0'] : [container.offset + 1, '['];
  const [to, tail] = next < children.length ? [children[next]!.offset, '0]'] : [endOf(container) - 1, ']'];
  const part = head + after.slice(from, to + delta) + tail;
  const errors: ParseError[] = [];
  const { length, children: parsed = [] } = parsePart(part, depth, errors) ?? { length: 0 };
  if (length !== part.length || errors.some(isUnclosed)) return undefined;
  if (head.length > 1 && !isZeroAt(parsed[0], 1)) return undefined;
  if (tail.length > 1 && !isZeroAt(parsed.at(-1), part.length - 2)) return undefined;
  const own = parsed.slice(head.length - 1, parsed.length - (tail.length - 1));
  return { container, kept, removed: next - kept, children: moved(own, from - head.length) };
}

const isZeroAt = (node: JsonNode | undefined, offset: number): boolean =>
  node?.offset === offset && node.length === 1;

function parsePart(part: string, depth: number, errors: ParseError[]): JsonNode | undefined {
  return isTooDeep(part, maxJsonDepth - depth) ? undefined : parseTree(part, errors, jsonOptions);
}

function apply(root: JsonNode, { container, kept, removed, children }: Replacement, change: Change): void {
  const own = container.children!;
  const before = own.slice(0, kept);
  const after = own.slice(kept + removed);
  container.children = [...before, ...after];
  stretch(root, change);
  for (const child of children) child.parent = container;
  container.children = [...before, ...children, ...after];
}

/** Lengthens what holds the change, and moves what follows it. */
function stretch(node: JsonNode, change: Change): void {
  const { end, delta } = change;
  if (node.offset >= end) moved([node], delta);
  else if (endOf(node) >= end) {
    node.length += delta;
    node.children?.forEach((child) => stretch(child, change));
  }
}

function moved(nodes: readonly JsonNode[], delta: number): readonly JsonNode[] {
  if (delta !== 0)
    for (const node of nodes) {
      node.offset += delta;
      if (node.colonOffset !== undefined) node.colonOffset += delta;
      if (node.children) moved(node.children, delta);
    }
  return nodes;
}
