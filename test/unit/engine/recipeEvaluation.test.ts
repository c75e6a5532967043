import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { obtainEvidence } from '../../../src/engine/evaluation/obtainEvidence';
import { recipeVariant } from '../../../src/engine/evaluation/recipeVariant';
import { prepareRecipe } from '../../../src/engine/prepareRecipe';
import { planCheckpoint } from '../../../src/exporter/checkpoint/plan';
import { allWeights } from '../../../src/layouts/changedModel';
import { openModel } from '../../../src/layouts/openModel';
import { loadNative } from '../../../src/native';
import type { EvaluationResult } from '../../../src/protocol/evaluation';
import { greatestOf } from '../../../src/protocol/extremes';
import type { RecipeSelection } from '../../../src/protocol/quantizeModel';
import type { Recipe } from '../../../src/protocol/recipe';
import { gptq } from '../../../src/quant/grids/libraries';
import { presetById, resolveRecipe } from '../../../src/recipes/resolveRecipe';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const cacheDir = join(folder, 'cache');
const { request, evaluate } = engineJobs(cacheDir);
const text = join(sampleFolder, 'generated-eval.txt');
const calibration = { text: join(sampleFolder, 'generated-calibration.txt'), tokens: 1024, context: 64 };
const windows = { context: 64, windows: 6 } as const;
const model = join(folder, 'llama');

beforeAll(() => writeCheckpoint(model, 'llama'));

const figures = ({ text: found }: EvaluationResult) => ({
  perplexity: found!.perplexity.value,
  divergence: found!.divergence!.mean.value,
});

/** A recipe without rounding of inputs, which is not part of the evaluation of a checkpoint. */
const inlineOf = async (selection: RecipeSelection): Promise<RecipeSelection> => ({
  inline: withoutInputs(await resolveRecipe(selection)),
});

const withoutInputs = ({ activations: _inputs, ...recipe }: Recipe): Recipe => recipe;

