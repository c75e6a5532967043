import { QuantscopeError } from '../model/errors';
import { isRecord } from '../model/json';
import { readJsonFile } from '../model/jsonFiles';
import { exists, joinPlace, listIfPresent, openSource } from '../model/place';
import { tekkenRoles, tokenizerOfTekken } from './tekken';
import { isRankFile, tokenizerOfTiktoken } from './tiktoken';
import { tokenizerOfVocabulary } from './vocabularyFiles';
import { tokenizerOfWords } from './wordFiles';
import { said } from '../protocol/said';

/** The tokenizer files of a checkpoint's folder; missing ones are undefined. */
export interface TokenizerFiles {
  readonly folder: string;
  /** tokenizer.json, or its equivalent for another file. */
  readonly tokenizer?: Record<string, unknown>;
  /** Name of the file that `tokenizer` comes from. */
  readonly tokenizerName: string;
  /** tokenizer_config.json; where it says nothing of special tokens' roles, what the kind of file implies. */
  readonly config?: Record<string, unknown>;
  /** added_tokens.json: text → id. */
  readonly added?: Record<string, unknown>;
  /** A SentencePiece model, and its file's name. */
  readonly sentencePiece?: { readonly name: string; readonly bytes: Uint8Array };
  /** special_tokens_map.json: role → token. */
  readonly specialTokens?: Record<string, unknown>;
  /** generation_config.json, which also has the ids of special tokens. */
  readonly generation?: Record<string, unknown>;
  /** chat_template.jinja. */
  readonly chatTemplate?: string;
  /** `chat_template` of chat_template.json, which processors of images and text have. */
  readonly processorTemplate?: unknown;
  /** additional_chat_templates/NAME.jinja by name. */
  readonly moreChatTemplates?: ReadonlyMap<string, string>;
}

/** A token that was added to the vocabulary proper. */
export interface AddedToken {
  readonly id: number;
  readonly text: string;
  /** Never made from text; not shown. */
  readonly special: boolean;
  /** Name of the file that has it. */
  readonly file: string;
}

/** The largest published tokenizer.model has 4 MB; a chat template some kilobytes (bytes). */
const maxTokenizerFile = 64 * 1024 * 1024;

/** @throws QuantscopeError IO or MODEL_FILE naming a file that exists but cannot be read. */
export async function readTokenizerFiles(folder: string, signal?: AbortSignal): Promise<TokenizerFiles> {
  const config = await readObject(folder, 'tokenizer_config.json');
  const added = await readObject(folder, 'added_tokens.json');
  const specialTokens = await readObject(folder, 'special_tokens_map.json');
  const generation = await readObject(folder, 'generation_config.json');
  const chatTemplate = await readText(folder, 'chat_template.jinja', signal);
  const processorTemplate = (await readObject(folder, 'chat_template.json'))?.['chat_template'];
  const vocabulary = await readVocabulary(folder, config, signal);
  return {
    folder,
    tokenizerName: 'tokenizer.json',
    ...vocabulary,
    ...(config || vocabulary.config ? { config: { ...vocabulary.config, ...config } } : {}),
    ...(added ? { added } : {}),
    ...(specialTokens ? { specialTokens } : {}),
    ...(generation ? { generation } : {}),
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
    ...(processorTemplate === undefined ? {} : { processorTemplate }),
    moreChatTemplates: await readChatTemplates(joinPlace(folder, 'additional_chat_templates'), signal),
  };
}

type VocabularyFiles = Partial<
  Pick<TokenizerFiles, 'tokenizer' | 'tokenizerName' | 'sentencePiece' | 'config'>
>;

/** tokenizer.json, a SentencePiece model or both; else the first of the other kinds. */
async function readVocabulary(
  folder: string,
  config: Record<string, unknown> | undefined,
  signal: AbortSignal | undefined,
): Promise<VocabularyFiles> {
  const tokenizer = await readObject(folder, 'tokenizer.json');
  const models = await readModels(folder, signal);
  const sentencePiece = models.find(({ bytes }) => !isRankFile(bytes));
  const stated = { ...(tokenizer ? { tokenizer } : {}), ...(sentencePiece ? { sentencePiece } : {}) };
  if (tokenizer || sentencePiece) return stated;
  const tekken = await readObject(folder, 'tekken.json');
  if (tekken) {
    const file = joinPlace(folder, 'tekken.json');
    return { tokenizer: tokenizerOfTekken(tekken, file), tokenizerName: 'tekken.json', config: tekkenRoles };
  }
  const [ranks] = models;
  if (ranks) {
    const { tokenizer: ranked, roles } = tokenizerOfTiktoken(
      ranks.bytes,
      config,
      joinPlace(folder, ranks.name),
    );
    return { tokenizer: ranked, tokenizerName: ranks.name, config: roles };
  }
  return readWords(folder, config ?? {}, signal);
}

async function readWords(
  folder: string,
  config: Record<string, unknown>,
  signal: AbortSignal | undefined,
): Promise<VocabularyFiles> {
  const vocab = await readObject(folder, 'vocab.json');
  const merges = await readText(folder, 'merges.txt', signal);
  const at = (name: string) => ({ tokenizerName: name, file: joinPlace(folder, name) });
  if (vocab && merges !== undefined) {
    const { file, tokenizerName } = at('vocab.json');
    return { tokenizer: tokenizerOfVocabulary(vocab, merges, config, file), tokenizerName };
  }
  const words = await readText(folder, 'vocab.txt', signal);
  if (words === undefined) return {};
  const { file, tokenizerName } = at('vocab.txt');
  return { tokenizer: tokenizerOfWords(words, config, file), tokenizerName };
}

