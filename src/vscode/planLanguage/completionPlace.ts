import { getLocation, type JSONPath } from 'jsonc-parser';
import type { DocumentKind, Span } from '../../protocol/documentCheck';

/** What belongs to a place of a plan or recipe. */
export type CompletionKind =
  | 'tensor'
  | 'source'
  | 'pattern'
  | 'module'
  | 'format'
  | 'ggml'
  | 'grid'
  | 'layout'
  | 'method'
  | 'fileType'
  | 'text';

/** Where a value is being written: the text that it replaces, with its quotes, which is empty where nothing is there yet. */
export interface CompletionPlace extends Span {
  readonly kind: CompletionKind;
  /** The tensor that the same object names before it. */
  readonly tensor?: string;
}

/** Paths of values, with `*` for any place in a list, and what belongs there. */
const places: Readonly<Record<DocumentKind, readonly (readonly [path: JSONPath, kind: CompletionKind])[]>> = {
  plan: [
    [['assignments', '*', 'tensor'], 'tensor'],
    [['assignments', '*', 'sources', '*'], 'source'],
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
    [['rules', '*', 'method', 'id'], 'method'],
    [['method', 'id'], 'method'],
    [['skip', '*'], 'module'],
    [['layout'], 'layout'],
    [['fileType'], 'fileType'],
    [['calibration', 'text'], 'text'],
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
  const [start, end] = isInside
    ? [previousNode.offset, previousNode.offset + previousNode.length]
    : [offset, offset];
  const tensor = found[1] === 'source' ? tensorBefore(text, start) : undefined;
  return { kind: found[1], start, end, ...(tensor === undefined ? {} : { tensor }) };
}

/** The tensor of an assignment, which its sources follow. */
function tensorBefore(text: string, offset: number): string | undefined {
  const own = text.slice(text.lastIndexOf('{', offset), offset);
  return /"tensor"\s*:\s*"([^"\\]*)"/.exec(own)?.[1];
}
