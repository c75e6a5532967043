import { tokenTypes, type Normalization, type VocabularyModel } from '../../tokenizer/vocabulary';
import { QuantscopeError } from '../../model/errors';
import { readArrayElements, type GgufScalar } from '../../model/ggufValue';
import { HeaderReader } from '../../model/headerReader';
import { maxTokenCharacters } from '../../model/limits';
import type { KeyValue } from '../../model/keyValue';
import type { Model } from '../../model/model';
import { ggmlPreTokenizers } from './ggmlPreTokenizers';
import { said } from '../../protocol/said';

/** A tokenizer from GGUF's key-values `tokenizer.ggml.*`, with llama.cpp's defaults for what they leave out. */
export interface TokenizerValues {
  /** Where the values come from; errors name it. */
  readonly file: string;
  readonly model: VocabularyModel;
  /** How text is cut into words; only byte-level BPE. */
  readonly pre: string;
  /** By id, each text once. */
  readonly tokens: readonly string[];
  /** One of `tokenTypes` for each token. */
  readonly types: readonly number[];
  /** For each token; only SentencePiece and Unigram. */
  readonly scores: readonly number[];
  /** "left right", best first; only byte-level BPE and "gemma4". */
  readonly merges: readonly string[];
  /** A space goes before a text and what follows a special token; only SentencePiece and Unigram. */
  readonly addSpacePrefix: boolean;
  readonly normalization: Normalization;
  /** Stands for what no token is found for; only Unigram and WordPiece. */
  readonly unknown?: number;
  readonly bos?: number;
  /** What ends a text: for WordPiece, what separates texts. */
  readonly eos?: number;
  readonly addsBos: boolean;
  readonly addsEos: boolean;
  /** `general.name`, which llama.cpp takes some rules from. */
  readonly name: string;
}

/** Where key-values are looked up: a file, or those of a file to be written. */
export interface ValueSource {
  readonly file: string;
  scalar(key: string): GgufScalar | undefined;
  /** Undefined when there is no such key or its value is not an array. */
  array(key: string): Promise<readonly GgufScalar[] | undefined>;
}

/** The key-values of a GGUF model. */
export function fileValues(model: Model, signal?: AbortSignal): ValueSource {
  const file = model.description.files[0]?.path ?? model.description.path;
  const metadata = model.gguf?.metadata;
  return {
    file,
    scalar: (key) => metadata?.get(key)?.scalar,
    array: async (key) => {
      const value = metadata?.get(key);
      if (!value?.array || value.array.elementType === 'array') return undefined;
      return readArrayElements(new HeaderReader(model.source(file), signal), value);
    },
  };
}

/** Key-values as the export of a checkpoint makes them. */
export function pairValues(pairs: readonly KeyValue[], file: string): ValueSource {
  const byKey = new Map(pairs.map((pair) => [pair.key, pair]));
  return {
    file,
    scalar: (key) => {
      const pair = byKey.get(key);
      return pair && 'value' in pair ? pair.value : undefined;
    },
    array: (key) => {
      const pair = byKey.get(key);
      return Promise.resolve(pair && 'values' in pair ? pair.values : undefined);
    },
  };
}

const key = (name: string): string => `tokenizer.ggml.${name}`;

interface Defaults {
  readonly bos?: number;
  readonly eos?: number;
  readonly unknown?: number;
  readonly addsBos: boolean;
  readonly addsEos: boolean;
  readonly addSpacePrefix: boolean;
}

/** llama.cpp's defaults where a file does not say; those of byte-level BPE also depend on the pre-tokenizer. */
const defaultsOf: Readonly<Record<VocabularyModel, Defaults>> = {
  gpt2: { addsBos: false, addsEos: false, addSpacePrefix: false },
  llama: { bos: 1, eos: 2, addsBos: true, addsEos: false, addSpacePrefix: true },
  gemma4: { addsBos: true, addsEos: false, addSpacePrefix: false },
  t5: { eos: 1, unknown: 2, addsBos: false, addsEos: true, addSpacePrefix: false },
  bert: { bos: 101, eos: 102, unknown: 100, addsBos: true, addsEos: true, addSpacePrefix: false },
};

