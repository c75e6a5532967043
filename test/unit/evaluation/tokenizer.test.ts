import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { describe, expect, it } from 'vitest';
import { openTokenizer } from '../../../src/evaluation/tokenizer/openTokenizer';
import type { TextTokenizer } from '../../../src/evaluation/tokenizer/textTokenizer';
import { sentencePieceMessage } from '../../../src/tokenizer/sentencePieceModel';
import { readArrayElements } from '../../../src/model/ggufValue';
import { HeaderReader } from '../../../src/model/headerReader';
import { openModel } from '../../../src/layouts/openModel';
import type { Model } from '../../../src/model/model';
import { llamaConfig, llamaShapes } from '../../support/checkpointParts';
import {
  hasSharedData,
  sampleFolder,
  sharedData,
  sharedModel,
  temporaryFolder,
  writeFile,
} from '../../support/files';
import { asTokenizerJson } from '../../support/tokenizerJson';
import { mixedLines } from '../../support/tokenizerLines';

const root = temporaryFolder();
const lines = mixedLines();
const vocabularyFile = (name: string): string => join(sharedData, 'gguf', `ggml-vocab-${name}.gguf`);
const json = (path: string): Record<string, unknown> =>
  JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;

async function open(path: string): Promise<TextTokenizer> {
  const model = await openModel(path);
  try {
    return await openTokenizer(model);
  } finally {
    await model.close();
  }
}

/** A llama checkpoint without weights in a new folder with these files. */
function checkpoint(rows: number, files: Readonly<Record<string, unknown>>, config: object = {}): Model {
  const folder = join(root, `checkpoint-${Object.keys(files).join('-')}-${rows}`);
  mkdirSync(folder);
  for (const [name, content] of Object.entries(files)) {
    const raw = typeof content === 'string' || content instanceof Uint8Array;
    writeFile(folder, name, raw ? content : JSON.stringify(content));
  }
  const embeddings = new Set(['model.embed_tokens.weight', 'lm_head.weight']);
  const tensors = Object.entries(llamaShapes()).map(([name, [first = 0, ...others]]) => {
    const shape = [embeddings.has(name) ? rows : first, ...others];
    return { name, shape, dtype: 'BF16', elements: shape.reduce((product, size) => product * size, 1) };
  });
  const description = { path: folder, tensors, missingFiles: [] };
  return { folder, config: llamaConfig({ vocab_size: rows, ...config }), description } as unknown as Model;
}

const encodeAll = (tokenizer: TextTokenizer, texts: readonly string[]): Promise<number[][]> =>
  Promise.all(texts.map(async (text) => [...(await tokenizer.encode(text))]));

describe('the tokenizer of the sample', () => {
  it('gives the ids of its tokenizer.json, and the texts back', async () => {
    const tokenizer = await open(sampleFolder);
    const reference = new Tokenizer(json(join(sampleFolder, 'tokenizer.json')), {});
    const ids = await encodeAll(tokenizer, lines);
    expect(ids).toEqual(lines.map((line) => reference.encode(line, { add_special_tokens: false }).ids));
    expect(ids.map((line) => tokenizer.decode(line))).toEqual(lines);
  });

  it('knows the ids and flags that its export has', async () => {
    const { size, bos, eos, addsBos, addsEos } = await open(sampleFolder);
    expect({ size, bos, eos, addsBos, addsEos }).toEqual({
      ...{ size: 1024, bos: 1023, eos: 1023, addsBos: false, addsEos: false },
    });
  });

  it('treats special tokens in a text as text, unless requested otherwise', async () => {
    const tokenizer = await open(sampleFolder);
    const text = 'the end<|endoftext|>ROMEO:';
    const plain = await tokenizer.encode(text);
    expect([...plain]).not.toContain(1023);
    expect(tokenizer.decode(plain)).toBe(text);
    const parsed = [...(await tokenizer.encode(text, { parseSpecial: true }))];
    const parts = await encodeAll(tokenizer, ['the end', 'ROMEO:']);
    expect(parsed).toEqual([...parts[0]!, 1023, ...parts[1]!]);
    expect(tokenizer.decode(parsed)).toBe(text);
  });

  it('decodes an empty list to an empty text, and rejects unknown ids', async () => {
    const tokenizer = await open(sampleFolder);
    expect(tokenizer.decode([])).toBe('');
    expect(() => tokenizer.decode([5, 1024])).toThrow('1024 is not a token; the vocabulary has 1024. (');
    expect([...(await tokenizer.encode(''))]).toEqual([]);
  });

  it.skipIf(!hasSharedData)('makes 49,423 tokens of the evaluation text', async () => {
    const text = readFileSync(join(sharedModel, 'eval.txt'), 'utf8');
    const tokenizer = await open(sampleFolder);
    const ids = await tokenizer.encode(text);
    expect(ids).toHaveLength(49_423);
    expect(tokenizer.decode(ids)).toBe(text);
  });
});

