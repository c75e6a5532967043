import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compareModels } from '../../../src/analysis/compareModels';
import { matchTensors } from '../../../src/analysis/matchTensors';
import { overlayTensors } from '../../../src/analysis/overlay';
import { exportGguf } from '../../../src/exporter/exportGguf';
import type { ExportTarget } from '../../../src/exporter/plan';
import { openModel } from '../../../src/layouts/openModel';
import { countReads, readsOf } from '../../support/countReads';
import { safetensorsBytes, sampleFolder, temporaryFolder, writeFile } from '../../support/files';
import { writeSyntheticGguf } from '../../support/syntheticGguf';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const path = (name: string): string => join(folder, name);
const tiny = { architecture: 'llama', blocks: 2, heads: 4, kvHeads: 4 };

async function exportTo(from: string, target: ExportTarget, to: string): Promise<void> {
  const model = await openModel(from);
  await exportGguf(model, target, to).finally(() => model.close());
}

async function compare(a: string, b: string) {
  const models = [await openModel(a), await openModel(b)] as const;
  return compareModels(...models).finally(() => Promise.all(models.map((model) => model.close())));
}

describe('compareModels', () => {
  it.each([
    'llama',
    'llama, biases and wide heads',
    'mixtral',
    'gemma2',
    'gpt2',
    'gptneox',
    'falcon 40B',
    'deepseek2',
  ])('finds every tensor of %s in its own GGUF, equal to the last bit', async (name) => {
    const source = path(name.replace(/\W/g, ''));
    await writeCheckpoint(source, name);
    await exportTo(source, { type: 'F32' }, `${source}.gguf`);
    const { tensors, counts, relativeError, translated } = await compare(source, `${source}.gguf`);
    expect(translated).toBe(true);
    expect(relativeError).toBe(0);
    expect(counts).toMatchObject({ different: 0, 'only in A': 0, 'only in B': 0, shape: 0 });
    expect(counts.equal).toBe(tensors.length);
  });

  it('measures what quantizing does, and lists the worst first', async () => {
    await exportTo(sampleFolder, { type: 'Q4_K_M' }, path('q4.gguf'));
    await exportTo(sampleFolder, { type: 'F16' }, path('f16.gguf'));
    const { tensors, counts } = await compare(sampleFolder, path('q4.gguf'));
    const errors = tensors.map(({ error }) => error?.relativeError ?? NaN);
    expect(errors).toEqual([...errors].sort((a, b) => b - a));
    expect(counts).toMatchObject({ different: 44, equal: 13 }); // norms are copied
    const worst = tensors[0]!;
    expect(worst).toMatchObject({ status: 'different', a: { dtype: 'BF16' }, b: { dtype: 'Q4_K' } });
    expect(worst.error!.relativeError).toBeGreaterThan(0.05);
    expect(worst.error!.cosine).toBeCloseTo(1 - worst.error!.relativeError ** 2 / 2, 3);
    // Both in GGUF: matched by name, the same errors but for the rounding to half precision.
    const again = await compare(path('f16.gguf'), path('q4.gguf'));
    expect(again.translated).toBe(false);
    expect(again.relativeError).toBeGreaterThan(0.03);
  });

  it('distinguishes rows in another order from the same rows', async () => {
    const model = await openModel(path('f16.gguf'));
    const { offset, byteLength, shape } = model.tensor('blk.1.attn_q.weight');
    await model.close();
    const bytes = readFileSync(path('f16.gguf'));
    const row = byteLength / shape[0]!;
    const first = Buffer.from(bytes.subarray(offset, offset + row));
    bytes.copyWithin(offset, offset + row, offset + 2 * row);
    first.copy(bytes, offset + row);
    writeFileSync(path('swapped.gguf'), bytes);
    const { tensors, counts } = await compare(sampleFolder, path('swapped.gguf'));
    expect(tensors[0]).toMatchObject({ name: 'blk.1.attn_q.weight', status: 'different' });
    expect(tensors[0]?.error?.relativeError).toBeGreaterThan(0.05);
    expect(counts.equal).toBeGreaterThan(12);
  });

  it('continues past tensors that are missing, of another shape or not finite', async () => {
    await writeSyntheticGguf(path('a.gguf'), { ...tiny, extra: { 'a.weight': [2, 4], 'c.weight': [4, 4] } });
    await writeSyntheticGguf(path('b.gguf'), { ...tiny, extra: { 'b.weight': [2, 4], 'c.weight': [2, 8] } });
    const model = await openModel(path('b.gguf'));
    const { offset } = model.tensor('blk.1.attn_v.weight');
    await model.close();
    const bytes = readFileSync(path('b.gguf'));
    bytes.writeFloatLE(NaN, offset);
    writeFileSync(path('b.gguf'), bytes);
    const { tensors, counts } = await compare(path('a.gguf'), path('b.gguf'));
    const odd = tensors.slice(0, 4).map(({ name, status }) => [name, status]);
    expect(odd).toEqual([
      ['c.weight', 'shape'],
      ['blk.1.attn_v.weight', 'not finite'],
      ['a.weight', 'only in A'],
      ['b.weight', 'only in B'],
    ]);
    expect(counts.equal + counts.different).toBe(tensors.length - 4);
  });

  it('matches an architecture without a description by the usual names, and says so', async () => {
    mkdirSync(path('odd'));
    writeFileSync(path('odd/model.safetensors'), readFileSync(join(sampleFolder, 'model.safetensors')));
    writeFileSync(path('odd/config.json'), JSON.stringify({ architectures: ['OddModel'] }));
    const { tensors, notes } = await compare(path('odd'), path('f16.gguf'));
    expect(notes).toEqual([expect.stringMatching(/no description of the architecture/)]);
    const statuses = new Map(tensors.map(({ name, status }) => [name, status]));
    expect(statuses.get('blk.3.ffn_down.weight')).toBe('different'); // BF16 against F16
    expect(statuses.get('output_norm.weight')).toBe('equal');
    expect(tensors.filter(({ status }) => status.startsWith('only'))).toEqual([]);
    // Two checkpoints need no translation.
    expect((await compare(path('odd'), sampleFolder)).relativeError).toBe(0);
  });

  it('overlays histograms and maps where a tensor differs', async () => {
    const a = countReads(await openModel(path('f16.gguf')));
    const b = countReads(await openModel(path('swapped.gguf')));
    const { pairs } = await matchTensors(a, b);
    const { name, ...pair } = pairs.find((item) => item.name === 'blk.1.attn_q.weight')!;
    const sides = { name, a: pair.a!, b: pair.b! };
    const steps: number[] = [];
    const { histogramA, histogramB, errorMap } = await overlayTensors(a, b, sides, {
      onProgress: (done, total) => steps.push(done / total),
    });
    expect([readsOf(a), readsOf(b)]).toEqual([new Map([[name, 1]]), new Map([[name, 1]])]);
    expect(steps).toEqual([0.5, 1]);
    const aborted = AbortSignal.abort();
    await expect(overlayTensors(a, b, sides, { signal: aborted })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    await Promise.all([a.close(), b.close()]);
    expect(histogramA.counts.reduce((sum, count) => sum + count, 0)).toBe(256 * 256);
    expect(histogramB).toEqual(histogramA); // the same weights in other places
    const rowSums = Array.from({ length: errorMap.mapRows }, (_, row) =>
      errorMap.values
        .slice(row * errorMap.mapColumns, (row + 1) * errorMap.mapColumns)
        .reduce((sum, value) => sum + value, 0),
    );
    // Rows 0 and 1 changed places; a cell of the map covers both.
    expect(rowSums[0]).toBeGreaterThan(0);
    expect(rowSums.slice(1).every((sum) => sum === 0)).toBe(true);
  });

  it('overlays the finite weights of a tensor that also has others', async () => {
    const tensorOf = (name: string, values: readonly number[]): string => {
      const entry = { dtype: 'F32', shape: [2, 2], data_offsets: [0, 16] };
      const bytes = Buffer.from(Float32Array.from(values).buffer);
      return writeFile(folder, name, Buffer.concat([safetensorsBytes({ w: entry }, 0), bytes]));
    };
    const a = await openModel(tensorOf('odd-a.safetensors', [1, NaN, -3, Infinity]));
    const b = await openModel(tensorOf('odd-b.safetensors', [2, 2, -3, 1]));
    const { pairs } = await matchTensors(a, b);
    const { name, ...pair } = pairs[0]!;
    const { histogramA, histogramB, errorMap } = await overlayTensors(a, b, { name, a: pair.a!, b: pair.b! });
    await Promise.all([a.close(), b.close()]);
    expect(histogramA).toMatchObject({ min: -3, max: 2 });
    expect(histogramA.counts.reduce((sum, count) => sum + count, 0)).toBe(2);
    expect(histogramB.counts.reduce((sum, count) => sum + count, 0)).toBe(4);
    expect(errorMap.values).toEqual([1, NaN, 0, Infinity]);
  });
});
