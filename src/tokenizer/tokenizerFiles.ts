import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openFileSource } from '../model/byteSource';
import { QuantscopeError } from '../model/errors';
import { isRecord } from '../model/json';
import { readJsonFile } from '../model/jsonFiles';
import { tokenizerOfVocabulary } from './vocabularyFiles';
import { tokenizerOfWords } from './wordFiles';

/** The tokenizer files of a checkpoint's folder; missing ones are undefined. */
export interface TokenizerFiles {
  readonly folder: string;
  /** tokenizer.json, or its equivalent for vocab.json with merges.txt, or for vocab.txt. */
  readonly tokenizer?: Record<string, unknown>;
  /** tokenizer_config.json. */
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

/** Names of a SentencePiece model: Llama's, T5's, XLM-RoBERTa's. */
const sentencePieceNames = ['tokenizer.model', 'spiece.model', 'sentencepiece.bpe.model'];

/** @throws QuantscopeError IO or MODEL_FILE naming a file that exists but cannot be read. */
export async function readTokenizerFiles(folder: string, signal?: AbortSignal): Promise<TokenizerFiles> {
  const config = await readObject(folder, 'tokenizer_config.json');
  const added = await readObject(folder, 'added_tokens.json');
  const specialTokens = await readObject(folder, 'special_tokens_map.json');
  const generation = await readObject(folder, 'generation_config.json');
  const sentencePiece = await readFirst(folder, sentencePieceNames, signal);
  const chatTemplate = await readText(folder, 'chat_template.jinja', signal);
  const processorTemplate = (await readObject(folder, 'chat_template.json'))?.['chat_template'];
  const tokenizer =
    (await readObject(folder, 'tokenizer.json')) ??
    (sentencePiece ? undefined : await readVocabulary(folder, config ?? {}, signal));
  return {
    folder,
    ...(tokenizer ? { tokenizer } : {}),
    ...(config ? { config } : {}),
    ...(added ? { added } : {}),
    ...(specialTokens ? { specialTokens } : {}),
    ...(generation ? { generation } : {}),
    ...(sentencePiece ? { sentencePiece } : {}),
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
    ...(processorTemplate === undefined ? {} : { processorTemplate }),
    moreChatTemplates: await readChatTemplates(join(folder, 'additional_chat_templates'), signal),
  };
}

async function readVocabulary(
  folder: string,
  config: Record<string, unknown>,
  signal: AbortSignal | undefined,
): Promise<Record<string, unknown> | undefined> {
  const vocab = await readObject(folder, 'vocab.json');
  const merges = await readText(folder, 'merges.txt', signal);
  if (vocab && merges !== undefined)
    return tokenizerOfVocabulary(vocab, merges, config, join(folder, 'vocab.json'));
  const words = await readText(folder, 'vocab.txt', signal);
  return words === undefined ? undefined : tokenizerOfWords(words, config, join(folder, 'vocab.txt'));
}

async function readFirst(
  folder: string,
  names: readonly string[],
  signal: AbortSignal | undefined,
): Promise<TokenizerFiles['sentencePiece']> {
  for (const name of names) {
    const bytes = await readBytes(folder, name, signal);
    if (bytes) return { name, bytes };
  }
  return undefined;
}

async function readChatTemplates(
  folder: string,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, string>> {
  const templates = new Map<string, string>();
  if (!(await exists(folder))) return templates;
  const files = (await readdir(folder)).filter((name) => name.endsWith('.jinja')).sort();
  for (const file of files) {
    const text = await readText(folder, file, signal);
    if (text !== undefined) templates.set(file.replace(/\.jinja$/, ''), text);
  }
  return templates;
}

/** Tokens added in any of the files, each id once; tokenizer.json takes precedence, then tokenizer_config.json. */
export function addedTokens({ tokenizer, config, added }: TokenizerFiles): AddedToken[] {
  const tokens = new Map<number, AddedToken>();
  const add = (file: string, id: number, entry: unknown): void => {
    if (!isRecord(entry) || typeof entry['content'] !== 'string' || tokens.has(id)) return;
    tokens.set(id, { id, text: entry['content'], special: entry['special'] === true, file });
  };
  const listed = tokenizer?.['added_tokens'];
  if (Array.isArray(listed)) {
    for (const entry of listed as unknown[])
      if (isRecord(entry)) add('tokenizer.json', Number(entry['id']), entry);
  }
  const decoder = config?.['added_tokens_decoder'];
  if (isRecord(decoder))
    for (const [id, entry] of Object.entries(decoder)) add('tokenizer_config.json', Number(id), entry);
  for (const [content, id] of Object.entries(added ?? {})) add('added_tokens.json', Number(id), { content });
  return [...tokens.values()].sort((a, b) => a.id - b.id);
}

/** Which file has a token: that of the vocabulary, unless it was added in another. */
export function fileOfToken(
  { folder }: TokenizerFiles,
  added: readonly AddedToken[],
  vocabulary: string,
): (id: number) => string {
  const files = new Map(added.map(({ id, file }) => [id, join(folder, file)]));
  return (id) => files.get(id) ?? vocabulary;
}

async function readObject(folder: string, name: string): Promise<Record<string, unknown> | undefined> {
  const file = join(folder, name);
  if (!(await exists(file))) return undefined;
  const { value } = await readJsonFile(file);
  if (isRecord(value)) return value;
  throw new QuantscopeError('MODEL_FILE', 'The file does not hold a JSON object.', { file, offset: 0 });
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
  const file = join(folder, name);
  if (!(await exists(file))) return undefined;
  const source = await openFileSource(file);
  try {
    if (source.size <= maxTokenizerFile) return await source.read(0, source.size, signal);
    const message = `The file of ${source.size} bytes is too large for a tokenizer file.`;
    throw new QuantscopeError('MODEL_FILE', message, { file, offset: 0 });
  } finally {
    await source.close();
  }
}

/** Whether there is a file of this name. */
export async function exists(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch {
    return false; // the files of a tokenizer are all optional; who needs one says so
  }
}
