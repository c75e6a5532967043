import { fileValues, tokenizerValues, type TokenizerValues } from '../../evaluation/tokenizer/ggufValues';
import { QuantscopeError } from '../../model/errors';
import { readArrayElements } from '../../model/ggufValue';
import { HeaderReader } from '../../model/headerReader';
import type { Model } from '../../model/model';
import { preTokenizerDefinition } from '../../tokenizer/preTokenizerDefinition';
import { tokenTypes } from '../../tokenizer/vocabulary';

/** Files of a tokenizer. */
export interface RestoredTokenizer {
  readonly files: ReadonlyMap<string, string>;
  /** What was left out, as sentences. */
  readonly notes: readonly string[];
}

const leftOut = (why: string): RestoredTokenizer => ({
  files: new Map(),
  notes: [
    `The tokenizer is left out: ${why}. Copy its files from the checkpoint that the file was made from.`,
  ],
});

/**
 * tokenizer.json and tokenizer_config.json of a GGUF file with byte-level BPE. Tokens that fill the vocabulary up to the rows of the embedding are
 * left out; they come back with an export.
 */
export async function restoreTokenizer(model: Model, signal?: AbortSignal): Promise<RestoredTokenizer> {
  const source = fileValues(model, signal);
  const kind = source.scalar('tokenizer.ggml.model');
  if (kind !== 'gpt2')
    return leftOut(`only byte-level BPE is written as tokenizer.json, and this is ${stated(kind)}`);
  let values: TokenizerValues;
  try {
    values = await tokenizerValues(source);
  } catch (error) {
    if (error instanceof QuantscopeError && error.code !== 'CANCELLED')
      return leftOut(error.message.replace(/\.$/, ''));
    throw error;
  }
  const words = preTokenizerDefinition(values.pre);
  if (!words) return leftOut(`no definition of the pre-tokenizer "${values.pre}" is known`);
  const config = await tokenizerConfig(model, values, signal);
  const files = new Map([
    ['tokenizer.json', print(tokenizerJson(values, words))],
    ['tokenizer_config.json', print(config)],
  ]);
  return { files, notes: [] };
}

const stated = (kind: unknown): string => (kind === undefined ? 'none' : JSON.stringify(kind));

const print = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`;

function tokenizerJson(
  values: TokenizerValues,
  { definition, ignoreMerges }: NonNullable<ReturnType<typeof preTokenizerDefinition>>,
): object {
  const { tokens, types, merges } = values;
  const added = new Set<number>([tokenTypes.control, tokenTypes.userDefined, tokenTypes.unknown]);
  const entries = tokens.map((content, id) => ({ content, id, type: types[id]! }));
  return {
    version: '1.0',
    ...{ truncation: null, padding: null },
    added_tokens: entries
      .filter(({ type }) => added.has(type))
      .map(({ content, id, type }) => ({
        ...{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false },
        special: type !== tokenTypes.userDefined,
      })),
    normalizer: null,
    pre_tokenizer: definition,
    post_processor: postProcessor(values),
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      ...{ type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null },
      ...{ end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, ignore_merges: ignoreMerges },
      vocab: Object.fromEntries(
        entries.filter(({ type }) => type === tokenTypes.normal).map(({ content, id }) => [content, id]),
      ),
      merges: merges.map(pairOf),
    },
  };
}

/** Divided at the first space that is not the first character, as llama.cpp does it. */
function pairOf(merge: string): [string, string] {
  const space = merge.indexOf(' ', 1);
  return [merge.slice(0, space), merge.slice(space + 1)];
}

/** What goes around a text. */
function postProcessor({ tokens, bos, eos, addsBos, addsEos }: TokenizerValues): object {
  const around = [...(addsBos ? [bos] : []), ...(addsEos ? [eos] : [])].filter((id) => id !== undefined);
  if (around.length === 0)
    return { type: 'ByteLevel', add_prefix_space: true, trim_offsets: false, use_regex: true };
  const special = (id: number | undefined, type_id: number) =>
    id === undefined ? [] : [{ SpecialToken: { id: tokens[id]!, type_id } }];
  const text = (id: 'A' | 'B', type_id: number) => [
    ...special(addsBos ? bos : undefined, type_id),
    { Sequence: { id, type_id } },
    ...special(addsEos ? eos : undefined, type_id),
  ];
  return {
    type: 'TemplateProcessing',
    single: text('A', 0),
    pair: [...text('A', 0), ...text('B', 1)],
    special_tokens: Object.fromEntries(
      around.map((id) => [tokens[id]!, { id: tokens[id]!, ids: [id], tokens: [tokens[id]!] }]),
    ),
  };
}

/** Roles of tokenizer_config.json, and the keys of GGUF that have the ids. */
const roles = {
  bos: 'bos_token_id',
  eos: 'eos_token_id',
  unk: 'unknown_token_id',
  sep: 'seperator_token_id',
  pad: 'padding_token_id',
  mask: 'mask_token_id',
} as const;

async function tokenizerConfig(
  model: Model,
  { tokens, addsBos, addsEos }: TokenizerValues,
  signal: AbortSignal | undefined,
): Promise<object> {
  const { metadata } = model.gguf!;
  const text = (name: string): string | undefined => {
    const value = metadata.get(name)?.scalar;
    return typeof value === 'string' ? value : undefined;
  };
  const named = Object.entries(roles).flatMap(([role, key]) => {
    const id = metadata.get(`tokenizer.ggml.${key}`)?.scalar;
    const token = typeof id === 'number' ? tokens[id] : undefined;
    return token === undefined ? [] : [[`${role}_token`, token] as const];
  });
  const template = text('tokenizer.chat_template');
  const names = await namesOfTemplates(model, signal);
  const others = names.flatMap((name) => {
    const other = text(`tokenizer.chat_template.${name}`);
    return other === undefined ? [] : [{ name, template: other }];
  });
  const all = [...(template === undefined ? [] : [{ name: 'default', template }]), ...others];
  return {
    ...{ add_bos_token: addsBos, add_eos_token: addsEos, add_prefix_space: false },
    ...Object.fromEntries(named),
    ...(all.length === 0 ? {} : { chat_template: others.length === 0 ? template : all }),
    clean_up_tokenization_spaces: false,
    tokenizer_class: 'PreTrainedTokenizerFast',
  };
}

async function namesOfTemplates(model: Model, signal: AbortSignal | undefined): Promise<string[]> {
  const value = model.gguf!.metadata.get('tokenizer.chat_templates');
  if (value?.array?.elementType !== 'string') return [];
  const reader = new HeaderReader(model.source(model.description.files[0]!.path), signal);
  const names = await readArrayElements(reader, value);
  return names.filter((name) => typeof name === 'string');
}
