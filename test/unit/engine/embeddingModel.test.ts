import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { embeddingCheckpoints } from '../../support/embeddingCheckpoints';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const cacheDir = join(folder, 'cache');
const { request, evaluate, calibrate } = engineJobs(cacheDir);
const text = join(sampleFolder, 'generated-eval.txt');
const bidirectional =
  /Attention in this model is bidirectional: .* perplexity and KL divergence are not defined/;

describe.each(['EmbeddingGemma', 'qwen3, not causal'])('a model that embeds texts: %s', (name) => {
  const path = join(folder, name);
  const gguf = join(folder, `${name}.gguf`);

  beforeAll(async () => {
    await writeCheckpoint(path, embeddingCheckpoints[name]!);
    await request('export/gguf', { path, type: 'F16', out: gguf });
  });

  it('has no perplexity, as a checkpoint and as a file', async () => {
    for (const model of [path, gguf]) {
      const failed = { code: 'UNSUPPORTED', message: expect.stringMatching(bidirectional) as string };
      await expect(evaluate({ path: model, text, context: 32, windows: 1 })).rejects.toMatchObject(failed);
      await expect(calibrate({ path: model, text, out: join(folder, 'i.gguf') })).rejects.toMatchObject(
        failed,
      );
    }
  });

  it('is measured by its weights alone, with the reason', async () => {
    const formats = ['Q4_K', 'Q6_K'];
    const params = { path, device: 'cpu', cacheDir, formats } as const;
    const { text: over, weightsOnly } = await request('sensitivity/estimate', params);
    expect(over).toBeUndefined();
    expect(weightsOnly).toMatch(/The reason: Attention in this model is bidirectional/);
    expect(weightsOnly).toMatch(bidirectional);
    const table = await request('sensitivity/run', params);
    expect(table.weightsOnly).toMatch(bidirectional);
    expect(table.notExportable).toBeUndefined();
    const dense = table.rows.map(({ tensor }) => tensor).filter((tensor) => tensor.startsWith('dense'));
    expect(dense).toEqual(name === 'EmbeddingGemma' ? ['dense_2.weight', 'dense_3.weight'] : []);
  });
});