describe('an evaluation of a recipe', () => {
  it.each<[string, RecipeSelection]>([
    ['rounding', { recipe: 'bnb-nf4-dq' }],
    ['powers of two as scales', { recipe: 'mxfp4' }],
    ['a runtime that computes in half precision', { recipe: 'eetq-int8' }],
    ['a cast to half precision, decoded in float32', { recipe: 'bnb-int8' }],
    [
      'GPTQ, with groups of columns out of order',
      {
        recipe: 'gptq-int4-g32',
        changes: { calibration, options: { act_order: true, group_aware: false, static_groups: false } },
      },
    ],
    [
      'AWQ, with scales in norms and other matrices',
      {
        recipe: 'awq-int4-g128',
        changes: { group: 32, calibration },
      },
    ],
  ])('has the figures of the checkpoint that it would write: %s', async (name, recipe) => {
    const out = join(folder, `written ${name}`);
    await request('model/quantize', { path: model, out, ...recipe, cacheDir, device: 'cpu' });
    const planned = figures(await evaluate({ path: model, recipe, text, ...windows }));
    const written = figures(await evaluate({ path: out, against: model, text, ...windows }));
    expect(planned.divergence).toBeGreaterThan(0);
    expect(planned.perplexity / written.perplexity).toBeCloseTo(1, 7);
    expect(planned.divergence / written.divergence).toBeCloseTo(1, 4);
  });

  it.each<[string, RecipeSelection]>([
    ['weights in the dtype of the model', { recipe: 'torchao-int8wo' }],
    ['the same, with scales rounded before', { recipe: 'gptq-int4-g32', changes: { method: 'rtn' } }],
    ['a global scale', { recipe: 'nvfp4' }],
    ['float32, though the model is in BF16', { recipe: 'fp8-block' }],
  ])('has the figures of the checkpoint, which decodes to %s', async (name, recipe) => {
    const out = join(folder, `decoded ${name}`);
    await request('model/quantize', { path: sampleFolder, out, ...recipe, cacheDir, device: 'cpu' });
    const weightsOnly = await inlineOf(recipe);
    const planned = figures(await evaluate({ path: sampleFolder, recipe: weightsOnly, text, ...windows }));
    const written = figures(await evaluate({ path: out, against: sampleFolder, text, ...windows }));
    expect(planned.perplexity / written.perplexity).toBeCloseTo(1, 7);
    expect(planned.divergence / written.divergence).toBeCloseTo(1, 4);
  });

  it('weights clipping by the inputs where there is a calibration', async () => {
    const changes = { method: 'ecb', group: 32 };
    const quantized = async (name: string, more: object) => {
      const recipe = { recipe: 'w4a16', changes: { ...changes, ...more } };
      const out = join(folder, name);
      const { weights } = await request('model/quantize', { path: model, out, ...recipe, cacheDir });
      const { text: found } = await evaluate({ path: out, against: model, text, ...windows });
      return { weights, divergence: found!.divergence!.mean.value };
    };
    const [alone, known] = [await quantized('alone', {}), await quantized('known', { calibration })];
    expect(new Set(alone.weights.map(({ evidence }) => evidence))).toEqual(new Set(['none']));
    expect(new Set(known.weights.map(({ evidence }) => evidence))).toEqual(new Set(['importance']));
    const errors = known.weights.map(
      ({ relativeError }, i) => relativeError / alone.weights[i]!.relativeError,
    );
    expect(Math.min(...errors)).toBeGreaterThanOrEqual(1);
    expect(Math.max(...errors)).toBeGreaterThan(1);
    expect(known.divergence).toBeLessThan(alone.divergence);
  });

  it('folds scales into norms so that these lose nothing in their own dtype', async () => {
    const opened = await openModel(model);
    const plan = planCheckpoint(opened, {
      ...presetById('awq-int4-g128'),
      layout: 'gptq-v2', // keeps norms in BF16
      rules: [{ grid: gptq(4, 32, false), method: { id: 'awq' } }],
      calibration,
    });
    const context = { signal: new AbortController().signal, progress: () => undefined };
    const { transforms } = await prepareRecipe(opened, plan, { cacheDir, device: 'cpu' }, context);
    const name = 'model.layers.0.input_layernorm.weight';
    const { rowDivisors } = transforms.get(name)!;
    const { columnScales } = transforms.get('model.layers.0.self_attn.q_proj.weight')!;
    expect(columnScales).toEqual(rowDivisors);
    expect(new Set(rowDivisors).size).toBeGreaterThan(8);
    const norm = await allWeights(opened, opened.tensor(name));
    const divided = norm.map((value, i) => value / rowDivisors![i]!);
    const stored = loadNative().storedScales('BF16', divided);
    divided.forEach((value, i) => expect(Math.abs(value / stored[i]! - 1)).toBeLessThan(2 ** -22));
    await opened.close();
  });

  it('names recipe and changes, has the size of the planned folder, and is kept', async () => {
    const recipe = { recipe: 'awq-int4-g128', changes: { group: 32, calibration } } as const;
    const result = await evaluate({ path: model, recipe, text, ...windows });
    expect(result.variant).toBe('awq-int4-g128 (group 32)');
    const preview = await request('model/quantizePreview', { path: model, ...recipe, cacheDir });
    expect(result.bytes).toBe(preview.dataBytes);
    const stored = await request('evaluation/stored', { path: model, cacheDir });
    expect(stored.map(({ id }) => id)).toContain(result.id);
  });

  it('rounds the inputs of matrices where the recipe has it', async () => {
    const recipe = { recipe: 'w8a8' } as const;
    const rounded = figures(await evaluate({ path: model, recipe, text, ...windows }));
    const preview = await request('model/quantizePreview', { path: model, ...recipe, cacheDir });
    const { activations, ...weightsOnly } = preview.recipe;
    expect(activations).toMatchObject({ scale: 'token' });
    const exact = figures(await evaluate({ path: model, recipe: { inline: weightsOnly }, text, ...windows }));
    expect(rounded.divergence).toBeGreaterThan(1.2 * exact.divergence);
    const inline = {
      ...weightsOnly,
      activations: { ...activations!, scale: 'static' as const },
      calibration,
    };
    const fixed = figures(await evaluate({ path: model, recipe: { inline }, text, ...windows }));
    expect(fixed.divergence).toBeGreaterThan(exact.divergence);
    expect(fixed.divergence).toBeLessThan(30 * rounded.divergence);
  });

  it('fixes the scale of the inputs of merged experts by the largest input of any', async () => {
    const path = join(folder, 'mixtral');
    await writeCheckpoint(path, 'mixtral');
    const opened = await openModel(path);
    const context = { signal: new AbortController().signal, progress: () => undefined };
    const { activations, ...recipe } = await resolveRecipe({ recipe: 'w8a8' });
    const inline = { ...recipe, calibration, activations: { ...activations!, scale: 'static' as const } };
    const options = { cacheDir, device: 'cpu' } as const;
    const { roundInputs } = await recipeVariant(opened, { inline }, options, context);
    const settings = { ...calibration, needs: ['importance'], device: 'cpu' } as const;
    const evidence = await obtainEvidence(opened, settings, cacheDir, context);
    const largest: number[] = [];
    for (const expert of [0, 1, 2, 3]) {
      const name = `model.layers.0.block_sparse_moe.experts.${expert}.w2.weight`;
      largest.push(greatestOf((await evidence.for(name, 'importance')).largest!));
    }
    expect(new Set(largest).size).toBe(4);
    const rounding =
      typeof roundInputs === 'function' ? roundInputs('blk.0.ffn_down_exps.weight') : undefined;
    expect(rounding).toEqual({ ...inline.activations, largest: greatestOf(largest) });
    await opened.close();
  });

  it.each([
    [{ roundActivations: true }, 'A recipe says itself how activations are rounded'],
    [{ imatrix: '/i.gguf' }, 'an importance matrix is not used with it'],
  ])('rejects %j, which it would not follow', (settings, message) =>
    expect(evaluate({ path: model, recipe: { recipe: 'bnb-nf4' }, text, ...settings })).rejects.toMatchObject(
      {
        code: 'REQUEST',
        message: expect.stringContaining(message) as string,
      },
    ),
  );

  it('says how to give missing evidence, and that recipes for GGUF are file types', async () => {
    const missing = evaluate({
      path: model,
      recipe: { recipe: 'gptq-int4-g32' },
      text,
      cacheDir: join(folder, 'empty'),
    });
    await expect(missing).rejects.toMatchObject({
      code: 'REQUEST',
      message: expect.stringContaining('--calibration') as string,
    });
    const gguf = evaluate({ path: model, recipe: { recipe: 'gguf-q4_k_m' }, text });
    await expect(gguf).rejects.toThrow('evaluate the file type Q4_K_M instead');
  });
});
