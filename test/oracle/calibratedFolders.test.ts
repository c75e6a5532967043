import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { foldedScales } from '../../src/exporter/checkpoint/foldedScales';
import { planCheckpoint } from '../../src/exporter/checkpoint/plan';
import { writeCheckpoint } from '../../src/exporter/checkpoint/writeCheckpoint';
import { allWeights } from '../../src/layouts/changedModel';
import { openModel } from '../../src/layouts/openModel';
import type { Model } from '../../src/model/model';
import type { MethodOptions, Recipe, RecipeRule } from '../../src/protocol/recipe';
import { scaledEvidence, type EvidenceSource } from '../../src/quant/evidence';
import { awq, compressedIntegers, gptq } from '../../src/quant/grids/libraries';
import { hasSharedData, temporaryFolder } from '../support/files';
import { measuredEvidence } from '../support/measuredEvidence';
import { outputError } from '../support/outputError';
import { Random } from '../support/random';
import { readReference } from '../support/reference';
import { logitsOf } from '../support/referenceLogits';
import { reference } from '../support/referenceRecipes';

const context = 64;

interface Case {
  readonly folder: string;
  readonly layout: string;
  readonly rules: readonly RecipeRule[];
}

const rule = (grid: RecipeRule['grid'], options: MethodOptions = {}): RecipeRule => ({
  grid,
  method: { id: 'gptq', options },
});

/** Folders that GPTQ made from the calibration tokens: the same grids and layouts by our method with its usual options. */
const cases: readonly Case[] = [
  { folder: 'gptqmodel/folders/gptq-4bit-g128-sym', layout: 'gptq', rules: [rule(gptq(4, 128, true))] },
  { folder: 'gptqmodel/folders/gptq-2bit-g32-asym', layout: 'gptq', rules: [rule(gptq(2, 32, false))] },
  { folder: 'gptqmodel/folders/gptq-3bit-g32-sym', layout: 'gptq', rules: [rule(gptq(3, 32, true))] },
  { folder: 'gptqmodel/folders/gptq-4bit-g32-asym', layout: 'gptq', rules: [rule(gptq(4, 32, false))] },
  { folder: 'gptqmodel/folders/gptq-8bit-g32-sym', layout: 'gptq', rules: [rule(gptq(8, 32, true))] },
  { folder: 'gptqmodel/folders/gptq_v2-4bit-g32-asym', layout: 'gptq-v2', rules: [rule(gptq(4, 32, false))] },
  {
    folder: 'gptqmodel/folders/gptq-4bit-g32-desc_act',
    layout: 'gptq',
    rules: [rule(gptq(4, 32, true), { group_aware: false })],
  },
  {
    folder: 'gptqmodel/folders/gptq-4bit-g32-dynamic',
    layout: 'gptq',
    rules: [
      { match: 'down_proj', grid: 'keep' },
      { match: 'v_proj', ...rule(gptq(8, 32, true)) },
      rule(gptq(4, 32, true)),
    ],
  },
  {
    folder: 'compressed-tensors/folders/W4A16-gptq-actorder-group',
    layout: 'compressed-tensors-pack',
    rules: [rule(compressedIntegers(4, 128), { group_aware: false })],
  },
];

const recipeOf = ({ layout, rules }: Pick<Case, 'layout' | 'rules'>): Recipe => ({
  ...{ version: 1, id: 'test', label: 'test', description: '', target: 'checkpoint' },
  ...{ layout, rules },
});

describe.skipIf(!hasSharedData)('folders that need evidence, made with our calibration', () => {
  let base: Model;
  let evidence: EvidenceSource;
  let heldOut: EvidenceSource;
  const fresh = Int32Array.from(
    new Random(77).fill(32 * context, (random) => Math.floor(256 * random.next())),
  );

  beforeAll(async () => {
    base = await openModel(join(reference, 'base', 'tiny-llama'));
    const { bytes } = readReference('calibration', 'tiny-llama-calibration-tokens.safetensors').get(
      'input_ids',
    )!;
    const tokens = Int32Array.from(new BigInt64Array(bytes.slice().buffer), Number);
    evidence = await measuredEvidence(base, tokens, context);
    heldOut = await measuredEvidence(base, fresh, context);
  });
  afterAll(() => base.close());

  async function written(recipe: Recipe): Promise<Model> {
    const plan = planCheckpoint(base, recipe);
    const transforms = await foldedScales(base, plan, evidence);
    const out = join(temporaryFolder(), 'out');
    await writeCheckpoint(base, plan, out, { evidence: scaledEvidence(evidence, transforms), transforms });
    return openModel(out);
  }

  /** Error of the outputs of each matrix that a folder stores quantized, on inputs that no calibration saw. */
  async function errorsOf(model: Model): Promise<Map<string, number>> {
    const errors = new Map<string, number>();
    for (const tensor of model.description.tensors.filter(({ stored }) => stored)) {
      const { hessian } = await heldOut.for(tensor.name, 'hessian');
      const original = await allWeights(base, base.tensor(tensor.name));
      errors.set(tensor.name, outputError(hessian!, original, await allWeights(model, tensor)));
    }
    return errors;
  }

  /** Mean KL divergence from the original over held-out positions (nats). */
  async function divergenceOf(model: Model): Promise<number> {
    let sum = 0;
    for (let first = 0; first < fresh.length; first += context) {
      const window = fresh.subarray(first, first + context);
      const [theirs, ours] = [await logitsOf(base, window), await logitsOf(model, window)];
      for (let at = 0; at < theirs.length; at += 256)
        sum += divergence(theirs.subarray(at, at + 256), ours.subarray(at, at + 256));
    }
    return sum / fresh.length;
  }

  it.each(cases)('$folder: no larger errors of outputs', async (item) => {
    const [ours, theirs] = [await written(recipeOf(item)), await openModel(join(reference, item.folder))];
    const [own, given] = [await errorsOf(ours), await errorsOf(theirs)];
    expect([...own.keys()].sort()).toEqual([...given.keys()].sort());
    const ratios = [...own].map(([name, error]) => error / given.get(name)!);
    const [kl, theirKl] = [await divergenceOf(ours), await divergenceOf(theirs)];
    expect(Math.max(...ratios)).toBeLessThan(1.02);
    expect(kl).toBeLessThan(1.02 * theirKl);
    await ours.close();
    await theirs.close();
  });

  it('AWQ: no larger divergence than from the folder whose factors AutoAWQ found', async () => {
    const rules = [{ grid: awq(4, 32), method: { id: 'awq' } }];
    const ours = await written(recipeOf({ layout: 'awq', rules }));
    const theirs = await openModel(join(reference, 'autoawq/folders/gemm-4bit-g32-scaled'));
    const rounded = await written(recipeOf({ layout: 'awq', rules: [{ grid: awq(4, 32) }] }));
    const [own, given, plain] = [
      await divergenceOf(ours),
      await divergenceOf(theirs),
      await divergenceOf(rounded),
    ];
    expect(own).toBeLessThan(1.02 * given);
    expect(own).toBeLessThan(plain);
    for (const model of [ours, theirs, rounded]) await model.close();
  });
});

function divergence(theirs: Float32Array, ours: Float32Array): number {
  const [p, q] = [logSoftmax(theirs), logSoftmax(ours)];
  return p.reduce((sum, value, i) => sum + Math.exp(value) * (value - q[i]!), 0);
}

function logSoftmax(logits: Float32Array): Float64Array {
  const sum = logits.reduce((total, value) => total + Math.exp(value), 0);
  return Float64Array.from(logits, (value) => value - Math.log(sum));
}
