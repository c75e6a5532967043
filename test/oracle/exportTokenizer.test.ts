import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeAtomically } from '../../src/files/atomicFile';
import { encodeTensor } from '../../src/exporter/encodeTensor';
import type { KeyValue } from '../../src/model/keyValue';
import { layOutGguf, writeGguf } from '../../src/exporter/gguf/writer';
import { planExport } from '../../src/exporter/plan';
import { readTokenizer } from '../../src/tokenizer/readTokenizer';
import { readArrayElements } from '../../src/model/ggufValue';
import { HeaderReader } from '../../src/model/headerReader';
import { openModel } from '../../src/layouts/openModel';
import type { Model } from '../../src/model/model';
import { hasSharedData, sharedData, temporaryFolder } from '../support/files';
import { hasOracle, llamaCpp } from '../support/llamaCpp';
import { asTokenizerJson } from '../support/tokenizerJson';

const folder = temporaryFolder();
const original = join(sharedData, 'gguf', 'llama-2-tiny-random.gguf');

/** Copy of a GGUF file with another tokenizer. */
async function withTokenizer(model: Model, tokenizer: readonly KeyValue[], out: string): Promise<void> {
  const source = model.source(original);
  const kept: KeyValue[] = [];
  for (const [key, { type, offset, byteLength }] of model.gguf!.metadata) {
    if (!key.startsWith('tokenizer.')) kept.push({ key, type, raw: await source.read(offset, byteLength) });
  }
  const { tensors } = await planExport(model, { type: 'F16' });
  const layout = layOutGguf([...kept, ...tokenizer], tensors);
  await writeAtomically(out, (file) => writeGguf(file, layout, (tensor) => encodeTensor(model, tensor)));
}

describe.skipIf(!hasOracle || !hasSharedData)('tokenizers in llama.cpp', () => {
  it('splits text in the same way by scores and by merges of the same SentencePiece vocabulary', async () => {
    const model = await openModel(original);
    const reader = new HeaderReader(model.source(original));
    const array = async (key: string) => [
      ...(await readArrayElements(reader, model.gguf!.metadata.get(`tokenizer.ggml.${key}`)!)),
    ];
    const tokens = (await array('tokens')) as string[];
    const json = asTokenizerJson(
      tokens,
      (await array('scores')) as number[],
      (await array('token_type')) as number[],
    );
    const checkpoint = join(folder, 'checkpoint');
    mkdirSync(checkpoint);
    writeFileSync(join(checkpoint, 'tokenizer.json'), JSON.stringify(json));
    const out = join(folder, 'merged.gguf');
    const { keyValues } = await readTokenizer(checkpoint, {}, tokens.length);
    await withTokenizer(model, keyValues, out);
    await model.close();

    const lines = [
      'Once upon a time, there was an unbelievably long-winded sentence about internationalization.',
      ' leading,  double   and trailing spaces  ',
      'naïve café — “quotes” 日本語 🙂 1234567890 x=\\frac{1}{2}; if (a != b) { return; }',
      'Der Ameisenhaufen überlebte; les élèves étaient déjà là.',
    ];
    const { tokens: byMerges } = await llamaCpp('tokenize', { model: out, lines });
    const { tokens: byScores } = await llamaCpp('tokenize', { model: original, lines });
    expect(byMerges).toEqual(byScores);
    expect(byScores.flat().length).toBeGreaterThan(80);
  });
});
