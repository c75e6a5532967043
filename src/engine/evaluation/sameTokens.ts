import { openTokenizer } from '../../evaluation/tokenizer/openTokenizer';
import type { TextTokenizer } from '../../evaluation/tokenizer/textTokenizer';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import { said } from '../../protocol/said';

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
  const ofOther = await optionalTokenizer(other, signal);
  if (ofOther === undefined || meaning(ofOther, ids) === meaning(tokenizer, ids)) return;
  const message = said`The same token ids decode to a different text with ${name}; both must have the same vocabulary.`;
  throw new QuantscopeError('REQUEST', message, { file: path });
}

/** Share of a vocabulary that may mean another text to another model: tokens that a training puts in reserved places. */
const renamedShare = 0.01;

/**
 * Whether the tokens of two models have the same texts, but for a few that a training may have renamed. A model whose tokenizer is missing or
 * unsupported is not checked.
 * @param count tokens of the vocabulary.
 * @throws QuantscopeError REQUEST when they do not.
 */
export async function checkTexts(
  other: Model,
  name: string,
  tokenizer: TextTokenizer,
  count: number,
  signal: AbortSignal,
): Promise<void> {
  const ofOther = await optionalTokenizer(other, signal);
  if (!ofOther) return;
  const ids = Array.from({ length: count }, (_, id) => id);
  const differing = ids.filter((id) => meaning(ofOther, [id]) !== meaning(tokenizer, [id]));
  if (differing.length <= renamedShare * count) return;
  const [first] = differing as [number];
  const [own, others] = [tokenizer, ofOther].map((of) => JSON.stringify(of.decode([first])));
  const message = said`${differing.length} of ${count} tokens have another text in ${name}, the first of them ${first}: ${String(own)}, there ${String(others)}. Both must have the same vocabulary.`;
  throw new QuantscopeError('REQUEST', message, { file: other.description.path });
}

/** @throws QuantscopeError REQUEST when two models do not have vocabularies of one size. */
export function checkVocabularies(other: number, name: string, own: number, file: string): void {
  if (other === own) return;
  const message = said`${name} has ${other} tokens, the model ${own}; they must have the same vocabulary.`;
  throw new QuantscopeError('REQUEST', message, { file });
}

/** The tokenizer of a model, unless it is missing or unsupported. */
const optionalTokenizer = (model: Model, signal: AbortSignal): Promise<TextTokenizer | undefined> =>
  openTokenizer(model, signal).catch((error: unknown) => {
    if (error instanceof QuantscopeError && ['REQUEST', 'UNSUPPORTED'].includes(error.code)) return undefined;
    throw error;
  });

/** Text of tokens; decoders of the same vocabulary may leave out different spaces. */
const meaning = (of: TextTokenizer, ids: ArrayLike<number>): string => of.decode(ids).replace(/\s/g, '');
