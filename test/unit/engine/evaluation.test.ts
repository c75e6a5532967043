import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { printPlan } from '../../../src/ampq/planFile';
import { readImatrix } from '../../../src/model/imatrix';
import type { EvaluationParams, EvaluationResult } from '../../../src/protocol/evaluation';
import { planFor } from '../../support/plans';
import { writeChangedSample, type Formats } from '../../support/changedSample';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder, writeFile } from '../../support/files';
import { exportTo } from '../../support/imatrixFiles';

const folder = temporaryFolder();
const { evaluate, request } = engineJobs(folder);
const text = join(sampleFolder, 'generated-eval.txt');
const settings = { text, context: 64, windows: 4, memory: 'streamed', threads: 1 } as const;
const run = (params: Partial<EvaluationParams> = {}): Promise<EvaluationResult> =>
  evaluate({ ...settings, ...params });
const path = (name: string): string => join(folder, name);

const isMatrix = (name: string): boolean => /layers\.\d+\..*_proj\.weight$/.test(name);

/** Same losses of every token, up to float32's rounding. */
function expectSameLosses(a: EvaluationResult, b: EvaluationResult): void {
  expect(a.text!.loss.value).toBeCloseTo(b.text!.loss.value, 6);
  expect(a.text!.loss.standardError).toBeCloseTo(b.text!.loss.standardError, 6);
  expect(a.text!.scoredTokens).toBe(4 * 31);
}

describe('the same model in other places', () => {
  beforeAll(async () => {
    await exportTo(sampleFolder, { type: 'BF16' }, path('sample.gguf'));
    await exportTo(sampleFolder, { type: 'Q4_K_M' }, path('small.gguf'));
  });

  it('has the same losses in a GGUF file as in a checkpoint', async () => {
    expectSameLosses(await run({ path: path('sample.gguf') }), await run());
  });

  it('has the same losses whether all weights are in memory or those of a block', async () => {
    const [whole, streamed] = [await run({ memory: 'whole' }), await run()];
    expect([whole.measures.memory, streamed.measures.memory]).toEqual(['whole', 'streamed']);
    expectSameLosses(whole, streamed);
    expect(whole.measures.nextTokenMs).toBeGreaterThan(0);
    expect(streamed.measures).not.toHaveProperty('nextTokenMs');
    const pair = { path: sampleFolder, cacheDir: folder, a: whole.id, b: streamed.id };
    const { loss } = await request('evaluation/pair', pair);
    expect(Math.abs(loss.value) + loss.standardError).toBeLessThan(1e-6);
  });

  it('has the same divergence from the original as a file and as a variant', async () => {
    const file = await run({ path: path('small.gguf'), against: sampleFolder });
    const variant = await run({ type: 'Q4_K_M' });
    expectSameLosses(file, variant);
    const [ours, theirs] = [file.text!.divergence!, variant.text!.divergence!];
    expect(theirs.mean.value).toBeGreaterThan(1e-4);
    expect(Math.abs(ours.mean.value / theirs.mean.value - 1)).toBeLessThan(1e-6);
    expect(ours.sameTopToken).toEqual(theirs.sameTopToken);
    expect([ours.base, theirs.base]).toEqual(['tiny-shakespeare-llama', 'the original']);
    expect(ours.baseHash).toBe(theirs.baseHash);
    expect([file.variant, variant.variant, file.bytes]).toEqual(['original', 'Q4_K_M', variant.bytes]);
  });

  it('has the same divergence from a base with and without a tokenizer', async () => {
    const bare = path('bare');
    mkdirSync(bare);
    for (const name of ['config.json', 'model.safetensors'])
      cpSync(join(sampleFolder, name), join(bare, name));
    const [withOne, without] = [await run({ type: 'Q4_0' }), await run({ type: 'Q4_0', against: bare })];
    expect(without.text!.divergence!.mean).toEqual(withOne.text!.divergence!.mean);
  });
});

/** Weights of the sample's norms, which are written as F32. */
const norms = 13 * 256;

