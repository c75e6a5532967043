import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exportGguf } from '../../src/exporter/exportGguf';
import { openEmbedder } from '../../src/graph/transformer/embedding/embedder';
import { openModel } from '../../src/layouts/openModel';
import { embeddingCheckpoints } from '../support/embeddingCheckpoints';
import { temporaryFolder } from '../support/files';
import { Checkpoint } from '../support/reference/checkpoint';
import { embeddingSteps } from '../support/reference/embeddingSteps';
import { referenceEmbedding } from '../support/reference/models';
import { writeCheckpoint } from '../support/writeCheckpoint';

const folder = temporaryFolder();
const texts = [32, 1, 7, 20].map((length, text) =>
  Int32Array.from({ length }, (_, i) => (i * 389 + 17 + 5 * text) % 1024),
);

/** Largest difference over all entries. */
const farthest = (ours: Float32Array, theirs: Float64Array): number =>
  theirs.reduce((most, value, i) => Math.max(most, Math.abs(value - ours[i]!)), 0);

describe('embeddings against an independent forward pass', () => {
  it.each(Object.keys(embeddingCheckpoints))('%s, as a checkpoint and as its GGUF file', async (name) => {
    const source = join(folder, name);
    await writeCheckpoint(source, {
      ...embeddingCheckpoints[name]!,
      config: withTanh(embeddingCheckpoints[name]!.config),
    });
    const { pooling, dense } = embeddingSteps(source, embeddingCheckpoints[name]!.modules);
    const reference = new Checkpoint(source);
    const gguf = `${source}.gguf`;
    const model = await openModel(source);
    await exportGguf(model, { type: 'F16' }, gguf);
    await model.close();
    for (const path of [source, gguf]) {
      const opened = await openModel(path);
      const embedder = await openEmbedder(opened, { device: 'ort-cpu' });
      const found = await embedder.embed(texts);
      for (const [i, text] of texts.entries()) {
        const expected = referenceEmbedding(reference, [...text], { pooling, dense });
        expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(0.5);
        expect(farthest(found[i]!, expected), `${path}, text ${i}`).toBeLessThan(1e-4);
      }
      await embedder.close();
      await opened.close();
    }
  });
});

/** GELU by its tanh form, which is llama.cpp's. */
const withTanh = (config: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(config).map(([key, value]) => [key, value === 'gelu' ? 'gelu_pytorch_tanh' : value]),
  );
