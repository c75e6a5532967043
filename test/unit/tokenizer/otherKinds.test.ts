import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { charsmapOf } from '../../../src/tokenizer/charsmap';
import { readTokenizer } from '../../../src/tokenizer/readTokenizer';
import { decodeSentencePiece, sentencePieceMessage } from '../../../src/tokenizer/sentencePieceModel';
import { fixture, temporaryFolder } from '../../support/files';
import { tokenizerFolder } from '../../support/tokenizerFile';

const root = temporaryFolder();
let folders = 0;

async function read(files: Readonly<Record<string, unknown>>, rows: number, config = {}) {
  const folder = tokenizerFolder(join(root, String(folders++)), files);
  const { keyValues, notes } = await readTokenizer(folder, config, rows);
  const values = keyValues.map((pair) => [
    pair.key.replace('tokenizer.ggml.', ''),
    'values' in pair ? pair.values : 'value' in pair && pair.value,
  ]);
  return { values: Object.fromEntries(values) as Record<string, unknown>, notes };
}

const table = (): Uint8Array =>
  decodeSentencePiece(readFileSync(fixture('tokenizers', 'unigram.model')), '').normalizerSpec!
    .precompiledCharsmap;
const vocab = [
  ['<pad>', 0],
  ['</s>', 0],
  ['<unk>', 0],
  ['▁a', -1.5],
];
const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' };
const unigram = {
  added_tokens: [
    { id: 0, content: '<pad>', special: true },
    { id: 1, content: '</s>', special: true },
  ],
  pre_tokenizer: metaspace,
  model: { type: 'Unigram', unk_id: 2, vocab },
};

describe('a Unigram tokenizer.json', () => {
  it('is written with its scores, its spaces and its table of replacements', async () => {
    const normalizers = [
      { type: 'Precompiled', precompiled_charsmap: Buffer.from(table()).toString('base64') },
      { type: 'Strip', strip_left: false, strip_right: true },
      { type: 'Replace', pattern: { Regex: ' {2,}' }, content: '▁' },
    ];
    const tokenizer = { ...unigram, normalizer: { type: 'Sequence', normalizers } };
    const { values, notes } = await read({ 'tokenizer.json': tokenizer }, 5);
    expect(values).toMatchObject({
      ...{ model: 't5', pre: 'default', tokens: ['<pad>', '</s>', '<unk>', '▁a', '[PAD4]'] },
      ...{ token_type: [3, 3, 2, 1, 5], scores: [-1000, -1000, 0, -1.5, -1000], unknown_token_id: 2 },
      ...{
        add_space_prefix: true,
        remove_extra_whitespaces: true,
        add_bos_token: false,
        add_eos_token: true,
      },
      precompiled_charsmap: [...table()],
    });
    expect(notes).toEqual([]);
  });

  it.each([
    [
      { type: 'Sequence', normalizers: [{ type: 'NFKD' }] },
      'The step {"type":"NFKD"} of the Unigram tokenizer',
    ],
    [{ type: 'Replace', pattern: { String: '``' }, content: '"' }, /step .*"``".* cannot be expressed/],
    [
      { type: 'Strip' },
      'Removing spaces around a text without those between words cannot be expressed in GGUF.',
    ],
    [
      { type: 'Precompiled', precompiled_charsmap: 'AAAA' },
      /table of replacements .* of 3 bytes does not have its trie/,
    ],
    [{ type: 'Precompiled', precompiled_charsmap: 5 }, /has no table of replacements/],
  ])('is rejected with the normalizer %j', async (normalizer, message) => {
    await expect(read({ 'tokenizer.json': { ...unigram, normalizer } }, 4)).rejects.toThrow(message);
  });

  it('is rejected where llama.cpp would put a space before the text', async () => {
    const tokenizer = { ...unigram, pre_tokenizer: { type: 'WhitespaceSplit' } };
    await expect(read({ 'tokenizer.json': tokenizer }, 4)).rejects.toThrow(
      'The tokenizer removes extra spaces without putting one before the text; llama.cpp would put one there.',
    );
  });

  it('is rejected with a piece that has no score, and noted where bytes stand for unknown characters', async () => {
    const damaged = { ...unigram, model: { ...unigram.model, vocab: [...vocab, ['b']] } };
    await expect(read({ 'tokenizer.json': damaged }, 5)).rejects.toThrow(
      'Piece 4 of the vocabulary is ["b"], not a text and its score.',
    );
    const model = { ...unigram.model, byte_fallback: true, vocab: [...vocab, ['<0x0A>', 0]] };
    const { values, notes } = await read({ 'tokenizer.json': { ...unigram, model } }, 5);
    expect(values['token_type']).toEqual([3, 3, 2, 1, 6]);
    expect(notes).toEqual([expect.stringMatching(/llama\.cpp takes its unknown token/)]);
  });
});

