import type { TokenizerValues } from '../../../evaluation/tokenizer/ggufValues';
import { QuantscopeError } from '../../../model/errors';
import { preTokenizerDefinition } from '../../../tokenizer/preTokenizerDefinition';
import { tokenTypes } from '../../../tokenizer/vocabulary';
import { pieceText } from '../../../tokenizer/wordPiece';
import { addedToken, entriesOf, isAdded, type Entry } from './entries';
import { said } from '../../../protocol/said';

type Json = Record<string, unknown>;

/** What all kinds have. */
function tokenizerJson(
  entries: readonly Entry[],
  parts: Readonly<Record<'normalizer' | 'pre_tokenizer' | 'post_processor' | 'decoder' | 'model', unknown>>,
): Json {
  const added_tokens = entries.filter(isAdded).map((entry) => ({ id: entry.id, ...addedToken(entry) }));
  return { version: '1.0', truncation: null, padding: null, added_tokens, ...parts };
}

const byteLevel = { type: 'ByteLevel', add_prefix_space: true, use_regex: true };

const bpe = { type: 'BPE', dropout: null, continuing_subword_prefix: null, end_of_word_suffix: null };

/**
 * Byte-level BPE.
 * @throws QuantscopeError UNSUPPORTED for a pre-tokenizer whose definition is not known.
 */
export function byteLevelJson(values: TokenizerValues): Json {
  const words = preTokenizerDefinition(values.pre);
  if (!words)
    throw new QuantscopeError(
      'UNSUPPORTED',
      said`no definition of the pre-tokenizer "${values.pre}" is known`,
    );
  const entries = entriesOf(values);
  return tokenizerJson(entries, {
    normalizer: null,
    pre_tokenizer: words.definition,
    post_processor: around(values) ?? { ...byteLevel, trim_offsets: false },
    decoder: { ...byteLevel, trim_offsets: true },
    model: {
      ...{
        ...bpe,
        unk_token: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: words.ignoreMerges,
      },
      vocab: idsOf(entries.filter(({ type }) => type === tokenTypes.normal)),
      merges: values.merges.map(pairOf),
    },
  });
}

/** BPE of characters that merges by rank, with "▁" for spaces and bytes for characters without a token. */
export function rankedJson(values: TokenizerValues): Json {
  const entries = entriesOf(values);
  const unknown = entries.find(({ type }) => type === tokenTypes.unknown);
  return tokenizerJson(entries, {
    normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
    pre_tokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: 'MergedWithPrevious', invert: false },
    post_processor: around(values) ?? null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        ...[{ type: 'ByteFallback' }, { type: 'Fuse' }],
      ],
    },
    model: {
      ...{ ...bpe, unk_token: unknown?.content ?? null, fuse_unk: true, byte_fallback: true },
      ignore_merges: false,
      vocab: idsOf(entries.filter(({ type }) => type !== tokenTypes.unused)),
      merges: values.merges.map(pairOf),
    },
  });
}

/** Pieces by likelihood (Unigram). */
export function unigramJson(values: TokenizerValues): Json {
  const entries = entriesOf(values);
  const { charsmap, removeExtraSpaces } = values.normalization;
  const spaces = {
    ...{ type: 'Metaspace', replacement: '▁', split: true },
    prepend_scheme: values.addSpacePrefix ? 'always' : 'never',
  };
  return tokenizerJson(entries, {
    normalizer: charsmap
      ? { type: 'Precompiled', precompiled_charsmap: Buffer.from(charsmap).toString('base64') }
      : null,
    pre_tokenizer: removeExtraSpaces
      ? { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, spaces] }
      : spaces,
    post_processor: around(values) ?? null,
    decoder: spaces,
    model: {
      ...{ type: 'Unigram', unk_id: values.unknown ?? null },
      byte_fallback: entries.some(({ type }) => type === tokenTypes.byte),
      vocab: entries.map(({ content, score }) => [content, score]),
    },
  });
}

/** BERT's WordPiece. */
export function wordPieceJson(values: TokenizerValues): Json {
  const { tokens, unknown, normalization } = values;
  const entries = entriesOf(values);
  const plain = entries.map((entry) =>
    isAdded(entry) ? entry : { ...entry, content: pieceText(entry.content) },
  );
  return tokenizerJson(entries, {
    normalizer: {
      ...{ type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true },
      strip_accents: normalization.stripAccents ?? null,
      lowercase: normalization.lowercase ?? true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: around(values) ?? null,
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      ...{ type: 'WordPiece', unk_token: tokens[unknown!], continuing_subword_prefix: '##' },
      max_input_chars_per_word: 100,
      vocab: idsOf(plain.filter(({ type }) => type !== tokenTypes.unused)),
    },
  });
}

const idsOf = (entries: readonly Entry[]): Record<string, number> =>
  Object.fromEntries(entries.map(({ content, id }) => [content, id]));

/** Divided at the first space that is not the first character, as llama.cpp does it. */
function pairOf(merge: string): [string, string] {
  const space = merge.indexOf(' ', 1);
  return [merge.slice(0, space), merge.slice(space + 1)];
}

/** What goes around a text; undefined for nothing. */
function around({ tokens, bos, eos, addsBos, addsEos }: TokenizerValues): object | undefined {
  const ids = [...(addsBos ? [bos] : []), ...(addsEos ? [eos] : [])].filter((id) => id !== undefined);
  if (ids.length === 0) return undefined;
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
      ids.map((id) => [tokens[id]!, { id: tokens[id]!, ids: [id], tokens: [tokens[id]!] }]),
    ),
  };
}
