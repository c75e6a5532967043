import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exportGguf } from '../../src/exporter/exportGguf';
import { openModel } from '../../src/layouts/openModel';
import { embeddingCheckpoints } from '../support/embeddingCheckpoints';
import { temporaryFolder } from '../support/files';
import { hasOracle, llamaCpp } from '../support/llamaCpp';
import { Checkpoint } from '../support/reference/checkpoint';
import { referenceEmbedding } from '../support/reference/models';
import { writeCheckpoint } from '../support/writeCheckpoint';

const folder = temporaryFolder();
const tokens = Array.from({ length: 32 }, (_, i) => (i * 389 + 17) % 1024);

/** Largest difference, as a share of the largest entry. */
function distance(ours: ArrayLike<number>, theirs: readonly number[]): number {
  const scale = Math.max(...Array.from(ours, Math.abs));
  return Math.max(...theirs.map((value, i) => Math.abs(value - ours[i]!))) / scale;
}

describe.skipIf(!hasOracle)('exported embedding models in llama.cpp', () => {
  it.each(Object.entries(embeddingCheckpoints))(
    '%s: embeds a text as sentence-transformers does',
    async (name, { config, modules = [] }) => {
      const source = join(folder, name);
      await writeCheckpoint(source, embeddingCheckpoints[name]!);
      const dense = modules.flatMap(({ path }) => {
        const inside = join(source, path);
        const isDense = path !== '' && existsSync(join(inside, 'model.safetensors'));
        return isDense ? [new Checkpoint(inside).tensor('linear.weight')] : [];
      });
      const pooling = JSON.stringify(modules).includes('pooling_mode_lasttoken') ? 'last' : 'mean';
      const expected = referenceEmbedding(new Checkpoint(source), tokens, { pooling, dense });
      const model = await openModel(source);
      // llama.cpp looks GELU up in a table of half-precision numbers.
      const exact = JSON.stringify(config).includes('gelu') ? 5e-3 : 1e-4;
      for (const [type, bound] of [
        ['F32', exact],
        ['F16', 1e-2],
      ] as const) {
        const out = `${source}-${type}.gguf`;
        await exportGguf(model, { type }, out);
        const { embedding } = await llamaCpp('embedding', { model: out, tokens });
        expect(embedding).toHaveLength(expected.length);
        expect(distance(expected, embedding), type).toBeLessThan(bound);
      }
      await model.close();
    },
  );

  it('a quantized EmbeddingGemma is the file of llama.cpp, dense layers included', async () => {
    const source = join(folder, 'to be quantized');
    await writeCheckpoint(source, embeddingCheckpoints['EmbeddingGemma']!);
    const [half, ours, theirs] = ['half', 'ours', 'theirs'].map((name) => join(folder, `${name}.gguf`));
    const checkpoint = await openModel(source);
    await exportGguf(checkpoint, { type: 'F16' }, half!);
    await checkpoint.close();
    const model = await openModel(half!);
    const { tensors } = await exportGguf(model, { type: 'Q4_K_M' }, ours!);
    await model.close();
    const { codes } = await llamaCpp('quantize', { from: half!, runs: [{ fileType: 15, to: theirs! }] });
    expect(codes).toEqual([0]);
    expect(readFileSync(ours!).equals(readFileSync(theirs!))).toBe(true);
    expect(tensors.slice(0, 2).map(({ name, to }) => [name, to])).toEqual([
      ['dense_2.weight', 'Q5_0'],
      ['dense_3.weight', 'Q5_0'],
    ]);
  });
});
