import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { describe, expect, it } from 'vitest';
import { writeAtomically } from '../../src/files/atomicFile';
import { layOutGguf, writeGguf } from '../../src/exporter/gguf/writer';
import { deepseekLetters } from '../../src/tokenizer/preTokenizerPatterns';
import { readTokenizer } from '../../src/tokenizer/readTokenizer';
import { readArrayElements } from '../../src/model/ggufValue';
import { HeaderReader } from '../../src/model/headerReader';
import { openModel } from '../../src/layouts/openModel';
import { hasSharedData, sampleFolder, sharedData, temporaryFolder } from '../support/files';
import { hasOracle, llamaCpp } from '../support/llamaCpp';
import { asTokenizerJson } from '../support/tokenizerJson';
import { mixedLines } from '../support/tokenizerLines';

const folder = temporaryFolder();
const lines = mixedLines();
type Json = Record<string, unknown>;
const json = (path: string): Json => JSON.parse(readFileSync(path, 'utf8')) as Json;

const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true };
const words = { ...bytes, use_regex: true };
const mapped = { ...bytes, use_regex: false };
const split = (pattern: string) => ({
  type: 'Split',
  pattern: { Regex: pattern },
  behavior: 'Isolated',
  invert: false,
});
const sequence = (...pretokenizers: object[]) => ({ type: 'Sequence', pretokenizers });

const cl100k =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const upper = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]';
const lower = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]';
const contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?";
const rest = '| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const before = '[^\\r\\n\\p{L}\\p{N}]?';
const o200k = `${before}${upper}*${lower}+${contraction}|${before}${upper}+${lower}*${contraction}|\\p{N}{1,3}${rest}`;
/** With line breaks as characters, as DeepSeek writes them. */
const deepseek3Words =
  '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+';
const digits = (individual: boolean) => ({ type: 'Digits', individual_digits: individual });

/** Definitions as published tokenizers have them, by the name that llama.cpp knows them under. */
const definitions: Readonly<Record<string, { definition: object; ignoreMerges?: boolean }>> = {
  'gpt-2': { definition: words },
  'llama-bpe': { definition: sequence(split(cl100k), mapped), ignoreMerges: true },
  dbrx: { definition: sequence(split(cl100k), mapped), ignoreMerges: false },
  qwen2: { definition: sequence(split(cl100k.replace('{1,3}', '')), mapped) },
  tekken: {
    definition: sequence(
      split(`${before}${upper}*${lower}+|${before}${upper}+${lower}*|\\p{N}${rest}`),
      mapped,
    ),
    ignoreMerges: true,
  },
  'gpt-4o': {
    definition: sequence(split(o200k), mapped),
  },
  tiny_aya: { definition: sequence(split('\\d{1,3}(?=(?:\\d{3})*\\b)'), split(o200k), mapped) },
  smollm: { definition: sequence(digits(true), words) },
  falcon: {
    definition: sequence(
      { type: 'Punctuation', behavior: 'Contiguous' },
      words,
      digits(false),
      split('[0-9][0-9][0-9]'),
    ),
  },
  'deepseek-v3': {
    definition: sequence(split('\\p{N}{1,3}'), split('[一-龥぀-ゟ゠-ヿ]+'), split(deepseek3Words), mapped),
  },
  qwen35: {
    definition: sequence(
      split(
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
      ),
      mapped,
    ),
  },
  'seed-coder': {
    definition: sequence(
      split(
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
      ),
      mapped,
    ),
  },
  'deepseek-coder': {
    definition: sequence(
      split('[\r\n]'),
      split('\\s?\\p{L}+'),
      split('\\s?\\p{P}+'),
      split('[一-龥ࠀ-一가-퟿]+'),
      digits(true),
      mapped,
    ),
  },
  'deepseek-llm': {
    definition: sequence(
      split('[\r\n]'),
      split(`\\s?[${deepseekLetters}]+`),
      split('\\s?[!-/:-~！-／：-～‘-‟　-。]+'),
      split('\\s+$'),
      split('[一-龥ࠀ-一가-퟿]+'),
      digits(true),
      mapped,
    ),
  },
  afmoe: {
    definition: sequence(
      split('\\p{Nd}{1,510}(?=(?>\\p{Nd}{510})*(?:\\P{Nd}|$))|\\G\\p{Nd}{510}'),
      split('\\A\\p{Nd}{1,2}(?=\\p{Nd}{3}+\\z)'),
      split('\\A\\p{Nd}{3}|\\G\\p{Nd}{3}'),
      split(
        '(?:[\\u4E00-\\u9FFF\\u3040-\\u309F\\u30A0-\\u30FF\\u3400-\\u4DBF\\uf900-\\uFAFF\\uFF65-\\uFF9F\\u2F00-\\u2FDF]+|[\\u0E00-\\u0E7F]+|[\\u0E80-\\u0EFF]+|[\\u1780-\\u17FF]+|[\\u1000-\\u109F\\uAA60-\\uAA7F\\uA9E0-\\uA9FF]+|[\\uAC00-\\uD7AF\\u1100-\\u11FF]+)',
      ),
      split(deepseek3Words),
      mapped,
    ),
  },
  'kimi-k2': {
    definition: sequence(
      split(
        "[\\p{Han}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
      ),
      mapped,
    ),
  },
  bailingmoe: {
    definition: sequence(
      split(
        "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
      ),
      mapped,
    ),
  },
  'exaone-moe': {
    definition: sequence(
      split(
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
      ),
      mapped,
    ),
  },
  'jais-2': {
    definition: sequence(
      split(
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s{512}(?!\\S)|\\s{256}(?!\\S)|\\s{128}(?!\\S)|\\s{64}(?!\\S)|\\s{32}(?!\\S)|\\s{16}(?!\\S)|\\s{8}(?!\\S)|\\s{4}(?!\\S)|\\s{1,2}(?!\\S)|\\s{1}",
      ),
      mapped,
    ),
  },
  minicpm5: {
    definition: sequence(split('\\p{N}{1,3}'), split(cl100k.replace('{1,3}', '+')), mapped),
    ignoreMerges: true,
  },
  ufakzeka: {
    definition: sequence(
      split(
        '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+',
      ),
      mapped,
    ),
  },
  superbpe: { definition: sequence(digits(false), split('(?=(\\d{3})+(?!\\d))'), mapped) },
  viking: {
    definition: sequence(split(' ?[^(\\s|[.,!?…。，、।۔،])]+'), digits(true), mapped),
  },
  bloom: { definition: sequence(split(' ?[^(\\s|[.,!?…。，、।۔،])]+'), mapped) },
};

