import { QuantscopeError } from '../model/errors';
import { isRecord } from '../model/json';
import type { KeyValue } from '../model/keyValue';
import { byteFallbackVocabulary, byteLevelVocabulary, gemma4Vocabulary } from './bpe';
import { chatTemplatesOf } from './chatTemplates';
import { isByteLevel } from './preTokenizers';
import { modelType } from './otherModels';
import { sentencePieceVocabulary } from './sentencePiece';
import { readTokenizerFiles, type TokenizerFiles } from './tokenizerFiles';
import {
  specialRoles,
  tokenizerKeyValues,
  type SpecialRole,
  type TokenizerSettings,
  type Vocabulary,
} from './vocabulary';
import { unigramVocabulary } from './unigram';
import { wordPieceVocabulary } from './wordPiece';
import { said } from '../protocol/said';

/** A tokenizer in GGUF's terms. */
export interface CheckpointTokenizer {
  readonly keyValues: readonly KeyValue[];
  /** What was left out or changed, as sentences. */
  readonly notes: readonly string[];
}

/**
 * The tokenizer of a checkpoint as GGUF key-values.
 * @param folder holds tokenizer.json, tokenizer.model, tekken.json, a tiktoken file, vocab.txt, or vocab.json with merges.txt.
 * @param modelConfig config.json, which also has the ids of special tokens.
 * @param rows rows of the embedding: the vocabulary is padded to them.
 * @throws QuantscopeError REQUEST when there is no tokenizer, UNSUPPORTED for one that GGUF cannot express.
 */
export async function readTokenizer(
  folder: string,
  modelConfig: Record<string, unknown>,
  rows: number,
  signal?: AbortSignal,
): Promise<CheckpointTokenizer> {
  return tokenizerOf(await readTokenizerFiles(folder, signal), modelConfig, rows);
}

/** The same of files that were read. */
export function tokenizerOf(
  files: TokenizerFiles,
  modelConfig: Readonly<Record<string, unknown>>,
  rows: number,
): CheckpointTokenizer {
  const vocabulary = vocabularyOf(files, rows, modelConfig);
  const { settings, notes } = settingsOf(files, vocabulary, modelConfig);
  return {
    keyValues: tokenizerKeyValues(vocabulary, settings),
    notes: [...(vocabulary.notes ?? []), ...notes],
  };
}

/** Kinds of which tokenizer.json states more than a SentencePiece model, by the type of its model. */
const jsonKinds: Readonly<Record<string, (files: TokenizerFiles, rows: number) => Vocabulary>> = {
  Unigram: unigramVocabulary,
  WordPiece: wordPieceVocabulary,
};

function vocabularyOf(
  files: TokenizerFiles,
  rows: number,
  modelConfig: Readonly<Record<string, unknown>>,
): Vocabulary {
  if (files.tokenizer) {
    if (isGemma4(modelConfig)) return gemma4Vocabulary(files, rows);
    const type = modelType(files.tokenizer['model']);
    const kind = Object.hasOwn(jsonKinds, type) ? jsonKinds[type] : undefined;
    if (kind) return kind(files, rows);
    if (isByteLevel(files.tokenizer['pre_tokenizer'])) return byteLevelVocabulary(files, rows);
  }
  if (files.sentencePiece) return sentencePieceVocabulary(files, rows);
  if (files.tokenizer) return byteFallbackVocabulary(files, rows);
  const message = said`Exports and runs over a text need the tokenizer (tokenizer.json, tokenizer.model, tekken.json, a tiktoken file, vocab.txt, or vocab.json and merges.txt) next to the weights.`;
  throw new QuantscopeError('REQUEST', message, { file: files.folder });
}

/** llama.cpp merges by rank under the name of this model alone; others of the kind have scores. */
function isGemma4({ model_type: type, text_config: text }: Readonly<Record<string, unknown>>): boolean {
  return [type, isRecord(text) && text['model_type']].some((name) => /^gemma4(_|$)/.test(String(name)));
}

