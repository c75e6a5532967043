import { join } from 'node:path';
import protobuf from 'protobufjs/light.js';
import { reason } from '../model/byteSource';
import { QuantscopeError } from '../model/errors';
import { otherModel, sentencePieceTypes } from './otherModels';
import { pieceVocabulary } from './pieceVocabulary';
import type { TokenizerFiles } from './tokenizerFiles';
import type { Token, Vocabulary } from './vocabulary';

/** In proto2, a field that is stated is kept; without the edition, false and 0 would be taken for absent ones. */
const message = (fields: Record<string, protobuf.IField>): protobuf.IType => ({ edition: 'proto2', fields });
const field = (id: number, type: string, standard?: number | boolean): protobuf.IField => ({
  ...{ id, type },
  ...(standard === undefined ? {} : { options: { default: standard } }),
});

/** The fields of sentencepiece_model.proto that are needed here. */
const descriptor: protobuf.INamespace = {
  nested: {
    ModelProto: message({
      pieces: { rule: 'repeated', ...field(1, 'SentencePiece') },
      trainerSpec: field(2, 'TrainerSpec'),
      normalizerSpec: field(3, 'NormalizerSpec'),
    }),
    SentencePiece: message({
      piece: field(1, 'string'),
      score: field(2, 'float'),
      type: field(3, 'int32', 1),
    }),
    TrainerSpec: message({
      modelType: field(3, 'int32', 1),
      unkId: field(40, 'int32', 0),
      bosId: field(41, 'int32', 1),
      eosId: field(42, 'int32', 2),
      padId: field(43, 'int32', -1),
    }),
    NormalizerSpec: message({ addDummyPrefix: field(3, 'bool', true) }),
  },
};

/** Content of a tokenizer.model; piece types have the values of `tokenTypes`. */
export interface SentencePieceModel {
  pieces: { piece: string; score: number; type: number }[];
  trainerSpec?: { modelType: number; unkId: number; bosId: number; eosId: number; padId: number } | null;
  normalizerSpec?: { addDummyPrefix: boolean } | null;
}

/** The message of a tokenizer.model. */
export const sentencePieceMessage = protobuf.Root.fromJSON(descriptor).lookupType('ModelProto');

/** @throws QuantscopeError MODEL_FILE when the bytes are not a SentencePiece model. */
export function decodeSentencePiece(bytes: Uint8Array, file: string): SentencePieceModel {
  try {
    const model = sentencePieceMessage.decode(bytes) as unknown as SentencePieceModel;
    if (model.pieces.length > 0) return model;
  } catch (cause) {
    const message = `The file is not a SentencePiece model: ${reason(cause)}`;
    throw new QuantscopeError('MODEL_FILE', message, { file, offset: 0 }, cause);
  }
  throw new QuantscopeError('MODEL_FILE', 'The SentencePiece model has no pieces.', { file, offset: 0 });
}

/**
 * A SentencePiece vocabulary from tokenizer.model, with the tokens that the other files add.
 * @param rows rows of the embedding.
 * @throws QuantscopeError UNSUPPORTED for a unigram model: llama.cpp's "llama" tokenizer merges by score, as BPE does.
 */
export function sentencePieceVocabulary(files: TokenizerFiles, rows: number): Vocabulary {
  const file = join(files.folder, 'tokenizer.model');
  const { pieces, trainerSpec, normalizerSpec } = decodeSentencePiece(
    files.sentencePiece ?? new Uint8Array(0),
    file,
  );
  const type = trainerSpec ? (sentencePieceTypes[trainerSpec.modelType] ?? trainerSpec.modelType) : 'BPE';
  if (type !== 'BPE') throw otherModel(String(type), file);
  const tokens = new Map<number, Token>(
    pieces.map(({ piece, score, type }, id) => [id, { text: piece, type, score }]),
  );
  const { unkId = 0, bosId = 1, eosId = 2, padId = -1 } = trainerSpec ?? {};
  const ids = Object.entries({ bos: bosId, eos: eosId, unk: unkId, pad: padId }).filter(([, id]) => id >= 0);
  return pieceVocabulary(files, rows, {
    tokens,
    file,
    addSpacePrefix: normalizerSpec?.addDummyPrefix ?? true,
    ids: Object.fromEntries(ids),
  });
}
