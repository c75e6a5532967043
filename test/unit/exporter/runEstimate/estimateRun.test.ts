import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { printPlan } from '../../../../src/ampq/planFile';
import { readWeights } from '../../../../src/exporter/runEstimate/readShare';
import { fileTypes } from '../../../../src/exporter/plan/fileTypes';
import { openModel } from '../../../../src/layouts/openModel';
import { machines } from '../../../../src/protocol/machines';
import { tokensPerSecond, totalBytes, type RunEstimate } from '../../../../src/protocol/runEstimate';
import { engineJobs } from '../../../support/engineJobs';
import { removeTemporaryFolders, sampleFolder, temporaryFolder, writeFile } from '../../../support/files';
import { writeMixture } from '../../../support/mixtureModel';
import { planFor } from '../../../support/plans';
import { writeCheckpoint } from '../../../support/writeCheckpoint';

const folder = temporaryFolder();
afterAll(removeTemporaryFolders);
const { request } = engineJobs(folder);
const sample = { path: sampleFolder };

async function dataBytesOf(path: string): Promise<number> {
  const model = await openModel({ path });
  await model.close();
  return model.description.dataBytes;
}

describe('the weights of a model that runs', () => {
  it.each(['Q4_K_M', 'Q8_0', 'F16'])(
    'in %s are the bytes of the tensors that an export writes',
    async (type) => {
      const out = join(folder, `${type}.gguf`);
      await request('export/gguf', { ...sample, type, out });
      const { targets } = await request('model/estimate', { ...sample, targets: [{ kind: 'type', type }] });
      expect(targets[0]!.weights!.bytes).toBe(await dataBytesOf(out));
    },
  );

  it('in a recipe are the bytes that quantizing by it writes', async () => {
    const out = join(folder, 'nf4');
    await request('model/quantize', { ...sample, recipe: 'bnb-nf4', out });
    const { targets } = await request('model/estimate', {
      ...{ ...sample, targets: [{ kind: 'recipe', recipe: 'bnb-nf4' }] },
    });
    expect(targets[0]!.weights!.bytes).toBe(await dataBytesOf(out));
  });

  it('by a plan are those of the types that it chooses', async () => {
    const { tensors } = await request('export/preview', { ...sample, type: 'Q8_0' });
    const chosen = tensors.flatMap(({ name, cause }) => (cause === 'kept' ? [] : [[name, 'Q5_K'] as const]));
    const plan = await planFor(sampleFolder, Object.fromEntries(chosen));
    const planFile = writeFile(folder, 'all.ampq.json', printPlan(plan));
    const targets = [{ kind: 'plan' as const, planFile }];
    const estimate = await request('model/estimate', { ...sample, targets });
    expect(estimate.targets[0]).toMatchObject({ label: 'plan', weights: { bytes: plan.total.bytes } });
  });

  it('as stored are those of the files', async () => {
    const { targets } = await request('model/estimate', { ...sample, targets: [{ kind: 'stored' }] });
    expect(targets[0]).toMatchObject({
      label: 'as stored',
      weights: { bytes: 10_492_416, bitsPerWeight: 16 },
    });
  });

  it('are known in every file type, whether or not it needs an importance matrix', async () => {
    const targets = fileTypes.map(({ name }) => ({ kind: 'type' as const, type: name }));
    const estimate = await request('model/estimate', { ...sample, targets });
    expect(estimate.targets.filter(({ failure }) => failure !== undefined)).toEqual([]);
  });

  it('are not known where the model cannot be written so, which is said', async () => {
    const path = writeMixture(folder, { layers: 2, experts: 4, hidden: 64, expertHidden: 32 });
    const { targets, unknown, memory } = await request('model/estimate', {
      ...{ path, targets: [{ kind: 'stored' }, { kind: 'type', type: 'Q8_0' }] },
    });
    expect(targets[0]!.weights).toBeDefined();
    expect(targets[1]!.failure).toMatch(/config\.json, which is missing/);
    expect(unknown).toMatch(/config\.json/);
    expect(memory).toBeUndefined();
  });
});