describe.skipIf(!hasSharedData)('tokenizers of GGUF files', () => {
  it('run byte-level BPE', async () => {
    const tokenizer = await open(vocabularyFile('gpt-2'));
    expect([...(await tokenizer.encode('Hello world'))]).toEqual([15496, 995]);
    expect(tokenizer).toMatchObject({ size: 50_257, bos: 50_256, eos: 50_256, addsBos: false });
    for (const line of lines) expect(tokenizer.decode(await tokenizer.encode(line))).toBe(line);
  });

  it('run SentencePiece’s BPE, with a space before the text, bytes of unknown characters, and BOS', async () => {
    const tokenizer = await open(vocabularyFile('llama-spm'));
    expect(tokenizer).toMatchObject({ size: 32_000, bos: 1, eos: 2, addsBos: true, addsEos: false });
    expect([...(await tokenizer.encode('Hello world'))]).toEqual([15043, 3186]);
    expect([...(await tokenizer.encode('Hello world', { addSpecial: true }))]).toEqual([1, 15043, 3186]);
    expect([...(await tokenizer.encode('', { addSpecial: true }))]).toEqual([1]);
    // "▁", then the bytes F0 9F 99 83, whose tokens begin at 3.
    expect([...(await tokenizer.encode('🙃'))]).toEqual([29871, 0xf0 + 3, 0x9f + 3, 0x99 + 3, 0x83 + 3]);
    for (const line of lines) expect(tokenizer.decode(await tokenizer.encode(line))).toBe(line);
  });

  it('let Phi-3’s special tokens swallow the white space after them', async () => {
    const tokenizer = await open(vocabularyFile('phi-3'));
    const parsed = await tokenizer.encode('<|user|>\n\nHello<|end|>', { parseSpecial: true });
    expect([...parsed]).toEqual([32010, 15043, 32007]);
    expect([...(await tokenizer.encode('<|user|>'))]).not.toContain(32010);
  });
});

describe.skipIf(!hasSharedData)('tokenizers of checkpoints', () => {
  const gpt2 = (part: string): string => readFileSync(join(sharedData, 'tokenizers', `gpt2-${part}`), 'utf8');

  it('are read from vocab.json and merges.txt', async () => {
    const model = checkpoint(50_304, {
      'vocab.json': gpt2('vocab.json'),
      'merges.txt': gpt2('merges.txt'),
      'tokenizer_config.json': { tokenizer_class: 'GPT2Tokenizer', bos_token: '<|endoftext|>' },
    });
    const tokenizer = await openTokenizer(model);
    const reference = await open(vocabularyFile('gpt-2'));
    expect(await encodeAll(tokenizer, lines)).toEqual(await encodeAll(reference, lines));
    expect(tokenizer).toMatchObject({ size: 50_304, bos: 50_256 });
    expect(tokenizer.decode([15496, 50_300, 995])).toBe('Hello[PAD50300] world');
  });

  it('are read from tokenizer.model, with the tokens that other files add', async () => {
    const { tokens, scores, types } = await llamaVocabulary();
    const pieces = tokens.map((piece, id) => ({ piece, score: scores[id], type: types[id] }));
    const model = checkpoint(32_064, {
      'tokenizer.model': sentencePieceMessage.encode({ pieces, trainerSpec: { modelType: 2 } }).finish(),
      'added_tokens.json': { '<table>': 32_000 },
    });
    const tokenizer = await openTokenizer(model);
    const reference = await open(vocabularyFile('llama-spm'));
    expect(await encodeAll(tokenizer, lines)).toEqual(await encodeAll(reference, lines));
    expect(tokenizer).toMatchObject({ bos: 1, eos: 2, addsBos: true });
    // Not a special one, so it is recognised in any text; a space goes before what follows.
    expect([...(await tokenizer.encode('Hello<table>world'))]).toEqual([15043, 32_000, 3186]);
  });

  it('are read from a tokenizer.json with byte fallback, BOS by its template', async () => {
    const { tokens, scores, types } = await llamaVocabulary();
    const template = { SpecialToken: { id: '<s>', type_id: 0 } };
    const model = checkpoint(32_000, {
      'tokenizer.json': {
        ...asTokenizerJson(tokens, scores, types),
        post_processor: { type: 'TemplateProcessing', single: [template, { Sequence: { id: 'A' } }] },
      },
      'tokenizer_config.json': { bos_token: '<s>', eos_token: '</s>' },
    });
    const tokenizer = await openTokenizer(model);
    const reference = await open(vocabularyFile('llama-spm'));
    expect(await encodeAll(tokenizer, lines)).toEqual(await encodeAll(reference, lines));
    expect([...(await tokenizer.encode('Hello', { addSpecial: true }))]).toEqual([1, 15043]);
    expect([...(await tokenizer.encode('</s>', { parseSpecial: true }))]).toEqual([2]);
  });

  it('are required: the error says so when there are none', async () => {
    const error = openTokenizer(checkpoint(1024, {}));
    await expect(error).rejects.toMatchObject({
      code: 'REQUEST',
      place: { file: join(root, 'checkpoint--1024') },
    });
  });
});

