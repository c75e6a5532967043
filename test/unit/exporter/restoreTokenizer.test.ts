import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { describe, expect, it } from 'vitest';
import { restoreTokenizer } from '../../../src/exporter/convert/tokenizer/restoreTokenizer';
import { openModel } from '../../../src/layouts/openModel';
import type { KeyValue } from '../../../src/model/keyValue';
import { readArrayElements } from '../../../src/model/ggufValue';
import { HeaderReader } from '../../../src/model/headerReader';
import { preTokenizerDefinition } from '../../../src/tokenizer/preTokenizerDefinition';
import { readTokenizer } from '../../../src/tokenizer/readTokenizer';
import { sentencePieceMessage } from '../../../src/tokenizer/sentencePieceModel';
import { tokenTypes } from '../../../src/tokenizer/vocabulary';
import { fixture, hasSharedData, sampleFolder, sharedData, temporaryFolder } from '../../support/files';
import { ownIds, tokenizerFolder, tokenizerGguf, writeTokenizer } from '../../support/tokenizerFile';
import { byteFallbackJson } from '../../support/tokenizerJson';
import { mixedLines } from '../../support/tokenizerLines';

const root = temporaryFolder();
let folders = 0;
const fresh = (): string => join(root, String(folders++));

interface Case {
  readonly files: Readonly<Record<string, unknown>>;
  readonly rows: number;
  readonly config?: Record<string, unknown>;
}

/** A tokenizer in GGUF, and the files that are made of it again in a folder of their own. */
async function restored({ files, rows, config = {} }: Case) {
  const { gguf, pairs } = await tokenizerGguf(tokenizerFolder(fresh(), files), rows, config);
  const model = await openModel(gguf);
  const { files: made, notes } = await restoreTokenizer(model, config).finally(() => model.close());
  return { gguf, pairs, notes, folder: tokenizerFolder(fresh(), Object.fromEntries(made)) };
}

const sample = (name: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(sampleFolder, name), 'utf8')) as Record<string, unknown>;
const unigram = sentencePieceMessage.decode(
  readFileSync(fixture('tokenizers', 'unigram.model')),
) as unknown as {
  pieces: { piece: string; score: number; type: number }[];
  normalizerSpec: { precompiledCharsmap: Uint8Array };
};
const special = (id: number, content: string) => ({ id, content, special: true });
const around = (before: string[], after: string[]) => ({
  type: 'TemplateProcessing',
  single: [
    ...before.map((id) => ({ SpecialToken: { id, type_id: 0 } })),
    { Sequence: { id: 'A', type_id: 0 } },
    ...after.map((id) => ({ SpecialToken: { id, type_id: 0 } })),
  ],
});
const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' };
const idOf = (text: string): number => unigram.pieces.findIndex(({ piece }) => piece === text);
const specials = unigram.pieces.filter(({ type }) => type === 3);
const likelihoods = {
  added_tokens: specials.map(({ piece }) => special(idOf(piece), piece)),
  normalizer: {
    type: 'Precompiled',
    precompiled_charsmap: Buffer.from(unigram.normalizerSpec.precompiledCharsmap).toString('base64'),
  },
  pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, metaspace] },
  model: {
    type: 'Unigram',
    unk_id: idOf('<unk>'),
    vocab: unigram.pieces.map(({ piece, score }) => [piece, score]),
  },
};
const words = [
  '[PAD]',
  '[UNK]',
  '[CLS]',
  '[SEP]',
  '[MASK]',
  '[unused1]',
  ...'abcdefgh',
  '##b',
  '##cd',
  'é',
  '!',
];
const pieces = [
  { piece: '<pad>', score: 0, type: 3 },
  { piece: '<eos>', score: 0, type: 3 },
  { piece: '<bos>', score: 0, type: 3 },
  { piece: '<unk>', score: 0, type: 2 },
  { piece: '<0x0A>', score: 0, type: 6 },
  { piece: '▁▁', score: 0, type: 4 },
  { piece: '▁', score: -1, type: 1 },
  { piece: 'a', score: -1.0000001192092896, type: 1 },
  { piece: '▁a', score: -0.1, type: 1 },
];
const merged = (normalizerSpec: object) => {
  const trainerSpec = { modelType: 2, unkId: 3, bosId: 2, eosId: 1, padId: 0, byteFallback: true };
  return sentencePieceMessage.encode({ pieces, trainerSpec, normalizerSpec }).finish();
};
const fallback = byteFallbackJson();