describe('variants of the weights', () => {
  /** A checkpoint whose weights were changed before it was opened. */
  async function changed(name: string, formats: Formats): Promise<EvaluationResult> {
    await writeChangedSample(path(name), formats);
    return run({ path: path(name) });
  }

  it('by a plan are what its formats store, also formats that GGUF does not have', async () => {
    const layer = 'model.layers.2';
    const formats: Readonly<Record<string, readonly [string, string]>> = {
      'model.embed_tokens.weight': ['token_embd.weight', 'Q8_0'],
      [`${layer}.self_attn.q_proj.weight`]: ['blk.2.attn_q.weight', 'nf4'],
      [`${layer}.self_attn.o_proj.weight`]: ['blk.2.attn_output.weight', 'Q2_K'],
      [`${layer}.mlp.down_proj.weight`]: ['blk.2.ffn_down.weight', 'rowwise-int8'],
      [`${layer}.mlp.up_proj.weight`]: ['blk.2.ffn_up.weight', 'absmax-int8'],
      [`${layer}.mlp.gate_proj.weight`]: ['blk.2.ffn_gate.weight', 'minmax-int4'],
      'lm_head.weight': ['output.weight', 'block-int4-asym'],
    };
    const plan = await planFor(sampleFolder, Object.fromEntries(Object.values(formats)));
    const planned = await run({ planFile: writeFile(folder, 'mixed.ampq.json', printPlan(plan)) });
    const others = (name: string) => (isMatrix(name) ? 'F16' : undefined);
    expectSameLosses(planned, await changed('planned', (name) => formats[name]?.[1] ?? others(name)));
    expect(planned.variant).toBe('mixed.ampq.json');
    expect(planned.text!.divergence!.mean.value).toBeGreaterThan(0.001); // min–max over a tensor is coarse
    const small = 256 * 256;
    const rest = 5_246_208 - 2 * 1024 * 256 - 2 * small - 3 * 256 * 768;
    const embedding = 1024 * 256 * (34 / 32);
    const attention = small / 2 + 4 * (small / 64) + (small / 256) * 84;
    const wide = 256 * 768;
    const mlp = wide + 4 * 256 + (wide + 4) + (wide / 2 + 8);
    const output = 1024 * 256 * 0.5 + 8 * ((1024 * 256) / 32);
    // Matrices that the plan does not list are written as F16, norms as F32.
    expect(planned.bytes).toBe(2 * (rest - norms) + 4 * norms + embedding + attention + mlp + output);
    expect(plan.total.bytes).toBe(planned.bytes);
  });

  it.each(['rowwise-int8', 'absmax-int8', 'nf4', 'IQ4_XS'])(
    'by the format %s are what it stores of every matrix of the blocks',
    async (format) => {
      const variant = await run({ format });
      expectSameLosses(variant, await changed(format, (name) => (isMatrix(name) ? format : undefined)));
      expect(variant.variant).toBe(format);
      expect(variant.text!.divergence!.mean.value).toBeGreaterThan(1e-6);
    },
  );

  it('have the bytes of codes, scales and unchanged tensors', async () => {
    const { bytes, bitsPerWeight } = await run({ format: 'rowwise-int8' });
    const [weights, rows] = [4_718_592, 6 * 2560];
    expect(bytes).toBe(weights + 4 * rows + 2 * (5_246_208 - weights - norms) + 4 * norms);
    expect(bitsPerWeight).toBeCloseTo((8 * bytes) / 5_246_208, 12);
  });

  it('with inputs rounded to 8 bits diverge a little more', async () => {
    const [plain, rounded] = [
      await run({ type: 'Q8_0' }),
      await run({ type: 'Q8_0', roundActivations: true }),
    ];
    expect([plain.roundActivations, rounded.roundActivations]).toEqual([false, true]);
    expect(rounded.text!.divergence!.mean.value).toBeGreaterThan(1.5 * plain.text!.divergence!.mean.value);
    // Where nothing is quantized nothing is rounded.
    expectSameLosses(await run({ roundActivations: true }), await run());
  });

  it('follow an importance matrix, which is for formats that need one, too', async () => {
    const imatrix = path('sample.imatrix.gguf');
    await request('calibration/run', {
      ...{ path: sampleFolder, text: join(sampleFolder, 'generated-calibration.txt'), out: imatrix },
      ...{ device: 'cpu', windows: 8 },
    });
    const target = { type: 'Q2_K', imatrix: await readImatrix(imatrix) };
    await exportTo(sampleFolder, target, path('weighted.gguf'));
    const weighted = await run({ type: 'Q2_K', imatrix });
    expectSameLosses(weighted, await run({ path: path('weighted.gguf') }));
    expect(
      Math.abs(weighted.text!.loss.value - (await run({ type: 'Q2_K' })).text!.loss.value),
    ).toBeGreaterThan(1e-4);
    const smallest = await run({ format: 'IQ2_XXS', imatrix });
    expect(smallest.bytes).toBe((4_718_592 * 66) / 256 + 2 * (5_246_208 - 4_718_592 - norms) + 4 * norms);
    expect(smallest.text!.divergence!.mean.value).toBeGreaterThan(weighted.text!.divergence!.mean.value);
  });
});
