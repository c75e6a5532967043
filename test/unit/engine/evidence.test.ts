import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EvidenceStore } from '../../../src/engine/evaluation/evidenceStore';
import { evidenceSource } from '../../../src/engine/evaluation/keptEvidence';
import { latestEvidence, obtainEvidence } from '../../../src/engine/evaluation/obtainEvidence';
import { planText } from '../../../src/engine/evaluation/runPlan';
import { ggufView } from '../../../src/architectures/ggufView';
import { backward } from '../../../src/evaluation/backward';
import { measureEvidence } from '../../../src/evaluation/evidence';
import type { OutputGradients } from '../../../src/evaluation/gradientSums';
import { openTokenizer } from '../../../src/evaluation/tokenizer/openTokenizer';
import type { ScoredInputs } from '../../../src/evaluation/windows';
import { openDecoder } from '../../../src/graph/transformer/openDecoder';
import { MemoryStates, type States } from '../../../src/graph/transformer/states';
import { openModel } from '../../../src/layouts/openModel';
import type { Model } from '../../../src/model/model';
import type { EngineProgress } from '../../../src/protocol/engine';
import type { EvidenceSettings } from '../../../src/protocol/evidence';
import { foundEvidence, type EvidenceSource } from '../../../src/quant/evidence';
import type { Evidence } from '../../../src/quant/methods/method';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { Checkpoint } from '../../support/reference/checkpoint';
import { matrixInputs, type MatrixInputs } from '../../support/reference/inputs';
import type { Vector } from '../../support/reference/math';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const path = (...names: string[]): string => join(folder, ...names);
const text = join(sampleFolder, 'generated-calibration.txt');
const all = ['importance', 'hessian', 'activations'] as const;
const settings: EvidenceSettings = { text, needs: all, context: 32, tokens: 12 * 32, device: 'cpu' };
const context = { signal: new AbortController().signal, progress: () => undefined };
const models = new Map<string, Model>();
const { request } = engineJobs(path('jobs'));

beforeAll(async () => {
  for (const name of ['llama', 'mixtral']) {
    await writeCheckpoint(path(name), name);
    models.set(name, await openModel(path(name)));
  }
});
afterAll(async () => {
  for (const model of models.values()) await model.close();
});

/** The windows of `settings`. */
async function windowsFor(name: string): Promise<readonly ScoredInputs[]> {
  const tokenizer = await openTokenizer(models.get(name)!, context.signal);
  return (await planText(text, tokenizer, { context: 32, windows: 12 }, 64, context.signal)).windows;
}

/** The inputs of the same windows by the definition of the forward pass. */
async function expectedInputs(name: string): Promise<MatrixInputs> {
  const windows = await windowsFor(name);
  return matrixInputs(
    new Checkpoint(path(name)),
    windows.map(({ inputs }) => [...inputs]),
  );
}

function expectEvidence(found: Evidence, vectors: readonly Vector[]): void {
  const columns = vectors[0]!.length;
  const mean = (of: (x: Vector) => number): number =>
    vectors.reduce((sum, x) => sum + of(x), 0) / vectors.length;
  const squares = Array.from({ length: columns }, (_, i) => mean((x) => x[i]! ** 2));
  let worst = 0;
  for (let i = 0; i < columns; i++) {
    const size = Math.sqrt(squares[i]!);
    worst = Math.max(
      worst,
      Math.abs(found.importance![i]! / squares[i]! - 1),
      Math.abs(found.mean![i]! - mean((x) => x[i]!)) / size,
      Math.abs(found.largest![i]! / Math.max(...vectors.map((x) => Math.abs(x[i]!))) - 1),
    );
    for (let j = 0; j < columns; j++)
      worst = Math.max(
        worst,
        Math.abs(found.hessian![i * columns + j]! - mean((x) => x[i]! * x[j]!)) /
          Math.sqrt(squares[i]! * squares[j]!),
      );
  }
  expect(worst).toBeLessThan(1e-5);
  // Every sampled row is one of the inputs.
  const rows = found.inputs!.length / columns;
  expect(rows).toBe(Math.min(512, vectors.length));
  for (let row = 0; row < rows; row += 37) {
    const sampled = found.inputs!.subarray(row * columns, (row + 1) * columns);
    const distances = vectors.map((x) => Math.hypot(...x.map((value, i) => value - sampled[i]!)));
    expect(Math.min(...distances)).toBeLessThan(1e-4 * Math.hypot(...sampled));
  }
}

