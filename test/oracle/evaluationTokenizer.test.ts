import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ggmlPreTokenizers } from '../../src/evaluation/tokenizer/ggmlPreTokenizers';
import { openTokenizer } from '../../src/evaluation/tokenizer/openTokenizer';
import { writeAtomically } from '../../src/files/atomicFile';
import { layOutGguf, writeGguf } from '../../src/exporter/gguf/writer';
import { readTokenizer } from '../../src/tokenizer/readTokenizer';
import type { KeyValue } from '../../src/model/keyValue';
import { openModel } from '../../src/layouts/openModel';
import { hasSharedData, sampleFolder, sharedData, temporaryFolder } from '../support/files';
import { hasOracle, llamaCpp } from '../support/llamaCpp';
import { mixedLines } from '../support/tokenizerLines';

const folder = temporaryFolder();
const vocabulary = (name: string): string => join(sharedData, 'gguf', `${name}.gguf`);
/** Special tokens' texts, which are text like any other here, next to white space that some models strip. */
const specials = [
  '<s>',
  '</s> a',
  '<unk>',
  '<|endoftext|>',
  ' <|end|>  b',
  '<|user|>\n\nc',
  '<0x41>',
  '▁',
  'a▁b',
];
const lines = [...mixedLines(), ...specials];

async function encodeAll(path: string, texts: readonly string[]): Promise<number[][]> {
  const model = await openModel(path);
  try {
    const tokenizer = await openTokenizer(model);
    return await Promise.all(texts.map(async (text) => [...(await tokenizer.encode(text))]));
  } finally {
    await model.close();
  }
}

/** Lines that are cut in other ways, with both cuts. */
async function differences(gguf: string, texts: readonly string[]) {
  const ids = await encodeAll(gguf, texts);
  const { tokens } = await llamaCpp('tokenize', { model: gguf, lines: texts });
  return texts.flatMap((line, i) =>
    JSON.stringify(ids[i]) === JSON.stringify(tokens[i]) ? [] : [{ line, ids: ids[i], llamaCpp: tokens[i] }],
  );
}

/** A GGUF file that holds key-values alone. */
async function fileOf(pairs: readonly KeyValue[], name: string): Promise<string> {
  const out = join(folder, `${name}.gguf`);
  await writeAtomically(out, (file) =>
    writeGguf(file, layOutGguf(pairs, []), () => {
      throw new Error('there are no tensors');
    }),
  );
  return out;
}

/** A copy of a file's key-values with one text changed. */
async function withText(from: string, key: string, value: string): Promise<string> {
  const model = await openModel(from);
  const pairs: KeyValue[] = [];
  for (const [name, { type, offset, byteLength }] of model.gguf!.metadata) {
    if (name === key) pairs.push({ key, type: 'string', value });
    else pairs.push({ key: name, type, raw: await model.source(from).read(offset, byteLength) });
  }
  await model.close();
  return fileOf(pairs, value);
}

describe.skipIf(!hasOracle)('our tokenizer of the sample’s export against llama.cpp’s', () => {
  it('gives the ids of all lines, as that of its checkpoint does', async () => {
    const architecture = { key: 'general.architecture', type: 'string', value: 'llama' } as const;
    const gguf = await fileOf(
      [architecture, ...(await readTokenizer(sampleFolder, {}, 1024)).keyValues],
      'sample',
    );
    expect(await differences(gguf, lines)).toEqual([]);
    expect(await encodeAll(sampleFolder, lines)).toEqual(await encodeAll(gguf, lines));
  });
});

describe.skipIf(!hasOracle || !hasSharedData)('our tokenizers of GGUF files against llama.cpp’s', () => {
  it.each(['ggml-vocab-gpt-2', 'ggml-vocab-llama-spm', 'ggml-vocab-phi-3', 'llama-2-tiny-random'])(
    'gives the ids of all lines with %s',
    async (name) => {
      expect(await differences(vocabulary(name), lines)).toEqual([]);
    },
  );

  it.each([...ggmlPreTokenizers.keys()])('cuts all lines into words as %s does', async (pre) => {
    const gguf = await withText(vocabulary('ggml-vocab-gpt-2'), 'tokenizer.ggml.pre', pre);
    expect(await differences(gguf, lines)).toEqual([]);
  });
});
