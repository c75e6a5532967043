import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { measureDivergences } from '../../../src/ampq/divergences';
import { makePlan, printPlan } from '../../../src/ampq/planFile';
import { ggufView } from '../../../src/architectures/ggufView';
import { tokenDivergences } from '../../../src/evaluation/divergence';
import { scoredStates, sumLogits, type ScoredStates } from '../../../src/evaluation/scoring';
import { mean } from '../../../src/evaluation/statistics';
import type { ScoredInputs } from '../../../src/evaluation/windows';
import type { Decoder } from '../../../src/graph/transformer/decoder';
import { openDecoder } from '../../../src/graph/transformer/openDecoder';
import type { WeightChange, WeightChanges } from '../../../src/graph/transformer/weights';
import { openModel } from '../../../src/layouts/openModel';
import type { EngineProgress } from '../../../src/protocol/engine';
import type { Divergence } from '../../../src/protocol/evaluation';
import type { SensitivityTable } from '../../../src/protocol/plan';
import { formatById } from '../../../src/quant/catalogue';
import { tableNotes } from '../../../src/protocol/tableNotes';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder, writeFile } from '../../support/files';
import { assignment, planFor } from '../../support/plans';
import { writeReducedSample } from '../../support/reducedSample';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const cacheDir = join(folder, 'cache');
const { evaluate, request } = engineJobs(cacheDir);
const calibration = join(sampleFolder, 'generated-calibration.txt');
const path = (name: string): string => join(folder, name);

const measure = (model: string, formats?: readonly string[], text = calibration): Promise<SensitivityTable> =>
  request('sensitivity/run', {
    ...{ path: model, device: 'cpu', cacheDir, text },
    ...(formats ? { formats } : {}),
  });

/** A text that gains are measured over as a whole, so that an evaluation scores the same windows. */
const shortText = writeFile(folder, 'short.txt', readFileSync(calibration, 'utf8').slice(0, 4800));

/** Evaluates with nothing but this tensor changed, on the same text. */
async function divergenceOf(model: string, tensor: string, format: string): Promise<Divergence> {
  const plan = await planFor(model, { [tensor]: format });
  const listed = new Map(plan.assignments.map((item) => [item.tensor, item]));
  const others = (await measure(model, [format])).rows
    .filter((row) => !listed.has(row.tensor))
    .map((row) => ({ ...assignment(row.tensor, row.lossless.format), sources: row.sources }));
  const planFile = writeFile(
    folder,
    'one.ampq.json',
    printPlan({ ...plan, assignments: [...plan.assignments, ...others] }),
  );
  const windows = { convention: 'sliding', context: 256 } as const;
  const { text } = await evaluate({ path: model, text: shortText, ...windows, planFile, memory: 'streamed' });
  return text!.divergence!;
}

const experts = 'blk.1.ffn_down_exps.weight';

