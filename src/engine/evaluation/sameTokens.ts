import { openTokenizer } from '../../evaluation/tokenizer/openTokenizer';
import type { TextTokenizer } from '../../evaluation/tokenizer/textTokenizer';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';

/**
 * Whether ids mean the same text to another model. One whose tokenizer is missing or unsupported is not checked.
 * @param name of the other model: "the base model".
 * @throws QuantscopeError REQUEST when they do not.
 */
export async function checkTokens(
  other: Model,
  name: string,
  tokenizer: TextTokenizer,
  ids: ArrayLike<number>,
  signal: AbortSignal,
): Promise<void> {
  const { path } = other.description;
  const ofOther = await openTokenizer(other, signal).catch((error: unknown) => {
    if (error instanceof QuantscopeError && ['REQUEST', 'UNSUPPORTED'].includes(error.code)) return undefined;
    throw error;
  });
  // Decoders of the same vocabulary may leave out different spaces.
  const meaning = (of: TextTokenizer): string => of.decode(ids).replace(/\s/g, '');
  if (ofOther === undefined || meaning(ofOther) === meaning(tokenizer)) return;
  const message = `The same token ids decode to a different text with ${name}; both must have the same vocabulary.`;
  throw new QuantscopeError('REQUEST', message, { file: path });
}

/** @throws QuantscopeError REQUEST when two models do not have vocabularies of one size. */
export function checkVocabularies(other: number, name: string, own: number, file: string): void {
  if (other === own) return;
  const message = `${name} has ${other} tokens, the model ${own}; they must have the same vocabulary.`;
  throw new QuantscopeError('REQUEST', message, { file });
}
