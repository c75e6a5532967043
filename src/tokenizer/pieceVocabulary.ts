import { basename } from 'node:path';
import { addedTokens, fileOfToken, type AddedToken, type TokenizerFiles } from './tokenizerFiles';
import {
  fillVocabulary,
  tokenTypes,
  unusedScore,
  type Normalization,
  type Token,
  type Vocabulary,
} from './vocabulary';
import { said } from '../protocol/said';

/** A vocabulary of pieces with scores, before other files add to it. */
export interface PieceVocabulary extends Normalization, Pick<Vocabulary, 'ids' | 'around' | 'notes'> {
  /** Whether the scores choose what is merged ("llama"), or are likelihoods of pieces ("t5"). */
  readonly model: 'llama' | 't5';
  /** By id. */
  readonly tokens: Map<number, Token>;
  /** The file that it is in. */
  readonly file: string;
}

/**
 * A SentencePiece vocabulary in GGUF's terms, with the tokens that the other files add.
 * @param rows rows of the embedding.
 * @throws QuantscopeError MODEL_FILE for a token whose id is not possible.
 */
export function pieceVocabulary(
  files: TokenizerFiles,
  rows: number,
  { tokens, file, notes: known = [], ...vocabulary }: PieceVocabulary,
): Vocabulary {
  const added = addedTokens(files);
  for (const token of added) addToken(tokens, token);
  const fileOf = fileOfToken(files, added, file);
  const { tokens: within, notes } = tokensWithin(tokens, rows, fileOf);
  return {
    ...vocabulary,
    pre: 'default',
    tokens: fillVocabulary(within, rows, fileOf),
    notes: [...known, ...notes],
  };
}

/**
 * Unknown, control and byte tokens that the vocabulary already has are kept; the others become added ones. llama.cpp looks for
 * user-defined ones in the text before it turns spaces into "▁".
 */
function addToken(tokens: Map<number, Token>, { id, text, special }: AddedToken): void {
  const present = tokens.get(id);
  const kept: readonly number[] = [tokenTypes.unknown, tokenTypes.control, tokenTypes.byte];
  if (present?.text === text && kept.includes(present.type)) return;
  const type = special ? tokenTypes.control : tokenTypes.userDefined;
  tokens.set(id, { text: special ? text : text.replaceAll('▁', ' '), type, score: unusedScore });
}

/**
 * The tokens that the embedding has rows for. SentencePiece's tokens may exceed them where an embedding was cut: a model cannot take
 * them, and llama.cpp's converter also leaves them out.
 */
function tokensWithin(
  tokens: ReadonlyMap<number, Token>,
  rows: number,
  fileOf: (id: number) => string,
): { tokens: ReadonlyMap<number, Token>; notes: string[] } {
  const beyond = [...tokens].filter(([id]) => Number.isInteger(id) && id >= rows);
  const [first] = beyond;
  if (!first) return { tokens, notes: [] };
  const [id, { text }] = first;
  const others = beyond.length === 1 ? '' : ` and ${beyond.length - 1} more`;
  const note = said`The token ${JSON.stringify(text)} (id ${id} in ${basename(fileOf(id))})${others} left out: the embedding has only ${rows} rows.`;
  return { tokens: new Map([...tokens].filter(([key]) => !(key >= rows))), notes: [note] };
}