/** SentencePiece models (Llama's, T5's and XLM-RoBERTa's names) and tiktoken's lists of ranks. */
async function readModels(
  folder: string,
  signal: AbortSignal | undefined,
): Promise<NonNullable<TokenizerFiles['sentencePiece']>[]> {
  const present = await listIfPresent(folder, 'listed', signal);
  const listed = present.filter((name) => name.endsWith('.tiktoken')).sort();
  const names = ['tokenizer.model', 'spiece.model', 'sentencepiece.bpe.model', 'tiktoken.model', ...listed];
  const models: { name: string; bytes: Uint8Array }[] = [];
  for (const name of names) {
    const bytes = await readBytes(folder, name, signal);
    if (bytes) models.push({ name, bytes });
  }
  return models;
}

async function readChatTemplates(
  folder: string,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, string>> {
  const templates = new Map<string, string>();
  const all = await listIfPresent(folder, 'listed', signal); // most checkpoints have no such folder
  const files = all.filter((name) => name.endsWith('.jinja')).sort();
  for (const file of files) {
    const text = await readText(folder, file, signal);
    if (text !== undefined) templates.set(file.replace(/\.jinja$/, ''), text);
  }
  return templates;
}

/**
 * Tokens added in any of the files, each id once; tokenizer.json takes precedence, then tokenizer_config.json.
 * @throws QuantscopeError MODEL_FILE naming the file of an entry that is none.
 */
export function addedTokens({
  folder,
  tokenizer,
  tokenizerName,
  config,
  added,
}: TokenizerFiles): AddedToken[] {
  const tokens = new Map<number, AddedToken>();
  const add = (file: string, id: unknown, entry: unknown): void => {
    const { content, special } = isRecord(entry) ? entry : {};
    if (!isTokenId(id) || typeof content !== 'string')
      throw damagedToken(
        joinPlace(folder, file),
        `The added token ${shortJson(entry)} with the id ${shortJson(id)}`,
      );
    if (!tokens.has(id)) tokens.set(id, { id, text: content, special: special === true, file });
  };
  const listed = tokenizer?.['added_tokens'] ?? [];
  if (!Array.isArray(listed)) throw damagedToken(joinPlace(folder, tokenizerName), '"added_tokens"');
  for (const entry of listed as unknown[])
    add(tokenizerName, isRecord(entry) ? entry['id'] : undefined, entry);
  const decoder = config?.['added_tokens_decoder'] ?? {};
  if (!isRecord(decoder))
    throw damagedToken(joinPlace(folder, 'tokenizer_config.json'), '"added_tokens_decoder"');
  for (const [id, entry] of Object.entries(decoder)) add('tokenizer_config.json', Number(id), entry);
  for (const [content, id] of Object.entries(added ?? {})) add('added_tokens.json', id, { content });
  return [...tokens.values()].sort((a, b) => a.id - b.id);
}

/** Which file has a token: that of the vocabulary, unless it was added in another. */
export function fileOfToken(
  { folder }: TokenizerFiles,
  added: readonly AddedToken[],
  vocabulary: string,
): (id: number) => string {
  const files = new Map(added.map(({ id, file }) => [id, joinPlace(folder, file)]));
  return (id) => files.get(id) ?? vocabulary;
}

/**
 * The ids of a vocabulary.
 * @throws QuantscopeError MODEL_FILE for what is no id, which libraries do not load either.
 */
export function tokenIds(vocab: Record<string, unknown>, file: string): [string, number][] {
  return Object.entries(vocab).map(([text, id]) => {
    if (isTokenId(id)) return [text, id];
    throw damagedToken(file, `The token ${shortJson(text)} with the id ${shortJson(id)}`);
  });
}

const isTokenId = (id: unknown): id is number => Number.isSafeInteger(id) && (id as number) >= 0;

/** What is shown of a value that may be of any size. */
const shortJson = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 100);

function damagedToken(file: string, what: string): QuantscopeError {
  const message = said`${what} is not as tokenizers have it: a text, with a whole number from 0 on as its id.`;
  return new QuantscopeError('MODEL_FILE', message, { file });
}

async function readObject(folder: string, name: string): Promise<Record<string, unknown> | undefined> {
  const file = joinPlace(folder, name);
  if (!(await exists(file))) return undefined;
  const { value } = await readJsonFile(file);
  if (isRecord(value)) return value;
  throw new QuantscopeError('MODEL_FILE', said`The file does not hold a JSON object.`, { file, offset: 0 });
}

async function readText(
  folder: string,
  name: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const bytes = await readBytes(folder, name, signal);
  return bytes && Buffer.from(bytes).toString('utf8');
}

async function readBytes(
  folder: string,
  name: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  const file = joinPlace(folder, name);
  if (!(await exists(file))) return undefined;
  const source = await openSource(file);
  try {
    if (source.size <= maxTokenizerFile) return await source.read(0, source.size, signal);
    const message = said`The file of ${source.size} bytes is too large for a tokenizer file.`;
    throw new QuantscopeError('MODEL_FILE', message, { file, offset: 0 });
  } finally {
    await source.close();
  }
}