describe('a pass over a text', () => {
  beforeAll(async () => {
    await writeReducedSample(path('reduced'));
    await writeCheckpoint(path('gemma2'), 'gemma2');
    await writeCheckpoint(path('mixtral'), 'mixtral');
  });

  it.each<[string, string, readonly string[]]>([
    [
      'of trained weights',
      path('reduced'),
      ['token_embd.weight', 'blk.0.attn_q.weight', 'blk.1.ffn_gate.weight', 'output.weight'],
    ],
    [
      'of a model whose embedding is its output matrix',
      path('gemma2'),
      ['token_embd.weight', 'blk.3.attn_v.weight'],
    ],
    ['of a model with experts', path('mixtral'), [experts, 'blk.0.attn_output.weight']],
  ])('finds the same divergences %s as separate evaluations', async (_, model, tensors) => {
    const table = await measure(model, ['Q4_0'], shortText);
    expect(table.gainsFrom).toMatchObject({ text: shortText, context: 256 });
    for (const tensor of tensors) {
      const { format, divergence } = table.rows.find((row) => row.tensor === tensor)!.measured!;
      const { mean } = await divergenceOf(model, tensor, format);
      expect(mean.value, tensor).toBeGreaterThan(1e-7);
      expect(divergence / mean.value, tensor).toBeCloseTo(1, 3);
    }
  });

  it('gives every matrix of the exported file a gain, merged experts one', async () => {
    const { rows } = await measure(path('mixtral'), ['Q4_0']);
    expect(rows.every(({ gain }) => gain! > 0)).toBe(true);
    expect(rows.find(({ tensor }) => tensor === experts)!.sources).toEqual(
      [0, 1, 2, 3].map((i) => `model.layers.1.block_sparse_moe.experts.${i}.w2.weight`),
    );
    expect(rows.map(({ tensor }) => tensor).filter((name) => name.includes('ffn'))).toEqual(
      [0, 1].flatMap((block) => ['down', 'gate', 'up'].map((part) => `blk.${block}.ffn_${part}_exps.weight`)),
    );
  });

  it('finds the same whether the states of all tensors fit into memory, of some or of one', async () => {
    const model = await openModel(path('mixtral'));
    const options = { device: 'ort-cpu', length: 32, keep: false } as const;
    const [decoder, base] = [await openDecoder(model, options), await openDecoder(model, options)];
    try {
      const { tensors } = await ggufView(model);
      const names = tensors.flatMap(({ name, shape }) => (shape.length > 1 ? [name] : []));
      const changes = new Map(names.map((name) => [name, { format: formatById('Q4_0') }]));
      const windows = [0, 1].map((window): ScoredInputs => {
        const inputs = Int32Array.from({ length: 32 }, (_, i) => (window * 331 + i * 71) % 1024);
        return { inputs, targets: inputs.map((token) => (token + 1) % 1024) };
      });
      const states = 4 * 64 * decoder.shape.hiddenSize;
      const passes = (room: number) => measureDivergences(decoder, base, windows, changes, { room });
      const [all, some, one] = [await passes(1e9), await passes(9.5 * states), await passes(1)];
      expect([...all.byTensor.keys()].sort()).toEqual([...names].sort());
      for (const [name, divergence] of all.byTensor) {
        expect(divergence, name).toBeGreaterThan(1e-8);
        expect(some.byTensor.get(name)! / divergence, name).toBeCloseTo(1, 3);
        expect(one.byTensor.get(name)! / divergence, name).toBeCloseTo(1, 3);
      }
      // Without changes it finds the loss of the text.
      const none = await measureDivergences(decoder, base, windows, new Map(), { room: 1e9 });
      expect([none.byTensor.size, none.loss]).toEqual([0, all.loss]);
      // Rounding alone is far below what any tensor does.
      expect(all.noise).toBeGreaterThan(0);
      expect(all.noise).toBeLessThan(1e-10);
      // Nothing stays changed.
      expect(new Set(names.map((name) => decoder.weights.typeOf(name)))).toEqual(new Set(['BF16']));
    } finally {
      await decoder.close();
      await base.close();
      await model.close();
    }
  });

  it('finds what single tensors do beside the changes of all others, at the scored positions', async () => {
    const model = await openModel(path('gemma2'));
    const options = { device: 'ort-cpu', length: 32, keep: false } as const;
    const open = (changes: WeightChanges) => openDecoder(model, { ...options, changes });
    const [decoder, base] = [await open(new Map()), await open(new Map())];
    try {
      const { tensors } = await ggufView(model);
      const names = tensors.flatMap(({ name, shape }) => (shape.length > 1 ? [name] : []));
      const around = new Map(names.map((name) => [name, { format: formatById('Q4_0') }]));
      const windows = [0, 1].map((window): ScoredInputs => {
        const inputs = Int32Array.from({ length: 32 }, (_, i) => (window * 331 + i * 71) % 1024);
        return { inputs, targets: inputs.map((token, i) => (i < 16 ? -1 : (token + 1) % 1024)) };
      });
      const separate = async (changes: WeightChanges): Promise<number> => {
        const whole = await open(changes);
        const original = await open(new Map());
        const scored = async (of: Decoder): Promise<ScoredStates> => {
          const step = await scoredStates(of, windows, { windowsAtOnce: windows.length }).next();
          return step.value as ScoredStates;
        };
        const own = await scored(whole);
        const { states } = await scored(original);
        const { hiddenSize } = whole.shape;
        const read = (first: number, target: Float32Array): Promise<void> => {
          target.set(states.subarray(first * hiddenSize).subarray(0, target.length));
          return Promise.resolve();
        };
        const sums = await sumLogits(whole, own, { decoder: original, read });
        await whole.close();
        await original.close();
        return mean(tokenDivergences(sums).divergences).value;
      };
      const single = new Map<string, WeightChange | undefined>([
        ['token_embd.weight', undefined],
        ['blk.1.ffn_down.weight', undefined],
        ['blk.3.attn_q.weight', { format: formatById('Q8_0') }],
      ]);
      for (const room of [1e9, 1]) {
        const found = await measureDivergences(decoder, base, windows, single, { room, around });
        expect(found.together! / (await separate(around))).toBeCloseTo(1, 4);
        expect(found.noise).toBeLessThan(1e-6 * found.together!);
        expect(found).not.toHaveProperty('spread');
        for (const [name, change] of single) {
          const others = new Map(around);
          if (change) others.set(name, change);
          else others.delete(name);
          expect(found.byTensor.get(name)! / (await separate(others)), name).toBeCloseTo(1, 4);
        }
      }
      expect(new Set(names.map((name) => decoder.weights.typeOf(name)))).toEqual(new Set(['BF16']));
    } finally {
      await decoder.close();
      await base.close();
      await model.close();
    }
  });
});

