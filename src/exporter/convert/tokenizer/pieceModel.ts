import type { TokenizerValues } from '../../../evaluation/tokenizer/ggufValues';
import { sentencePieceMessage } from '../../../tokenizer/sentencePieceModel';
import { tokenTypes } from '../../../tokenizer/vocabulary';
import { entriesOf, type Entry } from './entries';

/** SentencePiece's TrainerSpec.ModelType of pieces that are merged. */
const merged = 2;

/** A SentencePiece model of pieces that are merged by score: the bytes of tokenizer.model. */
export function pieceModel(values: TokenizerValues): Uint8Array {
  const entries = entriesOf(values);
  const unknown = values.unknown ?? entries.findIndex(({ type }) => type === tokenTypes.unknown);
  const model = {
    pieces: entries.map(({ content, score, type }) => ({ piece: content, score, type })),
    trainerSpec: {
      ...{ modelType: merged, vocabSize: entries.length },
      ...roleOf(entries, 'unk', unknown),
      ...roleOf(entries, 'bos', values.bos),
      ...roleOf(entries, 'eos', values.eos),
      byteFallback: entries.some(({ type }) => type === tokenTypes.byte),
      treatWhitespaceAsSuffix: false,
    },
    normalizerSpec: {
      ...{ name: 'identity', addDummyPrefix: values.addSpacePrefix },
      ...{ removeExtraWhitespaces: false, escapeWhitespaces: true },
    },
  };
  return sentencePieceMessage.encode(model).finish();
}

/** The id of a special token, −1 for none, and its text, by which SentencePiece looks for it. */
function roleOf(entries: readonly Entry[], role: string, id = -1): Record<string, number | string> {
  const text = entries[id]?.content;
  return { [`${role}Id`]: id, ...(text === undefined ? {} : { [`${role}Piece`]: text }) };
}