/** Lines that are left out for a name, because one of the two sides does not do what the definition says. */
const leftOut: Readonly<Record<string, RegExp>> = {
  // The package's Digits know ASCII digits only; those of the Rust library, as llama.cpp's, know all numbers.
  smollm: /(?![0-9])\p{N}/u,
  viking: /(?![0-9])\p{N}/u,
  superbpe: /(?![0-9])\p{N}/u,
  'deepseek-coder': /(?![0-9])\p{N}/u,
  // llama.cpp leaves a number whole, which matters where a vocabulary has tokens of several digits: GPT-2's has, those that
  // were made by this definition cannot.
  'gpt2-deepseek-llm': /(?![0-9])\p{N}|\p{N}{2}/u,
  // llama.cpp groups digits from the right even where a letter follows the number.
  'gpt2-tiny_aya': /\p{N}\p{L}/u,
  // Metaspace puts no space before a text that begins with one; llama.cpp, as SentencePiece, always does.
  'Llama 2 as Metaspace': /^ /,
  // llama.cpp leaves the space before a number of one or two digits on it.
  falcon: /(?![0-9])\p{N}|\s[0-9]/u,
  // llama.cpp's pattern for Tekken does not take combining marks for letters, so it looks them up as words of their own, and
  // takes letters beyond ASCII for either case.
  tekken: /\p{M}|\p{Ll}(?![A-Z])\p{Lu}/u,
};

/** A GGUF file that holds nothing but a tokenizer. */
async function exportTokenizer(tokenizer: Json, name: string): Promise<{ gguf: string; pre: unknown }> {
  const checkpoint = join(folder, name);
  mkdirSync(checkpoint, { recursive: true });
  writeFileSync(join(checkpoint, 'tokenizer.json'), JSON.stringify(tokenizer));
  const model = tokenizer['model'] as { vocab: Record<string, number> };
  const added = (tokenizer['added_tokens'] ?? []) as { id: number }[];
  const ids = [...Object.values(model.vocab), ...added.map(({ id }) => id)];
  const rows = 1 + ids.reduce((most, id) => Math.max(most, id), 0);
  const { keyValues: pairs } = await readTokenizer(checkpoint, {}, rows);
  const layout = layOutGguf([{ key: 'general.architecture', type: 'string', value: 'llama' }, ...pairs], []);
  const gguf = `${checkpoint}.gguf`;
  await writeAtomically(gguf, (file) =>
    writeGguf(file, layout, () => {
      throw new Error('there are no tensors');
    }),
  );
  const pre = pairs.find(({ key }) => key === 'tokenizer.ggml.pre');
  return { gguf, pre: pre && 'value' in pre && pre.value };
}

