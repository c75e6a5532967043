import { isRecord } from '../model/json';

/** Tokens of a tokenizer.json: vocabulary proper and added ones. */
export interface JsonVocabulary {
  readonly ids: ReadonlyMap<string, number>;
  readonly addedTexts: ReadonlySet<string>;
}

/** @returns undefined where the file has no vocabulary of a known form. */
export function vocabularyOf(tokenizer: Readonly<Record<string, unknown>>): JsonVocabulary | undefined {
  const model = tokenizer['model'];
  const vocab = isRecord(model) ? model['vocab'] : undefined;
  const ids = new Map<string, number>();
  if (isRecord(vocab)) {
    for (const [text, id] of Object.entries(vocab)) if (typeof id === 'number') ids.set(text, id);
  } else if (Array.isArray(vocab)) {
    for (const [id, entry] of (vocab as unknown[]).entries())
      if (Array.isArray(entry) && typeof entry[0] === 'string') ids.set(entry[0], id);
  } else return undefined;
  const added = tokenizer['added_tokens'];
  const addedTexts = new Set<string>();
  for (const token of Array.isArray(added) ? (added as unknown[]) : [])
    if (isRecord(token) && typeof token['content'] === 'string' && typeof token['id'] === 'number') {
      ids.set(token['content'], token['id']);
      addedTexts.add(token['content']);
    }
  return { ids, addedTexts };
}

/** Special tokens are texts, or objects with a `content`. */
export function tokenText(value: unknown): string | undefined {
  const text = isRecord(value) ? value['content'] : value;
  return typeof text === 'string' ? text : undefined;
}
