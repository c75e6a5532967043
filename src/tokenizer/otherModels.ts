import { QuantscopeError } from '../model/errors';
import { isRecord } from '../model/json';
import { said } from '../protocol/said';

/** What the models of other tokenizers do, by the names of tokenizer.json and SentencePiece. */
const ways: Readonly<Record<string, string>> = {
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

/** The type of a tokenizer.json's model. Old files leave it out; a vocabulary with a score for each piece is a list. */
export function modelType(model: unknown): string {
  if (!isRecord(model)) return 'BPE';
  const { type, vocab } = model;
  if (typeof type === 'string') return type;
  return Array.isArray(vocab) ? 'Unigram' : 'BPE';
}

/** The error for a tokenizer of another kind: what it is, why it cannot be written, what can be done. */
export function otherModel(type: string, file: string): QuantscopeError {
  const way = (Object.hasOwn(ways, type) ? ways[type] : undefined) ?? 'cuts text in its own way';
  const message = said`A tokenizer of type ${type} cannot be exported: it ${way}, while only BPE, Unigram and WordPiece can be written. If there is a GGUF file of the model, export from that; it includes its tokenizer.`;
  return new QuantscopeError('UNSUPPORTED', message, { file });
}