/**
 * Reads and checks a tokenizer.
 * @throws QuantscopeError REQUEST when there is none, UNSUPPORTED for one of another kind, MODEL_FILE for damaged values; all
 * name file and key.
 */
export async function tokenizerValues(source: ValueSource): Promise<TokenizerValues> {
  const { file } = source;
  const model = modelOf(source);
  const tokens = await readTokens(source);
  const count = tokens.length;
  if (model === 'llama' || model === 'bert') checkLengths(source, tokens);
  const pre = model === 'gpt2' ? preOf(source) : 'default';
  const scored = model === 'llama' || model === 't5';
  const name = source.scalar('general.name');
  const normal = (): number[] => tokens.map(() => tokenTypes.normal);
  return {
    ...{ file, model, pre, tokens },
    types: (await numbers(source, 'token_type', count)) ?? normal(),
    scores: scored ? ((await numbers(source, 'scores', count)) ?? tokens.map(() => 0)) : [],
    merges: model === 'gpt2' || model === 'gemma4' ? await strings(source, 'merges') : [],
    addSpacePrefix: scored && (flag(source, 'add_space_prefix') ?? defaultsOf[model].addSpacePrefix),
    normalization: await normalizationOf(source, model),
    ...surroundings(source, model, { pre, count }),
    name: typeof name === 'string' ? name : '',
  };
}

/** llama.cpp puts BOS before a text and SEP after it under the name "bert", and BOS under "gemma4", whatever the flags say. */
function surroundings(
  source: ValueSource,
  model: VocabularyModel,
  { pre, count }: { readonly pre: string; readonly count: number },
): Pick<TokenizerValues, 'bos' | 'eos' | 'unknown' | 'addsBos' | 'addsEos'> {
  const defaults = defaultsOf[model];
  const endName = model === 'bert' ? 'seperator_token_id' : 'eos_token_id'; // llama.cpp spells it so
  const within = (id: number | undefined) => (id !== undefined && id < count ? id : undefined);
  const bos = tokenId(source, 'bos_token_id', count) ?? within(defaults.bos);
  const eos = tokenId(source, endName, count) ?? within(defaults.eos);
  const unknown = tokenId(source, 'unknown_token_id', count) ?? within(defaults.unknown);
  const always = model === 'bert' ? true : undefined;
  const alwaysBos = model === 'gemma4' ? true : always;
  const byPre = model === 'gpt2' && ggmlPreTokenizers.get(pre)?.addsBos === true;
  const addsBos = alwaysBos ?? flag(source, 'add_bos_token') ?? (byPre || defaults.addsBos);
  const addsEos = always ?? flag(source, 'add_eos_token') ?? defaults.addsEos;
  needId(source, 'bos_token_id', 'add_bos_token', addsBos, bos);
  needId(source, endName, 'add_eos_token', addsEos, eos);
  if (model === 't5' || model === 'bert') needUnknown(source, unknown);
  return {
    ...(bos === undefined ? {} : { bos }),
    ...(eos === undefined ? {} : { eos }),
    ...(unknown === undefined ? {} : { unknown }),
    ...{ addsBos, addsEos },
  };
}

async function normalizationOf(source: ValueSource, model: VocabularyModel): Promise<Normalization> {
  if (model === 'bert') {
    const lowercase = flag(source, 'normalizer.lowercase') ?? true;
    return { lowercase, stripAccents: flag(source, 'normalizer.strip_accents') ?? lowercase };
  }
  if (model !== 't5') return {};
  const table = await source.array(key('precompiled_charsmap'));
  return {
    removeExtraSpaces: flag(source, 'remove_extra_whitespaces') ?? false,
    // Signed and unsigned bytes are both possible.
    ...(table ? { charsmap: Uint8Array.from(table, (byte) => Number(byte) & 255) } : {}),
  };
}

