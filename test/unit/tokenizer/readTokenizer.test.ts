import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { KeyValue } from '../../../src/model/keyValue';
import { readTokenizer } from '../../../src/tokenizer/readTokenizer';
import { sentencePieceMessage } from '../../../src/tokenizer/sentencePieceModel';
import { readArrayElements } from '../../../src/model/ggufValue';
import { HeaderReader } from '../../../src/model/headerReader';
import { openModel } from '../../../src/layouts/openModel';
import { hasSharedData, sampleFolder, sharedData, temporaryFolder } from '../../support/files';

const root = temporaryFolder();
let folders = 0;

/** A folder with these files; objects are written as JSON. */
function folderWith(files: Record<string, unknown>): string {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  for (const [name, content] of Object.entries(files)) {
    const raw = typeof content === 'string' || content instanceof Uint8Array;
    writeFileSync(join(folder, name), raw ? content : JSON.stringify(content));
  }
  return folder;
}

function valuesOf(pairs: readonly KeyValue[]): Record<string, unknown> {
  return Object.fromEntries(
    pairs.map((pair) => [
      pair.key.replace('tokenizer.ggml.', ''),
      'values' in pair ? pair.values : 'value' in pair && pair.value,
    ]),
  );
}

const read = async (folder: string, rows: number, config = {}) =>
  valuesOf((await readTokenizer(folder, config, rows)).keyValues);

const byteLevel = {
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
  model: { type: 'BPE', vocab: { a: 0, b: 1, ab: 2, '<s>': 4 }, merges: ['a b'] },
  added_tokens: [
    { id: 4, content: '<s>', special: true },
    { id: 5, content: '<tool>', special: false },
  ],
};

/** What surrounds a text by a tokenizer.json's post-processor: names of special tokens, and the text. */
const surrounding = (...items: readonly string[]) => ({
  type: 'TemplateProcessing',
  single: items.map((id) =>
    id === 'A' ? { Sequence: { id, type_id: 0 } } : { SpecialToken: { id, type_id: 0 } },
  ),
});

describe('special tokens around a text', () => {
  const added_tokens = ['<s>', '<end>', '<turn>'].map((content, i) => ({
    id: 4 + i,
    content,
    special: true,
  }));
  const readWith = (items: readonly string[], config: Record<string, unknown>) => {
    const tokenizer = { ...byteLevel, added_tokens, post_processor: surrounding(...items) };
    return read(folderWith({ 'tokenizer.json': tokenizer, 'tokenizer_config.json': config }), 7);
  };

  it('that the post-processor puts last become EOS, and EOS ends turns', async () => {
    expect(await readWith(['A', '<end>'], { eos_token: '<turn>' })).toMatchObject({
      ...{ eos_token_id: 5, eot_token_id: 6, add_eos_token: true, add_bos_token: false },
    });
    expect(await readWith(['<s>', 'A', '<end>'], { bos_token: '<s>', eos_token: '<end>' })).toMatchObject({
      ...{ bos_token_id: 4, eos_token_id: 5, add_eos_token: true, add_bos_token: true },
    });
    expect(await readWith(['<s>', 'A', '<end>'], { eos_token: '<end>' })).not.toHaveProperty('eot_token_id');
  });

  it.each([
    ['PreTrainedTokenizerFast', { add_eos_token: true }, { add_bos_token: true, add_eos_token: true }],
    ['PreTrainedTokenizerFast', { add_bos_token: false }, { add_bos_token: true, add_eos_token: false }],
    ['LlamaTokenizerFast', { add_bos_token: false }, { add_bos_token: false, add_eos_token: false }],
  ])('of %s follow %j', async (tokenizer_class, flags, expected) => {
    const config = { bos_token: '<s>', eos_token: '<end>', tokenizer_class, ...flags };
    expect(await readWith(['<s>', 'A'], config)).toMatchObject(expected);
  });
});

