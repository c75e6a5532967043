import { getLocation, type JSONPath } from 'jsonc-parser';
import type { DocumentKind, Span } from '../../protocol/documentCheck';

/** What belongs to a place of a plan or recipe. */
export type CompletionKind = 'tensor' | 'pattern' | 'module' | 'format' | 'ggml' | 'grid';

/** Where a value is being written: the text that it replaces, with its quotes, which is empty where nothing is there yet. */
export interface CompletionPlace extends Span {
  readonly kind: CompletionKind;
}

/** Paths of values, with `*` for any place in a list, and what belongs there. */
const places: Readonly<Record<DocumentKind, readonly (readonly [path: JSONPath, kind: CompletionKind])[]>> = {
  plan: [
    [['assignments', '*', 'tensor'], 'tensor'],
    [['assignments', '*', 'format'], 'format'],
    [['constraints', '*', 'tensors'], 'pattern'],
    [['constraints', '*', 'allow', '*'], 'format'],
    [['constraints', '*', 'exclude', '*'], 'format'],
    [['formats', '*'], 'format'],
  ],
  recipe: [
    [['rules', '*', 'match'], 'pattern'],
    [['rules', '*', 'grid'], 'grid'],
    [['rules', '*', 'grid', 'ggml'], 'ggml'],
    [['skip', '*'], 'module'],
  ],
};

/** What can be completed at an offset of a text; undefined where that is nothing of ours. */
export function completionPlace(
  text: string,
  offset: number,
  document: DocumentKind,
): CompletionPlace | undefined {
  const { path, previousNode, isAtPropertyKey, matches } = getLocation(text, offset);
  if (isAtPropertyKey) return undefined;
  const found = places[document].find(([pattern]) => pattern.length === path.length && matches([...pattern]));
  if (!found) return undefined;
  const isInside =
    previousNode?.type === 'string' &&
    previousNode.offset < offset &&
    previousNode.offset + previousNode.length >= offset;
  return isInside
    ? { kind: found[1], start: previousNode.offset, end: previousNode.offset + previousNode.length }
    : { kind: found[1], start: offset, end: offset };
}