function modelOf(source: ValueSource): VocabularyModel {
  const { file } = source;
  const model = source.scalar(key('model'));
  if (typeof model === 'string' && Object.hasOwn(defaultsOf, model)) return model as VocabularyModel;
  if (model === undefined || model === 'no_vocab' || model === 'none')
    throw new QuantscopeError('REQUEST', said`The file has no tokenizer (${key('model')}).`, { file });
  const known = Object.keys(defaultsOf).map((name) => JSON.stringify(name));
  const message = said`${key('model')} is ${JSON.stringify(String(model))}; only tokenizers of the kinds ${known.join(', ')} can be run.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file });
}

function preOf(source: ValueSource): string {
  const pre = source.scalar(key('pre')) ?? 'default';
  if (typeof pre === 'string' && ggmlPreTokenizers.has(pre)) return pre;
  const message = said`${key('pre')} is ${JSON.stringify(String(pre))}; this pre-tokenizer is not known.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file: source.file });
}

async function readTokens(source: ValueSource): Promise<string[]> {
  // llama.cpp gives empty tokens such names, so that each text is unique.
  const tokens = (await strings(source, 'tokens')).map((text, id) => (text === '' ? `[EMPTY_${id}]` : text));
  const ids = new Map<string, number>();
  tokens.forEach((text, id) => {
    const other = ids.get(text);
    ids.set(text, id);
    if (other !== undefined)
      throw damaged(source, 'tokens', said`has ${JSON.stringify(text)} twice, as ${other} and as ${id}`);
  });
  return tokens;
}

/** Merges, or pieces, are looked for at each character of a token, or of a text. */
function checkLengths(source: ValueSource, tokens: readonly string[]): void {
  const long = tokens.findIndex((text) => text.length > maxTokenCharacters);
  if (long < 0) return;
  const what = said`has a token of ${tokens[long]!.length} characters at ${long}; at most ${maxTokenCharacters} are possible`;
  throw damaged(source, 'tokens', what);
}

async function strings(source: ValueSource, name: string): Promise<string[]> {
  const values = await source.array(key(name));
  if (!values) throw damaged(source, name, said`is missing or not an array`);
  return values.map((value, index) => {
    if (typeof value === 'string') return value;
    throw damaged(source, name, said`has ${String(value)} at ${index}, which is not text`);
  });
}

async function numbers(source: ValueSource, name: string, count: number): Promise<number[] | undefined> {
  const values = await source.array(key(name));
  if (!values) return undefined;
  if (values.length < count)
    throw damaged(source, name, said`has ${values.length} values for ${count} tokens`);
  return values.slice(0, count).map((value, index) => {
    if (typeof value === 'number' && !Number.isNaN(value)) return value;
    throw damaged(source, name, said`has ${String(value)} at ${index}, which is not a number`);
  });
}

function flag(source: ValueSource, name: string): boolean | undefined {
  const value = source.scalar(key(name));
  return typeof value === 'boolean' ? value : undefined;
}

/** An id that no token has counts as absent, as in llama.cpp. */
function tokenId(source: ValueSource, name: string, count: number): number | undefined {
  const value = source.scalar(key(name));
  return typeof value === 'number' && value >= 0 && value < count ? value : undefined;
}

function needId(
  source: ValueSource,
  idName: string,
  flagName: string,
  set: boolean,
  id: number | undefined,
): void {
  if (set && id === undefined)
    throw damaged(source, idName, said`does not name a token, which ${key(flagName)} requires`);
}

function needUnknown(source: ValueSource, id: number | undefined): void {
  if (id === undefined)
    throw damaged(source, 'unknown_token_id', said`does not name a token, which stands for unknown text`);
}

function damaged(source: ValueSource, name: string, what: string): QuantscopeError {
  return new QuantscopeError('MODEL_FILE', `${key(name)} ${what}.`, { file: source.file });
}
