import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exportGguf } from '../../src/exporter/exportGguf';
import { openModel } from '../../src/layouts/openModel';
import { embeddingCheckpoints } from '../support/embeddingCheckpoints';
import { temporaryFolder } from '../support/files';
import { hasOracle, llamaCpp } from '../support/llamaCpp';
import { Checkpoint } from '../support/reference/checkpoint';
import { embeddingSteps } from '../support/reference/embeddingSteps';
import { referenceEmbedding } from '../support/reference/models';
import { writeCheckpoint } from '../support/writeCheckpoint';

const folder = temporaryFolder();
const tokens = Array.from({ length: 32 }, (_, i) => (i * 389 + 17) % 1024);

/** Largest difference, as a share of the largest entry. */
function distance(ours: ArrayLike<number>, theirs: readonly number[]): number {
  const scale = Math.max(...Array.from(ours, Math.abs));
  return Math.max(...theirs.map((value, i) => Math.abs(value - ours[i]!))) / scale;
}

/** Types of some tensors in a file of Q4_K_M: rows of 64 and 96 weights are no blocks of Q4_K; small tables stay as they are. */
const quantizedTypes: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  EmbeddingGemma: { 'dense_2.weight': 'Q5_0', 'dense_3.weight': 'Q5_0' },
  BERT: { 'position_embd.weight': 'F32', 'token_types.weight': 'F32', 'blk.0.attn_q.weight': 'Q5_0' },
  ModernBERT: { 'token_embd_norm.weight': 'F32', 'blk.0.ffn_up.weight': 'Q5_0' },
  'Nomic Embed': { 'token_types.weight': 'F32', 'blk.0.ffn_gate.weight': 'Q5_0' },
};

describe.skipIf(!hasOracle)('exported embedding models in llama.cpp', () => {
  it.each(Object.entries(embeddingCheckpoints))(
    '%s: embeds a text as sentence-transformers does',
    async (name, { config, modules = [] }) => {
      const source = join(folder, name);
      await writeCheckpoint(source, embeddingCheckpoints[name]!);
      const steps = embeddingSteps(source, modules);
      const expected = referenceEmbedding(new Checkpoint(source), tokens, steps);
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

  it.each(['EmbeddingGemma', 'BERT', 'ModernBERT', 'Nomic Embed'])(
    'a quantized %s is the file of llama.cpp, dense layers included',
    async (name) => {
      const source = join(folder, `${name}, to be quantized`);
      await writeCheckpoint(source, embeddingCheckpoints[name]!);
      const [half, ours, theirs] = ['half', 'ours', 'theirs'].map((part) =>
        join(folder, `${name} ${part}.gguf`),
      );
      const checkpoint = await openModel(source);
      await exportGguf(checkpoint, { type: 'F16' }, half!);
      await checkpoint.close();
      const model = await openModel(half!);
      const { tensors } = await exportGguf(model, { type: 'Q4_K_M' }, ours!);
      await model.close();
      const { codes } = await llamaCpp('quantize', { from: half!, runs: [{ fileType: 15, to: theirs! }] });
      expect(codes).toEqual([0]);
      expect(readFileSync(ours!).equals(readFileSync(theirs!))).toBe(true);
      const types = Object.fromEntries(tensors.map(({ name: tensor, to }) => [tensor, to]));
      expect(types).toMatchObject(quantizedTypes[name]!);
    },
  );

  it('a file with the WordPiece tokenizer of BERT is loaded', async () => {
    const source = join(folder, 'words');
    await writeCheckpoint(source, embeddingCheckpoints['BERT']!);
    const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
    const words = [...special, ...Array.from({ length: 1024 - special.length }, (_, i) => `word${i}`)];
    rmSync(join(source, 'tokenizer.json'));
    writeFileSync(join(source, 'tokenizer_config.json'), '{"tokenizer_class": "BertTokenizer"}');
    writeFileSync(join(source, 'vocab.txt'), words.join('\n'));
    const out = join(folder, 'words.gguf');
    const model = await openModel(source);
    await exportGguf(model, { type: 'F32' }, out);
    await model.close();
    const { embedding } = await llamaCpp('embedding', { model: out, tokens });
    const expected = referenceEmbedding(new Checkpoint(source), tokens, { pooling: 'first', dense: [] });
    expect(distance(expected, embedding)).toBeLessThan(5e-3);
  });
});