describe('evidence of a calibration pass', () => {
  let source: EvidenceSource;
  beforeAll(async () => {
    source = await obtainEvidence(models.get('llama')!, settings, path('cache'), context);
  });

  it('is, for each matrix by its name in the checkpoint, that of an independent forward pass', async () => {
    const expected = await expectedInputs('llama');
    const layer = 'model.layers.1';
    for (const [tensor, input] of [
      [`${layer}.self_attn.q_proj`, 'blk.1.attn_q'],
      [`${layer}.self_attn.k_proj`, 'blk.1.attn_q'],
      [`${layer}.self_attn.o_proj`, 'blk.1.attn_output'],
      [`${layer}.mlp.up_proj`, 'blk.1.ffn_gate'],
      [`${layer}.mlp.down_proj`, 'blk.1.ffn_down'],
      ['lm_head', 'output'],
    ] as const) {
      const evidence = {
        ...(await source.for(`${tensor}.weight`, 'hessian')),
        ...(await source.for(`${tensor}.weight`, 'activations')),
      };
      expectEvidence(evidence, expected.get(`${input}.weight`)!);
    }
    expect(source.text).toEqual({
      path: text,
      tokens: 12 * 32,
      hash: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    });
    expect(source.notes).toEqual([]);
  });

  it('has no more than a method needs, and nothing of a tensor that is not multiplied with inputs', async () => {
    const q = 'model.layers.0.self_attn.q_proj.weight';
    expect(Object.keys(await source.for(q, 'importance'))).toEqual(['importance', 'mean', 'largest']);
    expect(Object.keys(await source.for(q, 'hessian'))).toEqual(['importance', 'mean', 'largest', 'hessian']);
    expect(await source.for('model.embed_tokens.weight', 'hessian')).toEqual({});
  });

  it('of an expert is that of its own tokens, and of one without tokens that of all', async () => {
    const model = models.get('mixtral')!;
    const found = await obtainEvidence(model, settings, path('cache'), context);
    const expected = await expectedInputs('mixtral');
    for (const expert of [0, 1, 2, 3]) {
      const tensor = `model.layers.1.block_sparse_moe.experts.${expert}.w2.weight`;
      const own = expected.get(`blk.1.ffn_down_exps.weight ${expert}`);
      if (own)
        expectEvidence(
          { ...(await found.for(tensor, 'hessian')), ...(await found.for(tensor, 'activations')) },
          own,
        );
    }
    // One window reaches fewer experts than there are.
    const little = { ...settings, context: 3, tokens: 3, needs: ['hessian'] as const };
    const few = await obtainEvidence(model, little, path('cache'), context);
    expect(few.notes).toEqual([expect.stringMatching(/^\d experts? got no token of the text/)]);
    const sums = await Promise.all(
      [0, 1, 2, 3].map(async (expert) => {
        const tensor = `model.layers.1.block_sparse_moe.experts.${expert}.w1.weight`;
        return (await few.for(tensor, 'hessian')).importance!;
      }),
    );
    for (const importance of sums) expect(importance.every((value) => value > 0)).toBe(true);
  });

  it('is kept: the same request reads it, another text or window measures again', async () => {
    const cacheDir = path('kept');
    const params = { path: path('llama'), cacheDir, ...settings, needs: ['hessian' as const] };
    const first = await request('evidence/run', params);
    expect(first).toMatchObject({ inputs: 9, tokens: 384, isKept: false });
    expect(await request('evidence/run', params)).toMatchObject({ inputs: 9, isKept: true });
    expect(await request('evidence/estimate', params)).toMatchObject({ seconds: 0, isKept: true });
    const larger = await request('evidence/estimate', { ...params, tokens: 13 * 32 });
    expect([larger.isKept, larger.tokens, larger.seconds > 0]).toEqual([false, 416, true]);
    const bytes = readdirSync(join(cacheDir, 'evidence'), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(sums|hessian|rows)$/.test(name))
      .reduce((sum, name) => sum + readFileSync(join(cacheDir, 'evidence', name)).length - 32, 0);
    expect(bytes).toBe(first.bytes);
    expect(larger.bytes).toBe(first.bytes);
    expect(await request('evidence/stored', { path: path('llama'), cacheDir })).toEqual({
      ...{ text, tokens: 384, kinds: ['importance', 'hessian'] },
    });
  });

  it('is completed when a later method needs more, and what was there stays', async () => {
    const cacheDir = path('kept');
    const model = models.get('llama')!;
    expect(await latestEvidence(model, ['activations'], cacheDir)).toBeUndefined();
    await obtainEvidence(model, { ...settings, needs: ['activations'] }, cacheDir, context);
    const both = await latestEvidence(model, ['hessian', 'activations'], cacheDir);
    const tensor = 'model.layers.0.mlp.down_proj.weight';
    expect((await both!.for(tensor, 'hessian')).hessian).toEqual(
      (await source.for(tensor, 'hessian')).hessian,
    );
  });

  it('that is damaged is refused and measured again', async () => {
    const cacheDir = path('damaged');
    const model = models.get('llama')!;
    const tensor = 'model.layers.0.self_attn.q_proj.weight';
    const kept = await obtainEvidence(model, settings, cacheDir, context);
    const [name] = readdirSync(join(cacheDir, 'evidence'), { recursive: true, encoding: 'utf8' }).filter(
      (item) => item.endsWith('/0.hessian'),
    );
    const file = join(cacheDir, 'evidence', name!);
    const bytes = readFileSync(file);
    bytes[100]! ^= 1;
    writeFileSync(file, bytes);
    await expect(kept.for(tensor, 'hessian')).rejects.toMatchObject({ code: 'IO' });
    expect(await latestEvidence(model, all, cacheDir)).toBeUndefined();
    const again = await obtainEvidence(model, settings, cacheDir, context);
    expect((await again.for(tensor, 'hessian')).hessian).toEqual(
      (await source.for(tensor, 'hessian')).hessian,
    );
  });

  it('that is cancelled leaves nothing', async () => {
    const cacheDir = path('cancelled');
    const controller = new AbortController();
    const progress = ({ message }: EngineProgress): void => {
      if (message.includes('block 2')) controller.abort();
    };
    const ended = obtainEvidence(models.get('llama')!, settings, cacheDir, {
      signal: controller.signal,
      progress,
    });
    await expect(ended).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(existsSync(cacheDir)).toBe(false);
  });
});