function settingsOf(
  files: TokenizerFiles,
  vocabulary: Vocabulary,
  modelConfig: Readonly<Record<string, unknown>>,
): { readonly settings: TokenizerSettings; readonly notes: readonly string[] } {
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
  const around = templateOf(files.tokenizer);
  const tokens = (ids: readonly string[]): (number | undefined)[] => ids.map((text) => byText.get(text));
  const [before, after] = [tokens(around?.before ?? []), tokens(around?.after ?? [])];
  const last = after.at(-1);
  if (last !== undefined && last !== (ids.sep ?? vocabulary.ids?.sep)) endWith(ids, last);
  const known = { ...vocabulary.ids, ...ids };
  const flag = (name: string): boolean | undefined => {
    const value = files.config?.[name];
    return typeof value === 'boolean' ? value : undefined;
  };
  const adds = (name: string, byTemplate: boolean, usual: boolean): boolean => {
    const stated = flag(name);
    if (!around) return stated ?? usual;
    return stated === true || (byTemplate && !(stated === false && rebuildsTemplate(files.config)));
  };
  const usual = vocabulary.around ?? { addBos: vocabulary.model === 'llama', addEos: false };
  const settings: TokenizerSettings = {
    ids,
    addBos: adds('add_bos_token', known.bos !== undefined && before[0] === known.bos, usual.addBos),
    addEos: adds('add_eos_token', known.eos !== undefined && last === known.eos, usual.addEos),
    chatTemplates: chatTemplatesOf(files),
  };
  // Under the name "bert", llama.cpp ends texts with SEP, whatever the flags say.
  const ends = vocabulary.model === 'bert' ? known.sep : known.eos;
  const lost =
    around && !rebuildsTemplate(files.config) ? lostTokens(around, byText, { ...known, eos: ends }) : [];
  return { settings, notes: lostNotes(lost) };
}

/** Tokens of the template that GGUF has no place for: it has BOS before a text and EOS after it. */
function lostTokens(
  { before, after }: Surroundings,
  byText: ReadonlyMap<string, number>,
  { bos, eos }: { readonly bos?: number | undefined; readonly eos?: number | undefined },
): string[] {
  const isBos = (text: string): boolean => byText.get(text) === bos;
  const isEos = (text: string): boolean => byText.get(text) === eos;
  return [
    ...before.filter((text, i) => i > 0 || !isBos(text)),
    ...after.filter((text, i) => i < after.length - 1 || !isEos(text)),
  ];
}

function lostNotes(lost: readonly string[]): string[] {
  if (lost.length === 0) return [];
  const named = lost.map((text) => JSON.stringify(text)).join(', ');
  return [
    said`The tokenizer puts ${named} around each text, which GGUF cannot express: it has only BOS before a text and EOS after it.`,
  ];
}

/**
 * A post-processor that ends texts with a token other than EOS: GGUF has only EOS for that, so EOS becomes that token, and the former
 * EOS ends turns (as in llama.cpp's converter).
 */
function endWith(ids: Partial<Record<SpecialRole, number>>, last: number): void {
  const { eos } = ids;
  if (eos === last) return;
  if (eos !== undefined) ids.eot ??= eos;
  ids.eos = last;
}

/** Classes that make their post-processor from the flags of tokenizer_config.json when they are loaded. */
const rebuildsTemplate = (config: Record<string, unknown> | undefined): boolean =>
  /^(Llama|CodeLlama|Gemma|Cohere)Tokenizer(Fast)?$/.test(String(config?.['tokenizer_class']));

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

/** Special tokens around a text. */
interface Surroundings {
  readonly before: readonly string[];
  readonly after: readonly string[];
}

/** The special tokens that a TemplateProcessing post-processor puts before and after a text. */
function templateOf(tokenizer: Record<string, unknown> | undefined): Surroundings | undefined {
  const processor = tokenizer?.['post_processor'];
  if (!isRecord(processor)) return undefined;
  const inner: unknown = processor['processors'];
  const template = (Array.isArray(inner) ? inner : [processor])
    .filter(isRecord)
    .find((step) => step['type'] === 'TemplateProcessing');
  const single: unknown = template?.['single'];
  if (!Array.isArray(single)) return undefined;
  const items = single.filter(isRecord);
  const text = items.findIndex((item) => isRecord(item['Sequence']));
  const special = (some: typeof items): string[] =>
    some.flatMap((item) =>
      isRecord(item['SpecialToken']) ? (tokenText(item['SpecialToken']['id']) ?? []) : [],
    );
  return { before: special(items.slice(0, Math.max(0, text))), after: special(items.slice(text + 1)) };
}