describe('XLM-RoBERTa’s tokenizer.json', () => {
  it('has BOS and EOS around a text, and all its special tokens', async () => {
    const special = ['<s>', '<pad>', '</s>', '<unk>', '<mask>'];
    const tokenizer = {
      added_tokens: special.map((content, i) => ({ id: i < 4 ? i : 5, content, special: true })),
      normalizer: {
        type: 'Sequence',
        normalizers: [
          { type: 'Precompiled', precompiled_charsmap: Buffer.from(table()).toString('base64') },
          { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' },
        ],
      },
      pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, metaspace] },
      post_processor: {
        type: 'TemplateProcessing',
        single: [
          { SpecialToken: { id: '<s>' } },
          { Sequence: { id: 'A' } },
          { SpecialToken: { id: '</s>' } },
        ],
      },
      model: {
        type: 'Unigram',
        unk_id: 3,
        vocab: [...special.slice(0, 4), '▁a', '<mask>'].map((text) => [text, 0]),
      },
    };
    const config = {
      ...{ bos_token: '<s>', eos_token: '</s>', sep_token: '</s>', cls_token: '<s>', unk_token: '<unk>' },
      ...{ pad_token: '<pad>', mask_token: { content: '<mask>', lstrip: true } },
    };
    const { values, notes } = await read({ 'tokenizer.json': tokenizer, 'tokenizer_config.json': config }, 6);
    expect(values).toMatchObject({
      ...{
        model: 't5',
        token_type: [3, 3, 3, 2, 1, 3],
        remove_extra_whitespaces: true,
        add_space_prefix: true,
      },
      ...{
        bos_token_id: 0,
        padding_token_id: 1,
        eos_token_id: 2,
        seperator_token_id: 2,
        unknown_token_id: 3,
      },
      ...{ mask_token_id: 5, add_bos_token: true, add_eos_token: true },
    });
    expect(notes).toEqual([]);
  });
});