describe('what a step reads of the weights', () => {
  const tensors = [
    { name: 'token_embd.weight', elements: 0, bytes: 1000 },
    { name: 'blk.0.attn_q.weight', elements: 0, bytes: 10 },
    { name: 'blk.0.ffn_up_exps.weight', elements: 0, bytes: 1600 },
    { name: 'blk.0.ffn_up_shexp.weight', elements: 0, bytes: 5 },
  ];

  it('is everything but looked-up embeddings and the experts that it does not use', () => {
    expect(readWeights(tensors, { experts: 16, expertsUsed: 2 }, 1)).toBe(10 + 200 + 5);
  });

  it('is more experts for more sequences, whose tokens choose on their own', () => {
    const share = 1 - (14 / 16) ** 4;
    expect(readWeights(tensors, { experts: 16, expertsUsed: 2 }, 4)).toBeCloseTo(15 + 1600 * share, 9);
  });

  it('is the embedding too where that is the output', () => {
    expect(readWeights(tensors, { experts: 16, expertsUsed: 16, tied: true }, 1)).toBe(2615);
  });

  it('is nothing of a vision tower, and the same for the names of checkpoints', () => {
    const names = ['visual.blocks.0.w', 'model.layers.0.mlp.experts.3.up_proj.weight', 'lm_head.weight'];
    const own = names.map((name) => ({ name, elements: 0, bytes: 8 }));
    expect(readWeights(own, { experts: 4, expertsUsed: 1 }, 1)).toBe(2 + 8);
  });
});

describe('a run', () => {
  it('takes weights, keys and values and buffers, for a context of the model', async () => {
    const estimate = await request('model/estimate', { ...sample, targets: [{ kind: 'stored' }] });
    expect(estimate.settings).toEqual({ context: 256, sequences: 1, cacheType: 'f16' });
    const cache = 6 * 256 * 2 * 2 * 64 * 2; // layers, cells, keys and values, heads, size, bytes
    expect(estimate.memory!.cacheBytes).toBe(cache);
    expect(estimate.memory!.readBytes).toBe(cache);
    expect(totalBytes(estimate, estimate.targets[0]!)).toBe(
      10_492_416 + cache + estimate.memory!.computeBytes,
    );
  });

  it('keeps less of the context in windows and in another type, and reads states twice', async () => {
    const memoryOf = async (name: string, settings: object = {}) => {
      const path = join(folder, name);
      await writeCheckpoint(path, name);
      const params = { path, targets: [], context: 4096, ...settings };
      return (await request('model/estimate', params)).memory!;
    };
    const whole = await memoryOf('qwen3');
    const small = await memoryOf('qwen3', { cacheType: 'q8_0' });
    expect(small.cacheBytes).toBe((whole.cacheBytes * 34) / 64);
    const windowed = await memoryOf('gemma3');
    expect(windowed.readBytes).toBeLessThan(windowed.cacheBytes);
    const [one, two] = [await memoryOf('mamba2'), await memoryOf('mamba2', { context: 8192 })];
    expect(two.cacheBytes).toBe(one.cacheBytes);
    expect(one.readBytes).toBe(2 * one.cacheBytes);
  });

  it('makes as many tokens as the bandwidth allows for what each step reads, of all sequences together', () => {
    const weights = { bytes: 100, bitsPerWeight: 4, readBytes: 80 };
    const of = (sequences: number, readBytes: number): Pick<RunEstimate, 'memory' | 'settings'> => ({
      settings: { context: 1, sequences, cacheType: 'f16' },
      memory: { cacheBytes: 0, computeBytes: 0, readBytes },
    });
    expect(tokensPerSecond(of(1, 20), { weights }, 1000)).toBe(10);
    expect(tokensPerSecond(of(4, 80), { weights }, 1000)).toBe(25);
  });

  it.each([
    [{ targets: [{ kind: 'other' }] }, /"targets"/],
    [{ targets: [{ kind: 'type' }] }, /"targets"/],
    [{ targets: [{ kind: 'plan', planFile: 'relative.json' }] }, /"targets"/],
    [{ targets: [], cacheType: 'q2' }, /"cacheType" is "q2"/],
    [{ targets: [], context: 0 }, /"context" is 0/],
  ])('is refused for %j', async (params, message) => {
    await expect(request('model/estimate', { ...sample, ...params } as never)).rejects.toThrow(message);
  });
});

it('devices have memories and bandwidths of this world, each once', () => {
  for (const { memory, bandwidth } of machines) {
    expect(memory).toBeGreaterThan(4e9);
    expect(bandwidth).toBeGreaterThan(1e10);
    expect(bandwidth).toBeLessThan(1e13);
  }
  expect(new Set(machines.map(({ name }) => name)).size).toBe(machines.length);
});