describe('gains of a model', () => {
  const gainsFiles = (cache: string): string[] =>
    readdirSync(cache).filter((name) => name.endsWith('.gains.json'));

  it('of a cancelled run are not kept', async () => {
    const cache = path('cancelled');
    const controller = new AbortController();
    const params = { path: path('mixtral'), device: 'cpu', cacheDir: cache, text: calibration } as const;
    const messages: string[] = [];
    const running = request('sensitivity/run', params, {
      signal: controller.signal,
      progress: ({ message }) => {
        messages.push(message);
        if (message.startsWith('influence')) controller.abort();
      },
    });
    await expect(running).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(messages.at(-1)).toMatch(/^influence on the output: block 1 of 2/);
    expect(gainsFiles(cache)).toEqual([]);
    const stored = await request('sensitivity/stored', { path: path('mixtral'), cacheDir: cache });
    expect(stored!.rows.every(({ cells, gain }) => cells.length > 0 && gain === undefined)).toBe(true);
  });

  it('are found again by later runs, and measured once for a text', async () => {
    const formats = ['Q4_0', 'Q5_0']; // Q5_0: rows are not whole blocks of Q4_K
    const first = await measure(path('gemma2'), formats);
    const stored = await request('sensitivity/stored', { path: path('gemma2'), cacheDir });
    expect(stored).toEqual(first);
    expect(tableNotes(first)).toEqual([
      expect.stringMatching(/^The model predicts generated-calibration\.txt no better than chance/),
    ]); // its weights are random
    const messages: string[] = [];
    const params = { path: path('gemma2'), device: 'cpu', cacheDir, formats } as const;
    const progress = ({ message }: EngineProgress) => void messages.push(message);
    expect(await request('sensitivity/run', { ...params, text: calibration }, { progress })).toEqual(first);
    expect(await request('sensitivity/run', { ...params, keptGains: true }, { progress })).toEqual(first);
    expect(messages).toEqual([]);
  });

  it('are those of the text that was measured last', async () => {
    const evaluation = join(sampleFolder, 'generated-eval.txt');
    const first = await measure(path('gemma2'), ['Q4_0']);
    const other = await measure(path('gemma2'), ['Q4_0'], evaluation);
    expect(other.gainsFrom).toMatchObject({ text: evaluation, tokens: 2048 });
    expect(other.rows.map(({ gain }) => gain)).not.toEqual(first.rows.map(({ gain }) => gain));
  });
});

