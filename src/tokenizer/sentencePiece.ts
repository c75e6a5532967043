import { join } from 'node:path';
import protobuf from 'protobufjs/light.js';
import { reason } from '../model/byteSource';
import { QuantscopeError } from '../model/errors';
import { otherModel, sentencePieceTypes } from './otherModels';
import { pieceVocabulary } from './pieceVocabulary';
import type { TokenizerFiles } from './tokenizerFiles';
import type { Token, Vocabulary } from './vocabulary';

/** The fields of sentencepiece_model.proto that are needed here. */
const descriptor: protobuf.INamespace = {
  nested: {
    ModelProto: {
      fields: {
        pieces: { rule: 'repeated', type: 'SentencePiece', id: 1 },
        trainerSpec: { type: 'TrainerSpec', id: 2 },
        normalizerSpec: { type: 'NormalizerSpec', id: 3 },
      },
    },
    SentencePiece: {
      fields: {
        piece: { type: 'string', id: 1 },
        score: { type: 'float', id: 2 },
        type: { type: 'int32', id: 3, options: { default: 1 } },
      },
    },
    TrainerSpec: {
      fields: {
        modelType: { type: 'int32', id: 3, options: { default: 1 } },
        unkId: { type: 'int32', id: 40, options: { default: 0 } },
        bosId: { type: 'int32', id: 41, options: { default: 1 } },
        eosId: { type: 'int32', id: 42, options: { default: 2 } },
        padId: { type: 'int32', id: 43, options: { default: -1 } },
      },
    },
    NormalizerSpec: { fields: { addDummyPrefix: { type: 'bool', id: 3, options: { default: true } } } },
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
