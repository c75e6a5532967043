import { publishedPreTokenizers } from './preTokenizerPatterns';
import { takesWordsWhole } from './preTokenizers';
import type { Step } from './steps';

/**
 * How a tokenizer.json defines the pre-tokenizer that GGUF has a name for: the inverse of `preTokenizerName`.
 * @param name of `tokenizer.ggml.pre`.
 * @returns undefined for a name that no known definition leads to.
 */
export function preTokenizerDefinition(
  name: string,
): { readonly definition: Step; readonly ignoreMerges: boolean } | undefined {
  const [same = name] = [...takesWordsWhole].find(([, merging]) => merging === name) ?? [];
  const steps = publishedPreTokenizers.get(same);
  const [only] = steps ?? [];
  if (!steps || !only) return undefined;
  const definition = steps.length === 1 ? only : { type: 'Sequence', pretokenizers: steps };
  return { definition, ignoreMerges: takesWordsWhole.has(name) };
}
