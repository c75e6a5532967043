import { tokenTypes } from '../../tokenizer/vocabulary';
import { QuantscopeError } from '../../model/errors';
import { readArrayElements, type GgufScalar } from '../../model/ggufValue';
import { HeaderReader } from '../../model/headerReader';
import { maxTokenCharacters } from '../../model/limits';
import type { KeyValue } from '../../model/keyValue';
import type { Model } from '../../model/model';
import { ggmlPreTokenizers } from './ggmlPreTokenizers';

/** A tokenizer from GGUF's key-values `tokenizer.ggml.*`, with llama.cpp's defaults for what they leave out. */
export interface TokenizerValues {
  /** Where the values come from; errors name it. */
  readonly file: string;
  /** Byte-level BPE, or SentencePiece's BPE by scores. */
  readonly model: 'gpt2' | 'llama';
  /** How text is cut into words; only byte-level BPE. */
  readonly pre: string;
  /** By id, each text once. */
  readonly tokens: readonly string[];
  /** One of `tokenTypes` for each token. */
  readonly types: readonly number[];
  /** For each token; only SentencePiece. */
  readonly scores: readonly number[];
  /** "left right", best first; only byte-level BPE. */
  readonly merges: readonly string[];
  /** A space goes before a text and what follows a special token; only SentencePiece. */
  readonly addSpacePrefix: boolean;
  readonly bos?: number;
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
  readonly addsBos: boolean;
}

/** llama.cpp's defaults where a file does not say. */
function defaultsOf(model: TokenizerValues['model'], pre: string): Defaults {
  if (model === 'llama') return { bos: 1, eos: 2, addsBos: true };
  return { addsBos: ggmlPreTokenizers.get(pre)?.addsBos === true };
}

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
  if (model === 'llama') checkLengths(source, tokens);
  const pre = model === 'gpt2' ? preOf(source) : 'default';
  const defaults = defaultsOf(model, pre);
  const bos = tokenId(source, 'bos_token_id', count) ?? defaults.bos;
  const eos = tokenId(source, 'eos_token_id', count) ?? defaults.eos;
  const addsBos = flag(source, 'add_bos_token') ?? defaults.addsBos;
  const addsEos = flag(source, 'add_eos_token') ?? false;
  needId(source, 'bos_token_id', 'add_bos_token', addsBos, bos);
  needId(source, 'eos_token_id', 'add_eos_token', addsEos, eos);
  const name = source.scalar('general.name');
  const normal = (): number[] => tokens.map(() => tokenTypes.normal);
  return {
    ...{ file, model, pre, tokens },
    types: (await numbers(source, 'token_type', count)) ?? normal(),
    scores: model === 'llama' ? ((await numbers(source, 'scores', count)) ?? tokens.map(() => 0)) : [],
    merges: model === 'gpt2' ? await strings(source, 'merges') : [],
    addSpacePrefix: model === 'llama' && (flag(source, 'add_space_prefix') ?? true),
    ...(bos === undefined ? {} : { bos }),
    ...(eos === undefined ? {} : { eos }),
    ...{ addsBos, addsEos },
    name: typeof name === 'string' ? name : '',
  };
}

function modelOf(source: ValueSource): 'gpt2' | 'llama' {
  const { file } = source;
  const model = source.scalar(key('model'));
  if (model === 'gpt2' || model === 'llama') return model;
  if (model === undefined || model === 'no_vocab' || model === 'none')
    throw new QuantscopeError('REQUEST', `The file has no tokenizer (${key('model')}).`, { file });
  const message = `${key('model')} is ${JSON.stringify(String(model))}; only "gpt2" and "llama" tokenizers can be run.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file });
}

function preOf(source: ValueSource): string {
  const pre = source.scalar(key('pre')) ?? 'default';
  if (typeof pre === 'string' && ggmlPreTokenizers.has(pre)) return pre;
  const message = `${key('pre')} is ${JSON.stringify(String(pre))}; this pre-tokenizer is not known.`;
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
      throw damaged(source, 'tokens', `has ${JSON.stringify(text)} twice, as ${other} and as ${id}`);
  });
  return tokens;
}

/** Merges of a token are looked for at each of its characters. */
function checkLengths(source: ValueSource, tokens: readonly string[]): void {
  const long = tokens.findIndex((text) => text.length > maxTokenCharacters);
  if (long < 0) return;
  const what = `has a token of ${tokens[long]!.length} characters at ${long}; at most ${maxTokenCharacters} are possible`;
  throw damaged(source, 'tokens', what);
}

async function strings(source: ValueSource, name: string): Promise<string[]> {
  const values = await source.array(key(name));
  if (!values) throw damaged(source, name, 'is missing or not an array');
  return values.map((value, index) => {
    if (typeof value === 'string') return value;
    throw damaged(source, name, `has ${String(value)} at ${index}, which is not text`);
  });
}

async function numbers(source: ValueSource, name: string, count: number): Promise<number[] | undefined> {
  const values = await source.array(key(name));
  if (!values) return undefined;
  if (values.length < count) throw damaged(source, name, `has ${values.length} values for ${count} tokens`);
  return values.slice(0, count).map((value, index) => {
    if (typeof value === 'number' && !Number.isNaN(value)) return value;
    throw damaged(source, name, `has ${String(value)} at ${index}, which is not a number`);
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
    throw damaged(source, idName, `does not name a token, which ${key(flagName)} requires`);
}

function damaged(source: ValueSource, name: string, what: string): QuantscopeError {
  return new QuantscopeError('MODEL_FILE', `${key(name)} ${what}.`, { file: source.file });
}
