import protobuf from 'protobufjs/light.js';
import { reason } from '../model/byteSource';
import { QuantscopeError } from '../model/errors';
import { said } from '../protocol/said';

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
      vocabSize: field(4, 'int32', 8000),
      unkId: field(40, 'int32', 0),
      bosId: field(41, 'int32', 1),
      eosId: field(42, 'int32', 2),
      padId: field(43, 'int32', -1),
      unkPiece: field(45, 'string'),
      bosPiece: field(46, 'string'),
      eosPiece: field(47, 'string'),
      treatWhitespaceAsSuffix: field(24, 'bool', false),
      byteFallback: field(35, 'bool', false),
    }),
    NormalizerSpec: message({
      name: field(1, 'string'),
      precompiledCharsmap: field(2, 'bytes'),
      addDummyPrefix: field(3, 'bool', true),
      removeExtraWhitespaces: field(4, 'bool', true),
      escapeWhitespaces: field(5, 'bool', true),
    }),
  },
};

/** Content of a tokenizer.model; piece types have the values of `tokenTypes`. */
export interface SentencePieceModel {
  pieces: SentencePiece[];
  trainerSpec?: TrainerSpec | null;
  normalizerSpec?: NormalizerSpec | null;
}

export interface SentencePiece {
  piece: string;
  score: number;
  type: number;
}

interface TrainerSpec {
  modelType: number;
  unkId: number;
  bosId: number;
  eosId: number;
  padId: number;
  treatWhitespaceAsSuffix: boolean;
  byteFallback: boolean;
}

interface NormalizerSpec {
  precompiledCharsmap: Uint8Array;
  addDummyPrefix: boolean;
  removeExtraWhitespaces: boolean;
  escapeWhitespaces: boolean;
}

/** The message of a tokenizer.model. */
export const sentencePieceMessage = protobuf.Root.fromJSON(descriptor).lookupType('ModelProto');

/** @throws QuantscopeError MODEL_FILE when the bytes are not a SentencePiece model. */
export function decodeSentencePiece(bytes: Uint8Array, file: string): SentencePieceModel {
  try {
    const model = sentencePieceMessage.decode(bytes) as unknown as SentencePieceModel;
    if (model.pieces.length > 0) return model;
  } catch (cause) {
    const message = said`The file is not a SentencePiece model: ${reason(cause)}`;
    throw new QuantscopeError('MODEL_FILE', message, { file, offset: 0 }, cause);
  }
  throw new QuantscopeError('MODEL_FILE', said`The SentencePiece model has no pieces.`, { file, offset: 0 });
}