const cases: Readonly<Record<string, Case>> = {
  'byte-level BPE': {
    files: {
      'tokenizer.json': sample('tokenizer.json'),
      'tokenizer_config.json': sample('tokenizer_config.json'),
    },
    rows: 1030,
  },
  'byte-level BPE of tekken': {
    files: {
      'tokenizer.json': {
        ...sample('tokenizer.json'),
        pre_tokenizer: preTokenizerDefinition('tekken')!.definition,
        model: { ...(sample('tokenizer.json')['model'] as object), ignore_merges: true },
      },
    },
    rows: 1024,
  },
  'pieces by score': {
    files: {
      'tokenizer.model': merged({ addDummyPrefix: false, removeExtraWhitespaces: false }),
      'tokenizer_config.json': {
        ...{ tokenizer_class: 'GemmaTokenizer', bos_token: '<bos>', eos_token: '<eos>', pad_token: '<pad>' },
        added_tokens_decoder: {
          9: { content: '<turn>', special: true },
          10: { content: 'a b', special: false },
        },
        chat_template: [
          { name: 'default', template: '{{ messages }}' },
          { name: 'tools', template: '{{ tools }}' },
        ],
      },
    },
    rows: 14,
  },
  'pieces by likelihood, as in T5': {
    files: {
      'tokenizer.json': { ...likelihoods, post_processor: around([], ['</s>']) },
      'tokenizer_config.json': { eos_token: '</s>', unk_token: '<unk>' },
    },
    rows: unigram.pieces.length + 3,
  },
  'pieces by likelihood, as in XLM-RoBERTa': {
    files: {
      'tokenizer.json': {
        ...likelihoods,
        pre_tokenizer: metaspace,
        post_processor: around(['<s>'], ['</s>']),
      },
      'tokenizer_config.json': { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>', sep_token: '</s>' },
    },
    rows: unigram.pieces.length,
  },
  'pieces by likelihood, without a table': {
    files: {
      'tokenizer.json': { ...likelihoods, normalizer: null, post_processor: around([], ['</s>']) },
      'tokenizer_config.json': { eos_token: '</s>', unk_token: '<unk>' },
    },
    rows: unigram.pieces.length,
  },
  WordPiece: {
    files: { 'vocab.txt': words.join('\n'), 'tokenizer_config.json': { do_lower_case: true } },
    rows: words.length + 2,
  },
  'WordPiece with case': {
    files: {
      'vocab.txt': words.join('\n'),
      'tokenizer_config.json': { do_lower_case: false, strip_accents: true },
    },
    rows: words.length,
  },
  'pieces by rank, as in Gemma 4': {
    files: {
      'tokenizer.json': {
        ...fallback,
        added_tokens: [
          special(0, '<unk>'),
          special(1, '<s>'),
          special(2, '</s>'),
          special(300, '<|channel>'),
        ],
        model: { ...(fallback['model'] as object), merges: [['▁', 'a']], vocab: withPiece(fallback, '▁a') },
        post_processor: around(['<s>'], []),
      },
      'tokenizer_config.json': { bos_token: '<s>', eos_token: '</s>', eot_token: '<|channel>' },
    },
    rows: 301,
    config: { model_type: 'gemma4_text' },
  },
};

function withPiece(tokenizer: Record<string, unknown>, text: string): Record<string, number> {
  const { vocab } = tokenizer['model'] as { vocab: Record<string, number> };
  return { ...vocab, [text]: Object.keys(vocab).length };
}

/** Lists as arrays, in the order of the file. */
const plain = (pairs: readonly KeyValue[]): unknown[] =>
  pairs.map((pair) => [pair.key, 'values' in pair ? [...pair.values] : 'value' in pair && pair.value]);

describe('the tokenizer of a GGUF file as files of a checkpoint', () => {
  it.each(Object.keys(cases))('leads to the same keys again: %s', async (name) => {
    const { pairs, notes, folder } = await restored(cases[name]!);
    expect(notes).toEqual([]);
    const { rows, config = {} } = cases[name]!;
    const { keyValues } = await readTokenizer(folder, config, rows);
    expect(plain(keyValues)).toEqual(plain(pairs));
  });

  // The reader has no tokenizer.model, and cuts texts without a piece in another way (its keys are compared above).
  it.each(Object.keys(cases).filter((name) => !/by score|by likelihood/.test(name)))(
    'gives the ids of the file in a reader of its own: %s',
    async (name) => {
      const { gguf, folder } = await restored(cases[name]!);
      const read = (file: string) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as never;
      const tokenizer = new Tokenizer(read('tokenizer.json'), read('tokenizer_config.json'));
      const lines = mixedLines().filter((line) => line.length > 0);
      const ids = lines.map((line) => tokenizer.encode(line, { add_special_tokens: false }).ids);
      expect(ids).toEqual(await ownIds(gguf, lines));
    },
  );

  it.skipIf(!hasSharedData)('of Llama 2 has its pieces and scores', async () => {
    const model = await openModel(join(sharedData, 'gguf', 'llama-2-tiny-random.gguf'));
    const { files, notes } = await restoreTokenizer(model, {});
    expect(notes).toEqual([]);
    const folder = tokenizerFolder(fresh(), Object.fromEntries(files));
    const { keyValues } = await readTokenizer(folder, {}, 32000);
    for (const pair of keyValues) {
      const { scalar, array } = model.gguf!.metadata.get(pair.key) ?? {};
      const source = new HeaderReader(model.source(model.description.files[0]!.path));
      if (array && 'values' in pair)
        expect([...pair.values]).toEqual(
          await readArrayElements(source, model.gguf!.metadata.get(pair.key)!),
        );
      else if (scalar !== undefined)
        expect([pair.key, 'value' in pair && pair.value]).toEqual([pair.key, scalar]);
    }
    await model.close();
  });

  it('is left out, with the reason, where its files would not lead to it', async () => {
    const folder = tokenizerFolder(fresh(), cases['pieces by likelihood, as in T5']!.files);
    const { pairs } = await tokenizerGguf(folder, unigram.pieces.length);
    const changed = pairs.map((pair) =>
      pair.key === 'tokenizer.ggml.token_type' && 'values' in pair
        ? { ...pair, values: pair.values.map((type, id) => (id === 20 ? tokenTypes.unknown : type)) }
        : pair,
    );
    const other = pairs.map((pair) =>
      pair.key === 'tokenizer.ggml.model' ? { ...pair, type: 'string' as const, value: 'rwkv' } : pair,
    );
    for (const [list, reason] of [
      [
        changed,
        /^The tokenizer is left out: an export of its files would have .* as token 20\. Copy its files/,
      ],
      [other, /^The tokenizer is left out: tokenizer\.ggml\.model is "rwkv"/],
    ] as const) {
      const model = await openModel(await writeTokenizer(`${fresh()}.gguf`, list));
      const { files, notes } = await restoreTokenizer(model, {}).finally(() => model.close());
      expect(files.size).toBe(0);
      expect(notes).toEqual([expect.stringMatching(reason)]);
    }
  });
});