async function llamaVocabulary(): Promise<{ tokens: string[]; scores: number[]; types: number[] }> {
  const file = vocabularyFile('llama-spm');
  const model = await openModel(file);
  const reader = new HeaderReader(model.source(file));
  const array = async (name: string): Promise<unknown[]> => [
    ...(await readArrayElements(reader, model.gguf!.metadata.get(`tokenizer.ggml.${name}`)!)),
  ];
  const [tokens, scores, types] = [await array('tokens'), await array('scores'), await array('token_type')];
  await model.close();
  // An empty piece is not written, and none of the lines has it.
  const named = (tokens as string[]).map((token, id) => token || `[EMPTY_${id}]`);
  return { tokens: named, scores: scores as number[], types: types as number[] };
}

describe('Unigram and WordPiece', () => {
  const special = (id: number, content: string) => ({ id, content, special: true });
  const unigram = {
    added_tokens: [special(0, '<pad>'), special(1, '</s>'), { id: 5, content: '<tool>', special: false }],
    pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' },
    model: {
      type: 'Unigram',
      unk_id: 2,
      vocab: [
        ['<pad>', 0],
        ['</s>', 0],
        ['<unk>', 0],
        ['▁a', -1],
        ['b', -2],
        ['<tool>', 0],
        ['▁', -3],
        ['a', -3],
      ],
    },
  };
  const words = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', '##b', 'b', '.'];

  it('of checkpoints give the likeliest pieces, with EOS after a text and special tokens on request', async () => {
    const tokenizer = await openTokenizer(checkpoint(8, { 'tokenizer.json': unigram }));
    expect(tokenizer).toMatchObject({ size: 8, eos: 1, addsBos: false, addsEos: true });
    expect([...(await tokenizer.encode('ab a'))]).toEqual([3, 4, 3]);
    expect([...(await tokenizer.encode('zz b', { addSpecial: true }))]).toEqual([6, 2, 6, 4, 1]);
    expect([...(await tokenizer.encode('b<tool>b</s>', { parseSpecial: true }))]).toEqual([6, 4, 5, 6, 4, 1]);
    expect(tokenizer.decode([3, 4, 3])).toBe('ab a');
    expect(() => tokenizer.decode([8])).toThrow('8 is not a token; the vocabulary has 8.');
    const signal = AbortSignal.abort();
    await expect(tokenizer.encode('a', { signal })).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('of checkpoints cut words into the longest pieces, between [CLS] and [SEP]', async () => {
    const tokenizer = await openTokenizer(checkpoint(9, { 'vocab.txt': words.join('\n') }));
    expect(tokenizer).toMatchObject({ size: 9, bos: 2, eos: 3, addsBos: true, addsEos: true });
    expect([...(await tokenizer.encode('Ab b. zb', { addSpecial: true }))]).toEqual([2, 5, 6, 7, 8, 1, 3]);
    expect([...(await tokenizer.encode('a[MASK]', { parseSpecial: true }))]).toEqual([5, 4]);
    expect([...(await tokenizer.encode('abb ba abab'))]).toEqual([5, 6, 6, 1, 1]);
    // One word of many pieces can be cancelled in its middle.
    const controller = new AbortController();
    const encoding = tokenizer.encode(`a${'b'.repeat(300_000)}`, { signal: controller.signal });
    setImmediate(() => controller.abort());
    await expect(encoding).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});
