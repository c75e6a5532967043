import { isMap, isPair, isScalar, parseAllDocuments, visit, type Node, type Pair, type Scalar } from 'yaml';
import type { NamePlace } from '../../../protocol/names';
import { readText } from './readings';

/** Keys at the root of a merge of mergekit. */
const mergeKeys: ReadonlySet<string> = new Set(['merge_method', 'slices', 'models', 'modules']);
/** Keys above the recipes of llm-compressor, and of configurations. */
const recipeKey = /(?:Modifier|_modifiers|_stage)$|^quantization_config$|^quantization$/;

/** What the scalar at a place of a YAML document names: a key or a value. */
export function yamlName(text: string, offset: number): NamePlace | undefined {
  const documents = parseAllDocuments(text, { logLevel: 'silent' });
  if (!Array.isArray(documents)) return undefined;
  for (const document of documents) {
    const found = scalarAt(document.contents, document, offset);
    if (!found) continue;
    const { scalar, path, isKey } = found;
    const roots = isMap(document.contents) ? document.contents.items.map(({ key }) => textOf(key)) : [];
    const isKnown =
      roots.some((key) => mergeKeys.has(key)) || path.some((item) => recipeKey.test(String(item)));
    const query = readText(scalar.value as string, { path, isKey, isKnown });
    const [start, end] = inside(scalar);
    return query && { start, end, query };
  }
  return undefined;
}

interface FoundScalar {
  readonly scalar: Scalar;
  readonly path: readonly string[];
  readonly isKey: boolean;
}

function scalarAt(
  root: Node | null,
  document: Parameters<typeof visit>[0],
  offset: number,
): FoundScalar | undefined {
  if (!root) return undefined;
  let found: FoundScalar | undefined;
  visit(document, {
    Scalar(key, scalar, ancestors) {
      if (typeof scalar.value !== 'string' || scalar.type?.startsWith('BLOCK') || !scalar.range)
        return undefined;
      const [start, end] = inside(scalar);
      if (offset < start || offset > end) return undefined;
      const isKey = key === 'key';
      const pairs = ancestors.filter((item): item is Pair => isPair(item));
      const path = (isKey ? pairs.slice(0, -1) : pairs).map((pair) => textOf(pair.key));
      found = { scalar, path, isKey };
      return visit.BREAK;
    },
  });
  return found;
}

const textOf = (key: unknown): string => (isScalar(key) ? String(key.value) : '');

/** Offsets of the text of a scalar, without quotes. */
function inside({ range, type }: Scalar): [number, number] {
  const [start, end] = range!;
  return type === 'QUOTE_DOUBLE' || type === 'QUOTE_SINGLE' ? [start + 1, end - 1] : [start, end];
}
