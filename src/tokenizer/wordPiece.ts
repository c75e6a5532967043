import { joinPlace } from '../model/place';
import { QuantscopeError } from '../model/errors';
import { isRecord } from '../model/json';
import { addedTokens, fileOfToken, tokenIds, type TokenizerFiles } from './tokenizerFiles';
import {
  fillVocabulary,
  tokenTypes,
  type Normalization,
  type SpecialRole,
  type Token,
  type Vocabulary,
} from './vocabulary';
import { wordPieceRoles } from './wordFiles';
import { said } from '../protocol/said';

/**
 * A WordPiece vocabulary (BERT) from tokenizer.json. llama.cpp looks for pieces in a word with "▁" before it, so a piece that begins
 * a word gets one, and one that continues it loses its "##".
 * @param rows rows of the embedding.
 * @throws QuantscopeError MODEL_FILE for a damaged one, UNSUPPORTED for steps other than BERT's, or two tokens of one text.
 */
export function wordPieceVocabulary(files: TokenizerFiles, rows: number): Vocabulary {
  const file = joinPlace(files.folder, files.tokenizerName);
  const tokenizer = files.tokenizer ?? {};
  const model: unknown = tokenizer['model'];
  const { vocab, continuing_subword_prefix: prefix = '##' } = isRecord(model) ? model : {};
  if (!isRecord(vocab))
    throw new QuantscopeError('MODEL_FILE', said`The WordPiece model lacks its "vocab".`, { file });
  const added = addedTokens(files);
  const special = new Set(added.filter((token) => token.special).map(({ id }) => id));
  const tokens = new Map<number, Token>();
  for (const [text, id] of tokenIds(vocab, file)) {
    if (special.has(id)) continue;
    tokens.set(id, { text: phantom(text, String(prefix)), type: tokenTypes.normal, score: 0 });
  }
  for (const { id, text, special } of added)
    tokens.set(id, { text, type: special ? tokenTypes.control : tokenTypes.userDefined, score: 0 });
  return {
    ...{ model: 'bert', pre: 'default' },
    tokens: fillVocabulary(tokens, rows, fileOfToken(files, added, file)),
    ...normalizationOf(tokenizer, file),
    ids: idsOf(files, vocab),
    around: { addBos: true, addEos: false },
  };
}

/** As llama.cpp's converter has it, which leaves names in brackets ("[unused1]") as they are: no word of a text is one. */
function phantom(text: string, prefix: string): string {
  if (text.startsWith(prefix)) return text.slice(prefix.length);
  return isName(text) ? text : `▁${text}`;
}

/** The inverse, with BERT's prefix. */
export function pieceText(text: string): string {
  if (text.startsWith('▁')) return text.slice(1);
  return isName(text) ? text : `##${text}`;
}

const isName = (text: string): boolean => text.startsWith('[') && text.endsWith(']');

/** llama.cpp puts its BOS, which is BERT's [CLS], before a text and [SEP] after it. */
function idsOf(
  { config, specialTokens }: TokenizerFiles,
  vocab: Record<string, unknown>,
): NonNullable<Vocabulary['ids']> {
  const idOf = (name: string): number | undefined => {
    const stated = config?.[name] ?? specialTokens?.[name];
    const text = isRecord(stated) ? stated['content'] : stated;
    const id = vocab[typeof text === 'string' ? text : (wordPieceRoles[name] ?? '')];
    return typeof id === 'number' ? id : undefined;
  };
  const roles: Partial<Record<SpecialRole, string>> = {
    ...{ bos: 'cls_token', sep: 'sep_token', unk: 'unk_token', pad: 'pad_token', mask: 'mask_token' },
  };
  return Object.fromEntries(
    Object.entries(roles).flatMap(([role, name]) => {
      const id = idOf(name);
      return id === undefined ? [] : [[role, id]];
    }),
  );
}

/** llama.cpp always cleans texts and takes Chinese characters for words of their own. */
function normalizationOf(tokenizer: Record<string, unknown>, file: string): Normalization {
  const { normalizer, pre_tokenizer: cutter } = tokenizer;
  const bert = isRecord(normalizer) && normalizer['type'] === 'BertNormalizer' ? normalizer : undefined;
  const cleans = bert?.['clean_text'] !== false && bert?.['handle_chinese_chars'] !== false;
  if (!bert || !cleans || !isRecord(cutter) || cutter['type'] !== 'BertPreTokenizer') {
    const steps = [normalizer, cutter].map((step) => JSON.stringify(step ?? null).slice(0, 300));
    const message = said`A WordPiece tokenizer with the steps ${steps.join(' and ')} cannot be exported; llama.cpp has only those of BERT, with clean_text and handle_chinese_chars.`;
    throw new QuantscopeError('UNSUPPORTED', message, { file });
  }
  const lowercase = bert['lowercase'] !== false;
  const accents = bert['strip_accents'];
  return { lowercase, stripAccents: typeof accents === 'boolean' ? accents : lowercase };
}
