import { QuantscopeError } from '../model/errors';

/** What the models of other tokenizers do instead of merging pairs, by the names of tokenizer.json and SentencePiece. */
const ways: Readonly<Record<string, string>> = {
  Unigram: 'picks the most likely pieces of a text',
  WordPiece: 'takes the longest pieces of a word',
  WordLevel: 'knows only whole words',
  Word: 'knows only whole words',
  Char: 'takes characters one by one',
};

/** SentencePiece's TrainerSpec.ModelType → the name that tokenizer.json has for it. */
export const sentencePieceTypes: Readonly<Record<number, string>> = {
  1: 'Unigram',
  2: 'BPE',
  3: 'Word',
  4: 'Char',
};

/** The error for a tokenizer that is not BPE: what it is, why it cannot be written, what can be done. */
export function otherModel(type: string, file: string): QuantscopeError {
  const way = (Object.hasOwn(ways, type) ? ways[type] : undefined) ?? 'cuts text in its own way';
  const message = `A tokenizer of type ${type} cannot be exported: it ${way}, while only tokenizers that merge pairs (BPE) can be written. If there is a GGUF file of the model, export from that; it includes its tokenizer.`;
  return new QuantscopeError('UNSUPPORTED', message, { file });
}
