import { QuantscopeError } from '../model/errors';
import { maxTokens } from '../model/limits';
import type { KeyValue } from '../model/keyValue';
import { chatTemplateKeyValues, type ChatTemplates } from './chatTemplates';
import { said } from '../protocol/said';

/** Values of `tokenizer.ggml.token_type` (llama.h, llama_token_type). */
export const tokenTypes = {
  normal: 1,
  unknown: 2,
  control: 3,
  userDefined: 4,
  unused: 5,
  byte: 6,
} as const;

export interface Token {
  readonly text: string;
  /** One of `tokenTypes`. */
  readonly type: number;
  /** Log probability or negative rank; 0 where the tokenizer has none. */
  readonly score: number;
}

/**
 * Values of `tokenizer.ggml.model` that are written: byte-level BPE, SentencePiece's BPE by scores, the same by merges, Unigram and
 * WordPiece.
 */
export type VocabularyModel = 'gpt2' | 'llama' | 'gemma4' | 't5' | 'bert';

/** How text is normalized before it is cut, as far as GGUF can say it. */
export interface Normalization {
  /** A space goes before the text; only SentencePiece and Unigram. */
  readonly addSpacePrefix?: boolean;
  /** Only Unigram: spaces around the text are removed, and several between words are one. */
  readonly removeExtraSpaces?: boolean;
  /** Only Unigram: SentencePiece's table of replacements (`charsmapOf`). */
  readonly charsmap?: Uint8Array;
  /** Only WordPiece. */
  readonly lowercase?: boolean;
  readonly stripAccents?: boolean;
}

/** A tokenizer in GGUF's terms. */
export interface Vocabulary extends Normalization {
  readonly model: VocabularyModel;
  /** `tokenizer.ggml.pre`: how text is cut before merging. */
  readonly pre: string;
  /** By id. */
  readonly tokens: readonly Token[];
  /** "left right", best first; only byte-level BPE and "gemma4". */
  readonly merges?: readonly string[];
  /** Whether BOS and EOS go around a text where no file says. */
  readonly around?: { readonly addBos: boolean; readonly addEos: boolean };
  /** What was left out, as sentences. */
  readonly notes?: readonly string[];
  /** Ids that the vocabulary itself states; separate settings take precedence. */
  readonly ids?: Partial<Record<SpecialRole, number>>;
}

/** What special tokens are for; `eot` and `eom` end a turn and a message. */
export const specialRoles = ['bos', 'eos', 'eot', 'eom', 'unk', 'sep', 'pad', 'mask'] as const;
export type SpecialRole = (typeof specialRoles)[number];

/** What surrounds the vocabulary: special tokens and chat templates. */
export interface TokenizerSettings {
  readonly ids: Partial<Record<SpecialRole, number>>;
  readonly addBos: boolean;
  readonly addEos: boolean;
  readonly chatTemplates: ChatTemplates;
}

/**
 * Tokens by id, as many as the embedding has rows: ids without a token get unused ones.
 * @param fileOf the file that has a token, for errors.
 * @throws QuantscopeError MODEL_FILE when an id is not a row of the embedding, or when there are too many rows; UNSUPPORTED when two
 * tokens have one text, by which llama.cpp looks them up: it does not load such a file.
 */
export function fillVocabulary(
  tokens: ReadonlyMap<number, Token>,
  rows: number,
  fileOf: (id: number) => string,
): Token[] {
  for (const [id, { text }] of tokens) {
    if (Number.isInteger(id) && id >= 0 && id < rows) continue;
    const message = said`The token ${JSON.stringify(text)} has id ${id}, but the embedding has ${rows} rows.`;
    throw new QuantscopeError('MODEL_FILE', message, { file: fileOf(id) });
  }
  if (rows > maxTokens)
    throw new QuantscopeError(
      'MODEL_FILE',
      said`The embedding has ${rows} rows; a vocabulary has at most ${maxTokens} tokens.`,
      { file: fileOf(rows) },
    );
  const all = Array.from(
    { length: rows },
    (_, id) => tokens.get(id) ?? { text: `[PAD${id}]`, type: tokenTypes.unused, score: unusedScore },
  );
  checkUnique(all, fileOf);
  return all;
}

/** Empty texts get names of their own in llama.cpp. */
function checkUnique(tokens: readonly Token[], fileOf: (id: number) => string): void {
  const ids = new Map<string, number>();
  tokens.forEach(({ text }, id) => {
    const other = ids.get(text);
    ids.set(text, id);
    if (other === undefined || text === '') return;
    const message = said`The tokens ${other} and ${id} would both be ${JSON.stringify(text)} in a GGUF file.`;
    throw new QuantscopeError('UNSUPPORTED', message, { file: fileOf(id) });
  });
}

/** Score of tokens that are never the result of a merge: below every real one. */
export const unusedScore = -1000;

/** Keys of `tokenizer.ggml`. */
export const idKeys: Readonly<Record<SpecialRole, string>> = {
  bos: 'bos_token_id',
  eos: 'eos_token_id',
  eot: 'eot_token_id',
  eom: 'eom_token_id',
  unk: 'unknown_token_id',
  sep: 'seperator_token_id', // llama.cpp spells it so
  pad: 'padding_token_id',
  mask: 'mask_token_id',
};

const key = (name: string): string => `tokenizer.ggml.${name}`;
const flag = (name: string, value: boolean): KeyValue => ({ key: key(name), type: 'bool', value });
const array = (
  name: string,
  elementType: 'string' | 'f32' | 'i32' | 'u8',
  values: readonly (string | number)[],
): KeyValue => ({ key: key(name), type: 'array', elementType, values });

function normalizationKeyValues(normalization: Normalization): KeyValue[] {
  const { charsmap, addSpacePrefix, removeExtraSpaces, lowercase, stripAccents } = normalization;
  const flags = {
    add_space_prefix: addSpacePrefix,
    remove_extra_whitespaces: removeExtraSpaces,
    'normalizer.lowercase': lowercase,
    'normalizer.strip_accents': stripAccents,
  };
  return [
    ...Object.entries(flags).flatMap(([name, value]) => (value === undefined ? [] : [flag(name, value)])),
    ...(charsmap ? [array('precompiled_charsmap', 'u8', [...charsmap])] : []),
  ];
}

/** The tokenizer as GGUF key-values. */
export function tokenizerKeyValues(vocabulary: Vocabulary, settings: TokenizerSettings): KeyValue[] {
  const { model, pre, tokens, merges } = vocabulary;
  const ids = { ...vocabulary.ids, ...settings.ids };
  return [
    { key: key('model'), type: 'string', value: model },
    { key: key('pre'), type: 'string', value: pre },
    array(
      'tokens',
      'string',
      tokens.map(({ text }) => text),
    ),
    ...(model === 'llama' || model === 't5'
      ? [
          array(
            'scores',
            'f32',
            tokens.map(({ score }) => score),
          ),
        ]
      : []),
    array(
      'token_type',
      'i32',
      tokens.map(({ type }) => type),
    ),
    ...(merges ? [array('merges', 'string', merges)] : []),
    ...specialRoles.flatMap((role): KeyValue[] => {
      const value = ids[role];
      return value === undefined ? [] : [{ key: key(idKeys[role]), type: 'u32', value }];
    }),
    flag('add_bos_token', settings.addBos),
    flag('add_eos_token', settings.addEos),
    ...normalizationKeyValues(vocabulary),
    ...chatTemplateKeyValues(settings.chatTemplates),
  ];
}