describe('special tokens around a text that GGUF has no place for', () => {
  const added_tokens = ['<s>', '<end>', '<sep>'].map((content, i) => ({ id: 4 + i, content, special: true }));
  const notesWith = async (items: readonly string[], config: object = {}) => {
    const files = {
      'tokenizer.json': { ...byteLevel, added_tokens, post_processor: surrounding(...items) },
      'tokenizer_config.json': { bos_token: '<s>', eos_token: '<end>', sep_token: '<sep>', ...config },
    };
    return (await readTokenizer(folderWith(files), {}, 7)).notes;
  };

  it.each([
    [['<sep>', 'A'], '"<sep>"'],
    [['<s>', '<sep>', 'A', '<end>'], '"<sep>"'],
    [['<s>', 'A', '<end>', '<sep>'], '"<end>", "<sep>"'],
    [['A', '<sep>', '<end>'], '"<sep>"'],
    [['<none>', 'A'], '"<none>"'],
  ])('are noted: %j', async (items, named) =>
    expect(await notesWith(items)).toEqual([
      `The tokenizer puts ${named} around each text, which GGUF cannot express: it has only BOS before a text and EOS after it.`,
    ]),
  );

  it('are none where it has, or where the class makes its own', async () => {
    expect(await notesWith(['<s>', 'A', '<end>'])).toEqual([]);
    expect(await notesWith(['<sep>', 'A'], { tokenizer_class: 'LlamaTokenizerFast' })).toEqual([]);
  });
});

describe('chat templates', () => {
  const config = {
    chat_template: [
      { name: 'default', template: 'config' },
      { name: 'tool', template: 'tools' },
    ],
  };
  it.each([
    [
      'chat_template.jinja before all others',
      { 'chat_template.jinja': 'file', 'tokenizer_config.json': config },
      'file',
    ],
    [
      'tokenizer_config.json before the processor’s',
      { 'chat_template.json': { chat_template: 'processor' }, 'tokenizer_config.json': config },
      'config',
    ],
    [
      'the processor’s where there is no other',
      { 'chat_template.json': { chat_template: 'processor' } },
      'processor',
    ],
    [
      'the processor’s list',
      { 'chat_template.json': { chat_template: [{ name: 'default', template: 'processor' }] } },
      'processor',
    ],
  ])('come from %s', async (_, files, expected) => {
    const values = await read(folderWith({ 'tokenizer.json': byteLevel, ...files }), 6);
    expect(values['tokenizer.chat_template']).toBe(expected);
    expect(values['tokenizer.chat_template.tool']).toBe(expected === 'config' ? 'tools' : undefined);
  });

  it('may be an object of names, or absent as null', async () => {
    const stated = (chat_template: unknown) =>
      read(folderWith({ 'tokenizer.json': byteLevel, 'tokenizer_config.json': { chat_template } }), 6);
    expect(await stated({ tool_use: 't', default: 'd' })).toMatchObject({
      'tokenizer.chat_template': 'd',
      'tokenizer.chat_templates': ['tool_use'],
      'tokenizer.chat_template.tool_use': 't',
    });
    expect(await stated(null)).not.toHaveProperty(['tokenizer.chat_template']);
    for (const strange of [5, [5], [{ name: 'default' }], { default: 5 }])
      await expect(stated(strange)).rejects.toThrow(
        /"chat_template" is neither a template nor a list of templates with names\..*tokenizer_config\.json/,
      );
  });
});

describe('a token beyond the embedding', () => {
  it('is left out of a SentencePiece vocabulary with a note that names its file', async () => {
    const pieces = ['<unk>', '<s>', '</s>', 'a', 'b'].map((piece, i) => ({
      piece,
      score: 0,
      type: i < 3 ? 3 : 1,
    }));
    const bytes = sentencePieceMessage
      .encode(sentencePieceMessage.fromObject({ pieces, trainerSpec: { modelType: 2 } }))
      .finish();
    const folder = folderWith({ 'tokenizer.model': bytes, 'added_tokens.json': { '<pad>': 5, '<more>': 6 } });
    const { keyValues, notes } = await readTokenizer(folder, {}, 5);
    expect(valuesOf(keyValues)['tokens']).toEqual(['<unk>', '<s>', '</s>', 'a', 'b']);
    expect(notes).toEqual([
      'The token "<pad>" (id 5 in added_tokens.json) and 1 more left out: the embedding has only 5 rows.',
    ]);
    expect((await readTokenizer(folder, {}, 4)).notes[0]).toMatch(
      /"b" \(id 4 in tokenizer\.model\) and 2 more/,
    );
  });

  it('cannot have the text of another one, by which llama.cpp looks tokens up', async () => {
    const files = { 'tokenizer.json': byteLevel, 'added_tokens.json': { ab: 6 } };
    await expect(read(folderWith(files), 7)).rejects.toThrow(
      /^The tokens 2 and 6 would both be "ab" in a GGUF file\. \(.*added_tokens\.json\)$/,
    );
  });

  it('is an error for byte-level BPE, which names the file that has it', async () => {
    const files = { 'tokenizer.json': byteLevel, 'added_tokens.json': { '<pad>': 6 } };
    await expect(read(folderWith(files), 6)).rejects.toThrow(
      /"<pad>" has id 6, but the embedding has 6 rows.*added_tokens\.json/,
    );
    await expect(read(folderWith({ 'tokenizer.json': byteLevel }), 5)).rejects.toThrow(
      /"<tool>" has id 5.*tokenizer\.json/,
    );
  });

  it('does not make room for more tokens than a vocabulary can have', async () => {
    const folder = folderWith({ 'tokenizer.json': byteLevel });
    await expect(read(folder, 3e9)).rejects.toThrow(
      /3000000000 rows; a vocabulary has at most 16777216 tokens/,
    );
  });
});