describe('gains by the curvature', () => {
  it('are those of one backward pass for tensors of blocks, and measured for others', async () => {
    const [model, cache] = [path('curved'), path('curvature')];
    await writeCheckpoint(model, 'gemma2');
    const messages: string[] = [];
    const params = {
      path: model,
      device: 'cpu',
      cacheDir: cache,
      text: shortText,
      formats: ['Q8_0'],
    } as const;
    const progress = ({ message }: EngineProgress) => void messages.push(message);
    const run = (more: { curvature?: boolean }): Promise<SensitivityTable> =>
      request('sensitivity/run', { ...params, ...more }, { progress });
    const estimate = await request('sensitivity/estimate', { ...params, curvature: true });
    expect(estimate.seconds).toBeGreaterThan(0);
    expect(estimate.curvatureSeconds).toBe(estimate.seconds);
    const curved = await run({ curvature: true });
    expect(curved.gainsFrom).toMatchObject({ text: shortText, by: 'curvature' });
    expect(messages.some((message) => message.startsWith('curvature: gradients of block'))).toBe(true);
    const stored = await request('sensitivity/stored', { path: model, cacheDir: cache });
    expect(stored!.gainsFrom).toEqual(curved.gainsFrom);
    const measured = await run({});
    expect(measured.gainsFrom).not.toHaveProperty('by');
    for (const [i, { tensor, gain }] of curved.rows.entries()) {
      const ratio = gain! / measured.rows[i]!.gain!;
      expect(gain, tensor).toBeGreaterThan(0);
      if (!tensor.startsWith('blk.')) expect(ratio, tensor).toBeCloseTo(1, 6);
      // Of attention only products of single tokens count, in which a model of random weights has a smaller part.
      if (/\.ffn_/.test(tensor)) expect(Math.abs(ratio - 0.9), tensor).toBeLessThan(0.25);
    }
    messages.length = 0;
    expect(await run({ curvature: true })).toEqual(measured); // measured ones are the better ones
    expect(messages).toEqual([]);
  });

  it('are rejected for a mixture of experts before anything is measured, and not offered', async () => {
    const model = path('routed');
    await writeCheckpoint(model, 'mixtral');
    const params = { path: model, device: 'cpu', cacheDir: path('unused'), text: shortText } as const;
    for (const job of ['sensitivity/estimate', 'sensitivity/run'] as const)
      await expect(request(job, { ...params, curvature: true })).rejects.toMatchObject({
        code: 'REQUEST',
        message: expect.stringMatching(/other experts, .* Leave out --curvature .*\(.*routed/) as string,
      });
    expect(existsSync(path('unused'))).toBe(false);
    const estimate = await request('sensitivity/estimate', params);
    expect([estimate.text?.file, estimate.curvatureSeconds]).toEqual([shortText, undefined]);
  });
});

describe('a plan with gains', () => {
  it('diverges less than Q4_K_M in as many bytes, on another text, and about as much as predicted', async () => {
    const table = await measure(sampleFolder);
    const text = join(sampleFolder, 'generated-eval.txt');
    const run = (variant: { type?: string; planFile?: string }) =>
      evaluate({ text, context: 256, windows: 12, memory: 'streamed', ...variant });
    const preset = await run({ type: 'Q4_K_M' });
    const plan = makePlan(table, { kind: 'bytes', value: preset.bytes });
    const mix = await run({ planFile: writeFile(folder, 'mix.ampq.json', printPlan(plan)) });
    expect(plan.total.bytes).toBeLessThanOrEqual(preset.bytes);
    const measured = mix.text!.divergence!.mean.value;
    expect(measured).toBeLessThan(preset.text!.divergence!.mean.value);
    expect(Math.abs(plan.total.divergence! / measured - 1)).toBeLessThan(0.3);
  });
});