/** Arrays of a GGUF file's tokenizer. */
async function metadataArrays(gguf: string, names: readonly string[]): Promise<unknown[][]> {
  const model = await openModel(gguf);
  const reader = new HeaderReader(model.source(gguf));
  const arrays: unknown[][] = [];
  for (const name of names) {
    const value = model.gguf!.metadata.get(`tokenizer.ggml.${name}`)!;
    arrays.push([...(await readArrayElements(reader, value))]);
  }
  await model.close();
  return arrays;
}

/** Lines that are cut in other ways, with both cuts. */
async function differences(tokenizer: Json, gguf: string, texts: readonly string[]) {
  // The package wants the keys that files may leave out.
  const reference = new Tokenizer(
    { normalizer: null, post_processor: null, decoder: null, ...tokenizer },
    {},
  );
  const { tokens } = await llamaCpp('tokenize', { model: gguf, lines: texts });
  return texts.flatMap((line, i) => {
    const { ids } = reference.encode(line, { add_special_tokens: false });
    return JSON.stringify(ids) === JSON.stringify(tokens[i]) ? [] : [{ line, ids, llamaCpp: tokens[i] }];
  });
}

describe.skipIf(!hasOracle)('tokenizers in llama.cpp', () => {
  it('has 200 lines in many scripts', () => {
    expect(lines).toHaveLength(200);
    expect(new Set(lines).size).toBe(200);
  });

  it('cuts all lines as the sample’s tokenizer.json does', async () => {
    const tokenizer = json(join(sampleFolder, 'tokenizer.json'));
    const { gguf, pre } = await exportTokenizer(tokenizer, 'sample');
    expect(pre).toBe('gpt-2');
    expect(await differences(tokenizer, gguf, lines)).toEqual([]);
  });

  it.skipIf(!hasSharedData).each(['opt125m-tokenizer.json', 'ollama-mini_llama.json'])(
    'cuts all lines as %s does',
    async (name) => {
      const tokenizer = json(join(sharedData, 'tokenizers', name));
      const { gguf } = await exportTokenizer(tokenizer, name);
      expect(await differences(tokenizer, gguf, lines)).toEqual([]);
    },
  );

  describe.skipIf(!hasSharedData)('Llama 2’s vocabulary with byte fallback', () => {
    const original = join(sharedData, 'gguf', 'llama-2-tiny-random.gguf');
    const replaceSpaces = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };
    const splitAtSpaces = {
      type: 'Split',
      pattern: { String: ' ' },
      behavior: 'MergedWithPrevious',
      invert: false,
    };
    /** What tokenizers of that kind say around the vocabulary. */
    const kinds: Readonly<Record<string, Json>> = {
      'Llama 2': {},
      'Llama 2 as Metaspace': {
        normalizer: null,
        pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first', split: false },
      },
      Gemma: { normalizer: replaceSpaces, pre_tokenizer: splitAtSpaces },
    };

    it.each(Object.entries(kinds))('cuts all lines as %s does', async (name, kind) => {
      const values = await metadataArrays(original, ['tokens', 'scores', 'token_type']);
      const base = asTokenizerJson(values[0] as string[], values[1] as number[], values[2] as number[]);
      const tokenizer = { pre_tokenizer: null, ...base, ...kind };
      const { gguf } = await exportTokenizer(tokenizer, name);
      const compared = lines.filter((line) => !leftOut[name]?.test(line));
      expect(compared.length).toBeGreaterThan(100);
      expect(await differences(tokenizer, gguf, compared)).toEqual([]);
      if (name === 'Llama 2') expect(await differences(tokenizer, original, lines)).toEqual([]);
    });
  });

  for (const vocabulary of ['gpt2', 'qwen2'] as const) {
    it.skipIf(!hasSharedData).each(Object.entries(definitions))(
      `cuts all lines by the definition of %s with the vocabulary of ${vocabulary}`,
      async (name, { definition, ignoreMerges }) => {
        const file = (part: string): string => join(sharedData, 'tokenizers', `${vocabulary}-${part}`);
        const merges = readFileSync(file('merges.txt'), 'utf8')
          .split('\n')
          .filter((line) => line !== '' && !line.startsWith('#version'));
        const tokenizer: Json = {
          version: '1.0',
          added_tokens: [],
          normalizer: null,
          pre_tokenizer: definition,
          post_processor: null,
          decoder: { type: 'ByteLevel' },
          model: {
            type: 'BPE',
            vocab: json(file('vocab.json')),
            merges,
            ...(ignoreMerges === undefined ? {} : { ignore_merges: ignoreMerges }),
          },
        };
        const { gguf, pre } = await exportTokenizer(tokenizer, `${vocabulary}-${name}`);
        expect(pre).toBe(name);
        const left = leftOut[name] ?? leftOut[`${vocabulary}-${name}`];
        const compared = lines.filter((line) => !left?.test(line));
        expect(compared.length).toBeGreaterThan(100);
        expect(await differences(tokenizer, gguf, compared)).toEqual([]);
      },
    );
  }
});
