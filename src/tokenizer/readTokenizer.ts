import { QuantscopeError } from '../model/errors';
import { isRecord } from '../model/json';
import type { KeyValue } from '../model/keyValue';
import { byteFallbackVocabulary, byteLevelVocabulary } from './bpe';
import { chatTemplatesOf } from './chatTemplates';
import { isByteLevel } from './preTokenizers';
import { sentencePieceVocabulary } from './sentencePiece';
import { readTokenizerFiles, type TokenizerFiles } from './tokenizerFiles';
import {
  specialRoles,
  tokenizerKeyValues,
  type SpecialRole,
  type TokenizerSettings,
  type Vocabulary,
} from './vocabulary';

/**
 * The tokenizer of a checkpoint as GGUF key-values.
 * @param folder holds tokenizer.json, tokenizer.model, or vocab.json with merges.txt.
 * @param modelConfig config.json, which has the ids of special tokens too.
 * @param rows rows of the embedding: the vocabulary is filled up to them.
 * @throws QuantscopeError REQUEST when there is no tokenizer, UNSUPPORTED for one that GGUF cannot express.
 */
export async function readTokenizer(
  folder: string,
  modelConfig: Record<string, unknown>,
  rows: number,
  signal?: AbortSignal,
): Promise<KeyValue[]> {
  const files = await readTokenizerFiles(folder, signal);
  const vocabulary = vocabularyOf(files, rows);
  return tokenizerKeyValues(vocabulary, settingsOf(files, vocabulary, modelConfig));
}

function vocabularyOf(files: TokenizerFiles, rows: number): Vocabulary {
  if (files.tokenizer && isByteLevel(files.tokenizer['pre_tokenizer']))
    return byteLevelVocabulary(files, rows);
  if (files.sentencePiece) return sentencePieceVocabulary(files, rows);
  if (files.tokenizer) return byteFallbackVocabulary(files, rows);
  const message =
    'The export needs the tokenizer (tokenizer.json, tokenizer.model, or vocab.json and merges.txt) beside the weights.';
  throw new QuantscopeError('REQUEST', message, { file: files.folder });
}

function settingsOf(
  files: TokenizerFiles,
  vocabulary: Vocabulary,
  modelConfig: Record<string, unknown>,
): TokenizerSettings {
  const byText = new Map(vocabulary.tokens.map(({ text }, id) => [text, id]));
  const ids: Partial<Record<SpecialRole, number>> = {};
  for (const role of specialRoles) {
    const text = tokenText(files.config?.[`${role}_token`] ?? files.specialTokens?.[`${role}_token`]);
    const id =
      (text === undefined ? undefined : byText.get(text)) ??
      firstId(modelConfig[`${role}_token_id`]) ??
      firstId(files.generation?.[`${role}_token_id`]);
    if (id !== undefined && id < vocabulary.tokens.length) ids[role] = id;
  }
  const template = templateOf(files.tokenizer);
  const known = { ...vocabulary.ids, ...ids };
  const isRole = (token: string | undefined, role: SpecialRole): boolean =>
    token !== undefined && byText.get(token) === known[role];
  const flag = (name: string, fallback: boolean): boolean => {
    const value = files.config?.[name];
    return typeof value === 'boolean' ? value : fallback;
  };
  return {
    ids,
    addBos: template ? isRole(template.first, 'bos') : flag('add_bos_token', vocabulary.model === 'llama'),
    addEos: template ? isRole(template.last, 'eos') : flag('add_eos_token', false),
    chatTemplates: chatTemplatesOf(files),
  };
}

/** Special tokens are strings, or objects with a `content`. */
function tokenText(value: unknown): string | undefined {
  const text = isRecord(value) ? value['content'] : value;
  return typeof text === 'string' ? text : undefined;
}

/** config.json may list several ends of text; the first is the one that ends a document. */
function firstId(value: unknown): number | undefined {
  const id: unknown = Array.isArray(value) ? value[0] : value;
  return typeof id === 'number' && Number.isInteger(id) && id >= 0 ? id : undefined;
}

/** The special tokens that a TemplateProcessing post-processor puts before and after a text. */
function templateOf(
  tokenizer: Record<string, unknown> | undefined,
): { first: string | undefined; last: string | undefined } | undefined {
  const processor = tokenizer?.['post_processor'];
  if (!isRecord(processor)) return undefined;
  const inner: unknown = processor['processors'];
  const template = (Array.isArray(inner) ? inner : [processor])
    .filter(isRecord)
    .find((step) => step['type'] === 'TemplateProcessing');
  const single: unknown = template?.['single'];
  if (!Array.isArray(single)) return undefined;
  const special = (item: unknown): string | undefined =>
    isRecord(item) && isRecord(item['SpecialToken']) ? tokenText(item['SpecialToken']['id']) : undefined;
  return { first: special(single[0]), last: special(single[single.length - 1]) };
}