describe('byte-level BPE', () => {
  it('takes vocabulary, merges and special tokens of the sample', async () => {
    const config = JSON.parse(readFileSync(join(sampleFolder, 'config.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    const values = await read(sampleFolder, 1024, config);
    expect(values).toMatchObject({ model: 'gpt2', pre: 'gpt-2', bos_token_id: 1023, eos_token_id: 1023 });
    expect(values['add_bos_token']).toBe(false);
    expect((values['tokens'] as string[])[1023]).toBe('<|endoftext|>');
    expect((values['token_type'] as number[]).slice(1021)).toEqual([1, 1, 3]);
    expect((values['merges'] as string[])[0]).toBe('Ġ t');
    expect(values).not.toHaveProperty('scores');
  });

  it('reads merges as strings and as pairs, fills gaps, and tells kinds of added tokens', async () => {
    const expected = {
      tokens: ['a', 'b', 'ab', '[PAD3]', '<s>', '<tool>', '[PAD6]'],
      token_type: [1, 1, 1, 5, 3, 4, 5],
      merges: ['a b'],
    };
    expect(await read(folderWith({ 'tokenizer.json': byteLevel }), 7)).toMatchObject(expected);
    const pairs = { ...byteLevel, model: { ...byteLevel.model, merges: [['a', 'b']] } };
    expect(await read(folderWith({ 'tokenizer.json': pairs }), 7)).toMatchObject(expected);
  });

  it('follows the post-processor, and keeps the chat template', async () => {
    const template = {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    };
    const tokenizer = {
      ...byteLevel,
      post_processor: { type: 'Sequence', processors: [{ type: 'ByteLevel' }, template] },
    };
    const settings = {
      bos_token: { content: '<s>' },
      eos_token: '<tool>',
      chat_template: [{ name: 'default', template: '{{x}}' }],
    };
    const values = await read(
      folderWith({ 'tokenizer.json': tokenizer, 'tokenizer_config.json': settings }),
      6,
      {
        pad_token_id: 1,
        eos_token_id: [0, 1],
      },
    );
    expect(values).toMatchObject({
      add_bos_token: true,
      add_eos_token: false,
      bos_token_id: 4,
      eos_token_id: 5,
      padding_token_id: 1,
      'tokenizer.chat_template': '{{x}}',
    });
    const file = folderWith({ 'tokenizer.json': byteLevel, 'chat_template.jinja': '{{y}}' });
    expect(await read(file, 6, { eos_token_id: [0, 1] })).toMatchObject({
      'tokenizer.chat_template': '{{y}}',
      eos_token_id: 0,
    });
  });

  it('reads vocab.json and merges.txt as the class of the tokenizer does', async () => {
    const files = (tokenizerClass: string, more = {}) => ({
      'vocab.json': { a: 0, b: 1, ab: 2, '<|endoftext|>': 3 },
      'merges.txt': '#version: 0.2\r\na b\r\n',
      'tokenizer_config.json': {
        tokenizer_class: tokenizerClass,
        added_tokens_decoder: { 4: { content: '<|im_end|>', special: true } },
        ...more,
      },
    });
    const gpt2 = await read(folderWith(files('GPT2Tokenizer')), 5);
    expect(gpt2).toMatchObject({
      model: 'gpt2',
      pre: 'gpt-2',
      tokens: ['a', 'b', 'ab', '<|endoftext|>', '<|im_end|>'],
      token_type: [1, 1, 1, 3, 3],
      merges: ['a b'],
    });
    expect(await read(folderWith(files('Qwen2TokenizerFast')), 5)).toMatchObject({ pre: 'qwen2' });
    const refuse = (content: Record<string, unknown>) => expect(read(folderWith(content), 5)).rejects;
    await refuse(files('BartTokenizer')).toThrow(/"BartTokenizer" of vocab\.json/);
    await refuse(files('GPT2Tokenizer', { add_prefix_space: true })).toThrow(
      'The pre-tokenizer of the class "GPT2Tokenizer" of vocab.json and merges.txt is not known; the known ones are those of GPT2Tokenizer, CodeGenTokenizer, Qwen2Tokenizer, without a space before the text.',
    );
    await refuse({ 'vocab.json': {} }).toThrow(
      'Exports and runs over a text need the tokenizer (tokenizer.json, tokenizer.model, tekken.json, a tiktoken file, vocab.txt, or vocab.json and merges.txt) next to the weights.',
    );
  });

  it('takes special tokens from the first of the files that has them', async () => {
    const files = {
      'tokenizer.json': byteLevel,
      'tokenizer_config.json': { bos_token: '<s>' },
      'special_tokens_map.json': {
        bos_token: 'a',
        eos_token: { content: 'b' },
        eot_token: '<tool>',
        sep_token: 'ab',
        unk_token: 'absent',
      },
      'generation_config.json': { eos_token_id: 5, pad_token_id: 2, unk_token_id: [1] },
    };
    expect(await read(folderWith(files), 6, { eos_token_id: 0, pad_token_id: null })).toMatchObject({
      bos_token_id: 4,
      eos_token_id: 1,
      padding_token_id: 2,
      unknown_token_id: 1,
      eot_token_id: 5,
      seperator_token_id: 2, // as llama.cpp spells it
    });
  });

  it('keeps all named chat templates', async () => {
    const settings = {
      chat_template: [
        { name: 'default', template: '{{d}}' },
        { name: 'tool_use', template: '{{t}}' },
        { name: 'r-a-g', template: '{{r}}' },
      ],
    };
    const folder = folderWith({ 'tokenizer.json': byteLevel, 'tokenizer_config.json': settings });
    expect(await read(folder, 6)).toMatchObject({
      'tokenizer.chat_template': '{{d}}',
      'tokenizer.chat_templates': ['tool_use', 'rag'],
      'tokenizer.chat_template.tool_use': '{{t}}',
      'tokenizer.chat_template.rag': '{{r}}',
    });
    const files = folderWith({ 'tokenizer.json': byteLevel, 'chat_template.jinja': '{{f}}' });
    mkdirSync(join(files, 'additional_chat_templates'));
    writeFileSync(join(files, 'additional_chat_templates', 'tool_use.jinja'), '{{g}}');
    expect(await read(files, 6)).toMatchObject({
      'tokenizer.chat_template': '{{f}}',
      'tokenizer.chat_templates': ['tool_use'],
      'tokenizer.chat_template.tool_use': '{{g}}',
    });
    const none = await read(folderWith({ 'tokenizer.json': byteLevel }), 6);
    expect(Object.keys(none).filter((key) => key.includes('chat_template'))).toEqual([]);
  });

  it('treats an empty list of normalizers, as DeepSeek writes it, as none', async () => {
    const normalizer = { type: 'Sequence', normalizers: [] };
    const tokenizer = { ...byteLevel, normalizer };
    expect(await read(folderWith({ 'tokenizer.json': tokenizer }), 6)).toMatchObject({ pre: 'gpt-2' });
  });

  it('rejects what GGUF cannot express, naming it', async () => {
    const refuse = (files: Record<string, unknown>, rows = 6) =>
      expect(read(folderWith(files), rows)).rejects;
    await refuse({}).toThrow(
      'Exports and runs over a text need the tokenizer (tokenizer.json, tokenizer.model, tekken.json, a tiktoken file, vocab.txt, or vocab.json and merges.txt) next to the weights.',
    );
    await refuse({ 'tokenizer.json': { ...byteLevel, normalizer: { type: 'Lowercase' } } }).toThrow(
      'The tokenizer normalizes text (Lowercase), which GGUF cannot express.',
    );
    const steps = { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'StripAccents' }] };
    await refuse({ 'tokenizer.json': { ...byteLevel, normalizer: steps } }).toThrow(
      'The tokenizer normalizes text (StripAccents), which GGUF cannot express.',
    );
    await refuse({ 'tokenizer.json': byteLevel }, 5).toThrow(
      /"<tool>" has id 5, but the embedding has 5 rows/,
    );
    const model = (content: object) => ({ 'tokenizer.json': { ...byteLevel, model: content } });
    await refuse(model({ type: 'WordLevel' })).toThrow(
      'A tokenizer of type WordLevel cannot be exported: it knows only whole words, while only BPE, Unigram and WordPiece can be written. If there is a GGUF file of the model, export from that; it includes its tokenizer.',
    );
    await refuse(model({ type: 'BPE', vocab: {} })).toThrow(/lacks its "vocab" or its "merges"/);
    await refuse({
      'tokenizer.json': { ...byteLevel, model: { ...byteLevel.model, merges: ['a'] } },
    }).toThrow('Merge 0 is "a", not a pair of tokens.');
    await refuse({ 'tokenizer.json': 'no json' }).toThrow(
      'The file is not JSON: in line 1, column 1, a value is expected, not "no".',
    );
    await refuse({ 'tokenizer.model': Uint8Array.of(1, 2, 3) }).toThrow(
      'The file is not a SentencePiece model: illegal tag: field number 0',
    );
  });
});

describe('SentencePiece', () => {
  it.skipIf(!hasSharedData)('gives back the vocabulary of Llama 2 from a tokenizer.model', async () => {
    const model = await openModel(join(sharedData, 'gguf', 'llama-2-tiny-random.gguf'));
    const reader = new HeaderReader(model.source(model.description.files[0]!.path));
    const original = async (key: string) => [
      ...(await readArrayElements(reader, model.gguf!.metadata.get(`tokenizer.ggml.${key}`)!)),
    ];
    const [tokens, scores, types] = [
      await original('tokens'),
      await original('scores'),
      await original('token_type'),
    ];
    await model.close();
    const pieces = tokens.map((piece, id) => ({ piece, score: scores[id], type: types[id] }));
    const message = { pieces, trainerSpec: { modelType: 2 }, normalizerSpec: { addDummyPrefix: true } };
    const bytes = sentencePieceMessage.encode(sentencePieceMessage.fromObject(message)).finish();
    const values = await read(folderWith({ 'tokenizer.model': bytes }), 32000);
    expect(values['tokens']).toEqual(tokens);
    expect(values['scores']).toEqual(scores);
    expect(values['token_type']).toEqual(types);
    expect(values).toMatchObject({
      model: 'llama',
      pre: 'default',
      bos_token_id: 1,
      eos_token_id: 2,
      unknown_token_id: 0,
      add_bos_token: true,
      add_space_prefix: true,
    });
    expect(values).not.toHaveProperty('padding_token_id');
  });

  it('takes false and 0 as stated, not for absent', async () => {
    const pieces = ['<s>', '</s>', '<unk>', 'a'].map((piece, i) => ({
      piece,
      score: -i,
      type: i < 2 ? 3 : 1,
    }));
    const encoded = sentencePieceMessage.encode(sentencePieceMessage.fromObject({ pieces })).finish();
    // As a file holds them: model_type 2, unk_id 2, bos_id 0, eos_id 1; add_dummy_prefix false.
    const trainerSpec = [0x12, 11, 0x18, 2, 0xc0, 2, 2, 0xc8, 2, 0, 0xd0, 2, 1];
    const normalizerSpec = [0x1a, 2, 0x18, 0];
    const bytes = Buffer.concat([encoded, Buffer.from(trainerSpec), Buffer.from(normalizerSpec)]);
    expect(await read(folderWith({ 'tokenizer.model': bytes }), 4)).toMatchObject({
      ...{ add_space_prefix: false, bos_token_id: 0, eos_token_id: 1, unknown_token_id: 2 },
    });
  });

  it('adds tokens of the other files and rejects models that are neither BPE nor Unigram', async () => {
    const pieces = [
      { piece: '<unk>', score: 0, type: 2 },
      { piece: '▁a', score: -1, type: 1 },
      { piece: 'unused', score: 0, type: 5 },
    ];
    const encode = (modelType: number) =>
      sentencePieceMessage
        .encode(sentencePieceMessage.fromObject({ pieces, trainerSpec: { modelType, padId: 2 } }))
        .finish();
    const folder = folderWith({
      'tokenizer.model': encode(2),
      'added_tokens.json': { '<extra>': 3 },
      'tokenizer_config.json': {
        add_bos_token: false,
        added_tokens_decoder: {
          0: { content: '<unk>', special: true },
          2: { content: '<im_end>', special: true },
        },
      },
    });
    expect(await read(folder, 5)).toMatchObject({
      tokens: ['<unk>', '▁a', '<im_end>', '<extra>', '[PAD4]'],
      token_type: [2, 1, 3, 4, 5],
      scores: [0, -1, -1000, -1000, -1000],
      padding_token_id: 2,
      add_bos_token: false,
    });
    await expect(read(folderWith({ 'tokenizer.model': encode(4) }), 5)).rejects.toThrow(
      'A tokenizer of type Char cannot be exported: it takes characters one by one, while only BPE, Unigram and WordPiece can be written. If there is a GGUF file of the model, export from that; it includes its tokenizer.',
    );
  });

  it('is read from a tokenizer.json with byte fallback', async () => {
    const tokenizer = {
      normalizer: { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, { type: 'Replace' }] },
      model: {
        type: 'BPE',
        byte_fallback: true,
        unk_token: '<unk>',
        vocab: { '<unk>': 0, '<s>': 1, '<0x0A>': 2, '▁a': 3, '▁ab': 4, a: 5, b: 6, '▁': 7 },
        merges: ['▁ a', '▁a b'],
      },
      added_tokens: [
        { id: 0, content: '<unk>', special: true },
        { id: 1, content: '<s>', special: true },
        { id: 2, content: '<0x0A>', special: false }, // stays a byte, as in a tokenizer.model
      ],
    };
    expect(await read(folderWith({ 'tokenizer.json': tokenizer }), 8)).toMatchObject({
      model: 'llama',
      tokens: ['<unk>', '<s>', '<0x0A>', '▁a', '▁ab', 'a', 'b', '▁'],
      token_type: [2, 3, 6, 1, 1, 1, 1, 1],
      scores: [0, -1000, 0, -0, -1, -7, -8, -9],
      add_space_prefix: true,
    });
    const strange = { ...tokenizer, normalizer: { type: 'NFKC' } };
    await expect(read(folderWith({ 'tokenizer.json': strange }), 8)).rejects.toThrow(
      "The tokenizer's step NFKC cannot be expressed in GGUF.",
    );
  });

  it('recognises Gemma’s steps, and finds added tokens in text with spaces', async () => {
    const tokenizer = {
      normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      pre_tokenizer: {
        type: 'Split',
        pattern: { String: ' ' },
        behavior: 'MergedWithPrevious',
        invert: false,
      },
      model: {
        type: 'BPE',
        byte_fallback: true,
        unk_token: '<unk>',
        vocab: { '<pad>': 0, '<unk>': 1, '▁▁': 2, a: 3, '▁': 4 },
        merges: [['▁', '▁']],
      },
      added_tokens: [
        { id: 0, content: '<pad>', special: true },
        { id: 2, content: '▁▁', special: false },
      ],
    };
    expect(await read(folderWith({ 'tokenizer.json': tokenizer }), 5)).toMatchObject({
      model: 'llama',
      tokens: ['<pad>', '<unk>', '  ', 'a', '▁'],
      token_type: [3, 2, 4, 1, 1],
      add_space_prefix: false,
    });
    const cut = { ...tokenizer, pre_tokenizer: { type: 'Split', pattern: { String: 'a' } } };
    await expect(read(folderWith({ 'tokenizer.json': cut }), 5)).rejects.toThrow(
      "The tokenizer's step Split cannot be expressed in GGUF.",
    );
  });
});
