import { QuantscopeError } from '../model/errors';
import type { SentencePiece, SentencePieceModel } from './sentencePieceModel';
import { tokenTypes, type Vocabulary } from './vocabulary';
import { said } from '../protocol/said';

/** Pieces by the ids that the model was trained with, and what a class of transformers puts around texts. */
export interface Arrangement extends Pick<Vocabulary, 'around'> {
  readonly pieces: readonly SentencePiece[];
  readonly ids: NonNullable<Vocabulary['ids']>;
}

type Arrange = (model: SentencePieceModel) => Arrangement;

/** The ids of the file. */
const asStored: Arrange = ({ pieces, trainerSpec }) => {
  const { unkId = 0, bosId = 1, eosId = 2, padId = -1 } = trainerSpec ?? {};
  const ids = Object.entries({ bos: bosId, eos: eosId, unk: unkId, pad: padId }).filter(([, id]) => id >= 0);
  const around = trainerSpec?.modelType === 1 ? { around: { addBos: false, addEos: true } } : {};
  return { pieces, ids: Object.fromEntries(ids), ...around };
};

/** XLM-RoBERTa keeps the ids of fairseq: four special tokens, the pieces after the file's first three, and a mask. */
const fairseq: Arrange = ({ pieces }) => {
  const special = (piece: string, type: number = tokenTypes.control): SentencePiece => ({
    ...{ piece, score: 0, type },
  });
  const first = [special('<s>'), special('<pad>'), special('</s>'), special('<unk>', tokenTypes.unknown)];
  const all = [...first, ...pieces.slice(3), special('<mask>')];
  const ids = { bos: 0, pad: 1, eos: 2, sep: 2, unk: 3, mask: all.length - 1 };
  return { pieces: all, ids, around: { addBos: true, addEos: true } };
};

/** By the class in tokenizer_config.json, without "Fast". */
const arrangements: ReadonlyMap<string, Arrange> = new Map([
  ['XLMRobertaTokenizer', fairseq],
  ...['T5Tokenizer', 'LlamaTokenizer', 'CodeLlamaTokenizer', 'GemmaTokenizer', 'PreTrainedTokenizer'].map(
    (name) => [name, asStored] as const,
  ),
]);

/**
 * The pieces of a SentencePiece model by the ids that the model's class gives them.
 * @throws QuantscopeError UNSUPPORTED for a Unigram model of a class that is not known: many change the ids of the file.
 */
export function arranged(model: SentencePieceModel, className: unknown, file: string): Arrangement {
  const arrange =
    typeof className === 'string' ? arrangements.get(className.replace(/Fast$/, '')) : undefined;
  if (arrange) return arrange(model);
  if (typeof className !== 'string' || model.trainerSpec?.modelType !== 1) return asStored(model);
  const known = [...arrangements.keys()].join(', ');
  const message = said`Which ids the class ${JSON.stringify(className)} gives the pieces of a Unigram model is not known; known are those of ${known}. A tokenizer.json would state them.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file });
}
