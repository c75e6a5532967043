import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkpoints } from '../../support/checkpoints';
import { embeddingCheckpoints } from '../../support/embeddingCheckpoints';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder, writeFile } from '../../support/files';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const cacheDir = join(folder, 'cache');
const { request } = engineJobs(cacheDir);

const words = 'the king shall speak of love and war before night comes to this house'.split(' ');
const queries = Array.from({ length: 12 }, (_, i) => `${words[i]} ${words[(5 * i + 3) % 14]}`);
/** Each document begins as its query does; two queries share one. */
const lines = queries.map((query, i) =>
  JSON.stringify({ query, document: i === 11 ? `${queries[0]} now` : `${query} now` }),
);
const pairs = writeFile(folder, 'pairs.jsonl', lines.join('\n'));

const poolings: Readonly<Record<string, string>> = { BERT: 'first', 'Qwen3 Embedding': 'last' };

const evaluate = (path: string, change: object = {}) =>
  request('evaluation/run', { path, pairs, cacheDir, device: 'cpu', ...change });

/** The figures for pairs from an evaluation, with the name of the variant. */
async function run(path: string, change: object = {}) {
  const { pairs: found, variant } = await evaluate(path, change);
  return { ...found!, variant };
}

describe.each(['BERT', 'ModernBERT', 'Qwen3 Embedding', 'EmbeddingGemma'])(
  'pairs of texts with %s',
  (name) => {
    const path = join(folder, name);
    const gguf = join(folder, `${name}.gguf`);

    beforeAll(async () => {
      await writeCheckpoint(path, embeddingCheckpoints[name]!);
      await request('export/gguf', { path, type: 'Q4_0', out: gguf });
    });

    it('gives figures of the original alone where nothing is changed', async () => {
      const result = await run(path);
      expect(result).toMatchObject({
        ...{ variant: 'original', pairs: 12, documents: 11, texts: 23, cut: 0 },
        pooling: poolings[name] ?? 'mean',
      });
      expect(result.original).toBeUndefined();
      expect(result.retrieval.first.value).toBeGreaterThan(1 / 11);
    });

    it('compares a variant with the original, and gives what its file gives', async () => {
      const variant = await run(path, { type: 'Q4_0' });
      const exported = await run(gguf);
      expect(variant.variant).toBe('Q4_0');
      expect(variant.retrieval).toEqual(exported.retrieval);
      expect(variant.original!.retrieval).toEqual((await run(path)).retrieval);
      const { cosine, leastCosine } = variant.original!;
      expect(cosine.value).toBeLessThan(0.9999);
      expect(cosine.value).toBeGreaterThan(0.8);
      expect(leastCosine).toBeLessThan(cosine.value);
      const finer = await run(path, { type: 'Q8_0' });
      expect(finer.original!.cosine.value).toBeGreaterThan(cosine.value);
    });
  },
);

describe('pairs of texts', () => {
  it('are cut to what a model takes, and counted', async () => {
    const long = writeFile(
      folder,
      'long.jsonl',
      [lines[0], JSON.stringify({ query: words[0], document: words.join(' ').repeat(20) })].join('\n'),
    );
    expect(await run(join(folder, 'BERT'), { pairs: long })).toMatchObject({ cut: 1, longest: 64 });
  });

  it('are cut into words by the tokenizer of BERT, and equal texts find each other', async () => {
    const path = join(folder, 'words');
    await writeCheckpoint(path, embeddingCheckpoints['BERT']!);
    rmSync(join(path, 'tokenizer.json'));
    writeFile(path, 'tokenizer_config.json', '{"tokenizer_class": "BertTokenizer"}');
    const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
    const known = [...special, ...words, ...Array.from({ length: 1024 - 19 }, (_, i) => `##${i}`)];
    writeFile(path, 'vocab.txt', known.join('\n'));
    const same = queries.map((query) => JSON.stringify({ query, document: query.toUpperCase() }));
    const { retrieval, texts } = await run(path, { pairs: writeFile(folder, 'same.jsonl', same.join('\n')) });
    expect(texts).toBe(24);
    expect(retrieval.first.value).toBe(1);
    const strange = queries.map((query, i) => JSON.stringify({ query, document: `zq${i}` }));
    const lost = await run(path, { pairs: writeFile(folder, 'strange.jsonl', strange.join('\n')) });
    expect(lost.retrieval.first.value, 'documents that are all the unknown token').toBe(0);
  });

  it('need a model that embeds texts', () =>
    expect(run(sampleFolder)).rejects.toThrow(
      /^Texts cannot be embedded with this model: nothing says how .* \("llama\.pooling_type" of GGUF, .* evaluate it over a text\./,
    ));

  it('are kept as results of the model, and of its variants', async () => {
    const path = join(folder, 'BERT');
    const { id } = await evaluate(path, { type: 'Q5_0' });
    const stored = await request('evaluation/stored', { path, cacheDir });
    expect(stored[0]).toMatchObject({
      ...{ id, variant: 'Q5_0', roundActivations: false },
      pairs: { file: pairs, pairs: 12, original: { leastCosine: expect.any(Number) as number } },
      measures: { memory: 'streamed', tokensPerSecond: expect.any(Number) as number },
    });
    const hashes = new Set(
      stored.flatMap((result) => (result.pairs?.file === pairs ? result.pairs.hash : [])),
    );
    expect(hashes.size).toBe(1);
    expect(stored.every(({ text, tasks }) => text === undefined && tasks === undefined)).toBe(true);
  });

  it.each([
    [{ text: pairs }, /neither a text nor a file of questions/],
    [{ tasks: pairs }, /neither a text nor a file of questions/],
    [{ recipe: { recipe: 'bnb-nf4' } }, /no recipe goes with them/],
    [{ against: sampleFolder }, /no other base goes with them/],
    [{ roundActivations: true }, /no rounding of activations/],
    [{ windows: 2 }, /no window goes with them/],
    [{ memory: 'whole' }, /kept in memory as a whole/],
  ])('refuse what they cannot follow: %j', (change, message) =>
    expect(evaluate(join(folder, 'BERT'), change)).rejects.toThrow(message),
  );

  it('need a model whose blocks keep keys and values of a text', async () => {
    const path = join(folder, 'nets');
    const { modules } = embeddingCheckpoints['Qwen3 Embedding']!;
    await writeCheckpoint(path, { ...checkpoints['qwen35']!, modules: modules! });
    await expect(evaluate(path)).rejects.toThrow(/^Its gated delta nets keep other states of a text/);
  });

  it('stop when they are cancelled', async () => {
    const control = new AbortController();
    const params = { path: join(folder, 'BERT'), pairs, cacheDir, device: 'cpu' } as const;
    const progress = (): void => control.abort();
    await expect(
      request('evaluation/run', params, { signal: control.signal, progress }),
    ).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});
