import { joinPlace } from '../model/place';
import { QuantscopeError } from '../model/errors';
import { otherModel, sentencePieceTypes } from './otherModels';
import { pieceVocabulary, type PieceVocabulary } from './pieceVocabulary';
import { arranged } from './sentencePieceClasses';
import { decodeSentencePiece, type SentencePieceModel } from './sentencePieceModel';
import type { TokenizerFiles } from './tokenizerFiles';
import { checkedNormalization, noBytesNote } from './unigram';
import type { Normalization, Token, Vocabulary } from './vocabulary';
import { said } from '../protocol/said';

/**
 * A SentencePiece vocabulary from tokenizer.model (under any of its names), with the tokens that the other files add.
 * @param rows rows of the embedding.
 * @throws QuantscopeError UNSUPPORTED for a model that is neither BPE nor Unigram, or treats spaces in ways that llama.cpp does not.
 */
export function sentencePieceVocabulary(files: TokenizerFiles, rows: number): Vocabulary {
  const file = joinPlace(files.folder, files.sentencePiece?.name ?? 'tokenizer.model');
  const model = decodeSentencePiece(files.sentencePiece?.bytes ?? new Uint8Array(0), file);
  const { trainerSpec } = model;
  const type = trainerSpec ? (sentencePieceTypes[trainerSpec.modelType] ?? trainerSpec.modelType) : 'BPE';
  if (type !== 'BPE' && type !== 'Unigram') throw otherModel(String(type), file);
  checkSpaces(model, file);
  const { pieces, ids, around } = arranged(model, files.config?.['tokenizer_class'], file);
  const tokens = new Map<number, Token>(
    pieces.map(({ piece, score, type }, id) => [id, { text: piece, type, score }]),
  );
  const kind = type === 'BPE' ? mergedBy(model) : likelihoods(model, file);
  return pieceVocabulary(files, rows, { ...kind, tokens, file, ids, ...(around ? { around } : {}) });
}

type Kind = Pick<PieceVocabulary, 'model' | 'notes'> & Normalization;

/** llama.cpp knows no normalization where pieces are merged. */
function mergedBy({ normalizerSpec }: SentencePieceModel): Kind {
  const table = (normalizerSpec?.precompiledCharsmap.length ?? 0) > 0;
  const changes = [
    ...(table ? ['replaces characters by a table'] : []),
    ...(normalizerSpec?.removeExtraWhitespaces ? ['removes extra spaces'] : []),
  ];
  const notes =
    changes.length === 0
      ? []
      : [said`The tokenizer ${changes.join(' and ')} before it merges pieces, which llama.cpp does not.`];
  return { model: 'llama', addSpacePrefix: normalizerSpec?.addDummyPrefix ?? true, notes };
}

function likelihoods({ trainerSpec, normalizerSpec }: SentencePieceModel, file: string): Kind {
  const charsmap = normalizerSpec?.precompiledCharsmap ?? new Uint8Array(0);
  const normalization: Normalization = {
    addSpacePrefix: normalizerSpec?.addDummyPrefix ?? true,
    removeExtraSpaces: normalizerSpec?.removeExtraWhitespaces ?? true,
    ...(charsmap.length > 0 ? { charsmap } : {}),
  };
  const notes = trainerSpec?.byteFallback ? [noBytesNote] : [];
  return { model: 't5', ...checkedNormalization(normalization, file), notes };
}

/** llama.cpp's spaces are "▁" and begin words. */
function checkSpaces({ trainerSpec, normalizerSpec }: SentencePieceModel, file: string): void {
  const strange = trainerSpec?.treatWhitespaceAsSuffix
    ? 'takes spaces for the ends of words (treat_whitespace_as_suffix)'
    : normalizerSpec?.escapeWhitespaces === false && 'keeps spaces as they are (escape_whitespaces)';
  if (!strange) return;
  const message = said`The SentencePiece model ${strange}, which GGUF cannot express.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file });
}