const room = (tokens: number): States => new MemoryStates(new Float32Array(tokens * 64), 64);

/** What a backward pass over the windows of `settings` finds, by tensor and expert. */
async function outputGradients(name: string): Promise<Map<string, OutputGradients>> {
  const decoder = await openDecoder(models.get(name)!, { device: 'ort-cpu', length: 32, keep: false });
  const found = new Map<string, OutputGradients>();
  await backward(decoder, await windowsFor(name), {
    ...{ windowsAtOnce: 4, room },
    onOutput: (output) => Promise.resolve(void found.set(`${output.tensor} ${output.expert}`, output)),
  });
  await decoder.close();
  return found;
}

/** The largest difference from sums over tokens, in terms of the largest of their means. */
function difference(found: Float64Array, { tokens }: OutputGradients, sums: Float64Array): number {
  const means = sums.map((sum) => sum / tokens);
  const largest = means.reduce((most, mean) => Math.max(most, Math.abs(mean)), 0);
  return means.reduce((most, mean, i) => Math.max(most, Math.abs(mean - found[i]!)), 0) / largest;
}

describe('gradients at the outputs', () => {
  const needs = ['gradients'] as const;
  const cacheDir = path('gradients');
  let source: EvidenceSource;
  beforeAll(async () => {
    source = await obtainEvidence(models.get('llama')!, { ...settings, needs }, cacheDir, context);
  });

  it('are those of a backward pass over the same windows, besides a Hessian', async () => {
    const expected = await outputGradients('llama');
    const matrices = [
      ['model.layers.1.self_attn.q_proj.weight', 'blk.1.attn_q.weight'],
      ['model.layers.0.mlp.up_proj.weight', 'blk.0.ffn_up.weight'],
      ['model.layers.1.mlp.down_proj.weight', 'blk.1.ffn_down.weight'],
    ] as const;
    for (const [name, tensor] of matrices) {
      const evidence = await source.for(name, 'gradients', { output: { tensor, order: 'checkpoint' } });
      const { diagonal, covariance } = evidence.gradients!;
      const output = expected.get(`${tensor} undefined`)!;
      expect(difference(diagonal, output, output.diagonal)).toBeLessThan(1e-6);
      expect(difference(covariance!, output, output.covariance!)).toBeLessThan(1e-6);
      expect(evidence.hessian).toEqual((await source.for(name, 'hessian')).hessian);
      expect(foundEvidence('gradients', evidence)).toBe('gradients');
    }
    const output = { tensor: 'output.weight', order: 'gguf' } as const;
    const { gradients } = await source.for('lm_head.weight', 'gradients', { output });
    const expectedOutput = expected.get('output.weight undefined')!;
    expect(difference(gradients!.diagonal, expectedOutput, expectedOutput.diagonal)).toBeLessThan(1e-6);
    expect(gradients!.covariance).toBeUndefined();
    const { inputs, starts, tokens, weights } = gradients!.own!;
    expect(inputs.length / 64).toBe(12 * 32);
    expect(tokens.every((token) => token < 12 * 32)).toBe(true);
    expect([starts.at(-1), weights.length]).toEqual([tokens.length, tokens.length]);
    // Each row's weights have the sum of its variances, but for what sampling moves from one row to the next.
    const all = expectedOutput.diagonal.reduce((sum, value) => sum + value, 0);
    expect(weights.reduce((sum, value) => sum + value, 0) / all).toBeCloseTo(1, 2);
    expect(source.outputs.has('output.weight')).toBe(true);
  });

  it('of queries are in the order of the checkpoint or in that of GGUF, which has rotary pairs side by side', async () => {
    const name = 'model.layers.0.self_attn.q_proj.weight';
    const found = async (order: 'checkpoint' | 'gguf') =>
      (await source.for(name, 'gradients', { output: { tensor: 'blk.0.attn_q.weight', order } })).gradients!;
    const [before, after] = [await found('checkpoint'), await found('gguf')];
    const head = 16;
    const to = Array.from({ length: 64 }, (_, row) => {
      const [half, pair] = [Math.floor((row % head) / (head / 2)), row % (head / 2)];
      return row - (row % head) + 2 * pair + half;
    });
    for (let a = 0; a < 64; a++) {
      expect(after.diagonal[to[a]!]).toBe(before.diagonal[a]);
      for (let b = 0; b < 64; b++)
        expect(after.covariance![to[a]! * 64 + to[b]!]).toBe(before.covariance![a * 64 + b]);
    }
    expect(after.diagonal).not.toEqual(before.diagonal);
  });

  it('of an expert are those of its own tokens', async () => {
    const model = models.get('mixtral')!;
    const found = await obtainEvidence(model, { ...settings, needs }, cacheDir, context);
    const expected = await outputGradients('mixtral');
    for (const expert of [0, 1, 2, 3]) {
      const output = { tensor: 'blk.1.ffn_gate_exps.weight', expert, order: 'gguf' } as const;
      const tensor = `model.layers.1.block_sparse_moe.experts.${expert}.w1.weight`;
      const { gradients } = await found.for(tensor, 'gradients', { output });
      const own = expected.get(`${output.tensor} ${expert}`);
      if (own) expect(difference(gradients!.covariance!, own, own.covariance!)).toBeLessThan(1e-6);
      else expect(gradients).toBeUndefined();
    }
  });

  it.each(['llama', 'mixtral'])(
    'of %s are kept, and take at most as much space as was estimated',
    async (name) => {
      const params = { path: path(name), cacheDir: path(`space ${name}`), ...settings, needs: [...needs] };
      const estimate = await request('evidence/estimate', params);
      const first = await request('evidence/run', params);
      const bytes = readdirSync(join(params.cacheDir, 'evidence'), { recursive: true, encoding: 'utf8' })
        .filter((file) => /\.(sums|hessian|gradients|inputs|starts|tokens|weights)$/.test(file))
        .reduce((sum, file) => sum + readFileSync(join(params.cacheDir, 'evidence', file)).length - 32, 0);
      expect([first.bytes, first.isKept, first.notes]).toEqual([bytes, false, []]);
      // The most that the samples of the output's inputs can take.
      expect(estimate.bytes).toBeGreaterThan(bytes);
      expect(estimate.bytes - bytes).toBeLessThan(8 * 32 * first.tokens);
      expect(await request('evidence/run', params)).toMatchObject({ isKept: true, bytes });
      const stored = await request('evidence/stored', params);
      expect(stored?.kinds).toEqual(['importance', 'hessian', 'gradients']);
    },
  );

  it('are estimated with what an earlier pass over the text has measured, which is measured again', async () => {
    const params = { path: path('llama'), ...settings };
    const [earlier, fresh] = [path('estimated earlier'), path('estimated afresh')];
    await request('evidence/run', { ...params, cacheDir: earlier, needs: ['activations'] });
    const bytesOf = async (cacheDir: string, needs: EvidenceSettings['needs']): Promise<number> =>
      (await request('evidence/estimate', { ...params, cacheDir, needs })).bytes;
    expect(await bytesOf(earlier, needs)).toBe(await bytesOf(fresh, ['activations', 'gradients']));
    expect(await bytesOf(fresh, needs)).toBeLessThan(await bytesOf(earlier, needs));
  });

  it('complete an earlier pass that has Hessians alone, which is enough for methods that need no more', async () => {
    const cache = path('completed');
    const model = models.get('llama')!;
    const before = await obtainEvidence(model, { ...settings, needs: ['hessian'] }, cache, context);
    const q = 'model.layers.0.self_attn.q_proj.weight';
    const output = { tensor: 'blk.0.attn_q.weight', order: 'checkpoint' } as const;
    await expect(before.for(q, 'gradients', { output })).rejects.toMatchObject({ code: 'REQUEST' });
    expect(await latestEvidence(model, needs, cache)).toBeUndefined();
    await obtainEvidence(model, { ...settings, needs }, cache, context);
    const after = await latestEvidence(model, ['hessian', 'gradients'], cache);
    expect((await after!.for(q, 'gradients', { output })).gradients!.diagonal).toHaveLength(64);
    expect((await after!.for(q, 'hessian')).hessian).toEqual((await before.for(q, 'hessian')).hessian);
  });

  it('that cannot pass an operator leave the Hessian alone, and a note says why', async () => {
    const model = models.get('llama')!;
    const decoder = await openDecoder(model, {
      ...{ device: 'ort-cpu', length: 32, keep: false, roundInputs: () => 'Q8_0' },
    });
    const windows = await windowsFor('llama');
    const parts = { hessians: true, activations: false, gradients: true };
    const kept = await new EvidenceStore(path('stopped')).add(
      'model',
      { key: 'rounded', text: { path: text, hash: 'rounded', tokens: 384, context: 32 }, parts },
      (keep) => measureEvidence(decoder, windows, { parts, keep, room, windowsAtOnce: 4 }),
    );
    await decoder.close();
    const found = await new EvidenceStore(path('stopped')).find('model', parts);
    expect(found).toEqual(kept);
    const rounded = evidenceSource(found!, await ggufView(model));
    expect(rounded.notes).toEqual([
      expect.stringMatching(
        /^Gradients cannot pass the operator \w+\. Errors of matrices at whose outputs gradients are not known/,
      ),
    ]);
    const output = { tensor: 'blk.0.attn_q.weight', order: 'checkpoint' } as const;
    const evidence = await rounded.for('model.layers.0.self_attn.q_proj.weight', 'gradients', { output });
    expect(evidence.gradients).toBeUndefined();
    expect(foundEvidence('gradients', evidence)).toBe('hessian');
  });
});