describe('a table of replacements', () => {
  it('has the longest beginning that it knows', () => {
    const replace = charsmapOf(table(), '');
    const of = (text: string) => {
      const found = replace(Buffer.from(text), 0);
      return found && [found.length, Buffer.from(found.bytes).toString()];
    };
    expect(of('ﬁne')).toEqual([3, 'fi']);
    expect(of('e\u0301t')).toEqual([3, 'é']);
    expect(of('\u200bx')).toEqual([3, '']);
    expect(of('et')).toBeUndefined();
    expect(of('\0')).toBeUndefined();
  });

  it('is an error where its trie leads out of it', () => {
    const damaged = table();
    const units = new DataView(damaged.buffer, damaged.byteOffset);
    units.setUint32(4, 0x3fffff << 10, true);
    const replace = charsmapOf(damaged, 'tokenizer.json');
    expect(() => replace(Buffer.from('a'), 0)).toThrow(
      /leads to unit \d+ of a trie of \d+\. \(.*tokenizer\.json/,
    );
  });
});

describe('a Unigram SentencePiece model', () => {
  const pieces = [
    { piece: '<unk>', score: 0, type: 2 },
    { piece: '<s>', score: 0, type: 3 },
    { piece: '</s>', score: 0, type: 3 },
    { piece: '▁a', score: -1, type: 1 },
  ];
  const encode = (trainerSpec: object, normalizerSpec: object = {}) =>
    sentencePieceMessage
      .encode(
        sentencePieceMessage.fromObject({
          pieces,
          trainerSpec: { modelType: 1, ...trainerSpec },
          normalizerSpec,
        }),
      )
      .finish();

  it('of XLM-RoBERTa has the ids of its class', async () => {
    const config = { tokenizer_class: 'XLMRobertaTokenizer' };
    const files = { 'sentencepiece.bpe.model': encode({}), 'tokenizer_config.json': config };
    expect((await read(files, 6)).values).toMatchObject({
      ...{ model: 't5', tokens: ['<s>', '<pad>', '</s>', '<unk>', '▁a', '<mask>'] },
      ...{ bos_token_id: 0, padding_token_id: 1, eos_token_id: 2, unknown_token_id: 3, mask_token_id: 5 },
      ...{ add_bos_token: true, add_eos_token: true, token_type: [3, 3, 3, 2, 1, 3] },
    });
  });

  it('of another class is rejected, since its ids are not known', async () => {
    const config = { tokenizer_class: 'CamembertTokenizer' };
    await expect(read({ 'spiece.model': encode({}), 'tokenizer_config.json': config }, 6)).rejects.toThrow(
      /the class "CamembertTokenizer" gives.*known are those of XLMRobertaTokenizer, T5Tokenizer/,
    );
  });

  it.each([
    [{ treatWhitespaceAsSuffix: true }, {}, /treat_whitespace_as_suffix/],
    [{}, { escapeWhitespaces: false }, /escape_whitespaces/],
    [{}, { addDummyPrefix: false }, /llama\.cpp would put one there/],
  ])('is rejected with spaces that llama.cpp does not know: %j %j', async (trainer, normalizer, message) => {
    await expect(read({ 'tokenizer.model': encode(trainer, normalizer) }, 4)).rejects.toThrow(message);
  });

  it('that merges pieces is noted where it changes texts first', async () => {
    const { notes } = await read({ 'tokenizer.model': encode({ modelType: 2 }) }, 4);
    expect(notes).toEqual([
      'The tokenizer removes extra spaces before it merges pieces, which llama.cpp does not.',
    ]);
    const plain = encode({ modelType: 2 }, { removeExtraWhitespaces: false });
    expect((await read({ 'tokenizer.model': plain }, 4)).notes).toEqual([]);
  });
});

describe('a WordPiece vocabulary', () => {
  const words = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', '##b'];

  it('has a mark before pieces that begin words, and BERT’s special tokens', async () => {
    const { values, notes } = await read({ 'vocab.txt': words.join('\n') }, 7);
    expect(values).toMatchObject({
      ...{ model: 'bert', tokens: [...words.slice(0, 5), '▁a', 'b'], token_type: [3, 3, 3, 3, 3, 1, 1] },
      ...{
        bos_token_id: 2,
        seperator_token_id: 3,
        unknown_token_id: 1,
        padding_token_id: 0,
        mask_token_id: 4,
      },
      ...{ 'normalizer.lowercase': true, 'normalizer.strip_accents': true, add_bos_token: true },
    });
    expect(notes).toEqual([]);
    const cased = { do_lower_case: false };
    const files = { 'vocab.txt': words.join('\n'), 'tokenizer_config.json': cased };
    expect((await read(files, 7)).values).toMatchObject({
      ...{ 'normalizer.lowercase': false, 'normalizer.strip_accents': false },
    });
  });

  it('is rejected where two tokens would have one text, or where steps are not BERT’s', async () => {
    await expect(read({ 'vocab.txt': [...words, '##▁a'].join('\n') }, 8)).rejects.toThrow(
      'The tokens 5 and 7 would both be "▁a" in a GGUF file.',
    );
    await expect(read({ 'vocab.txt': [...words, 'a'].join('\n') }, 8)).rejects.toThrow(
      /has "a" twice, as 5 and as 7\. \(.*vocab\.txt/,
    );
    const chinese = { tokenize_chinese_chars: false };
    const files = { 'vocab.txt': words.join('\n'), 'tokenizer_config.json': chinese };
    await expect(read(files, 7)).rejects.toThrow(/BertNormalizer.*handle_chinese_chars/);
  });
});

describe('Gemma 4’s tokenizer.json', () => {
  const tokenizer = {
    normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
    pre_tokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: 'MergedWithPrevious' },
    model: {
      ...{ type: 'BPE', byte_fallback: true, unk_token: '<unk>' },
      vocab: { '<unk>': 0, '<bos>': 1, '<0x0A>': 2, '▁': 3, a: 4, '▁a': 5 },
      merges: [['▁', 'a']],
    },
    added_tokens: ['<unk>', '<bos>', '<|channel>'].map((content, i) => ({
      ...{ id: i < 2 ? i : 6, content, special: true },
    })),
  };

  it.each([{ model_type: 'gemma4_text' }, { model_type: 'x', text_config: { model_type: 'gemma4_text' } }])(
    'keeps its merges, and shows the tokens of channels: %j',
    async (config) => {
      expect((await read({ 'tokenizer.json': tokenizer }, 7, config)).values).toMatchObject({
        ...{ model: 'gemma4', pre: 'gemma4', merges: ['▁ a'], token_type: [2, 3, 6, 1, 1, 1, 4] },
        ...{ add_bos_token: true, add_space_prefix: false },
      });
    },
  );

  it('of other models has scores; one with a space before the text is rejected', async () => {
    expect((await read({ 'tokenizer.json': tokenizer }, 7)).values).toMatchObject({ model: 'llama' });
    const spaced = { ...tokenizer, pre_tokenizer: metaspace };
    await expect(read({ 'tokenizer.json': spaced }, 7, { model_type: 'gemma4' })).rejects.toThrow(
      /without a space before the text; this one is not/,
    );
  });
});
