import { packModel } from '../../src/model/packTensors';
import type { ModelComparison } from '../../src/protocol/compare';
import type { ExportPreview } from '../../src/protocol/export';
import type { ModelDescription } from '../../src/protocol/model';
import type { Plan } from '../../src/protocol/plan';
import { outlineOf } from '../../src/protocol/planOutline';
import { PlanSteps } from '../../src/protocol/planStep';
import type { QuantizedWeight, QuantizePreview, RecipeChoices } from '../../src/protocol/quantizeModel';
import type { Recipe } from '../../src/protocol/recipe';
import { openPage, type BrowserPage } from './pageInBrowser';

/** What a host says of a model whose figures were never measured: enough for the tables of the page to have all of their columns. */

const shares = [0.0025, 0.0005, 0.00012] as const;
const formats = ['Q3_K', 'Q4_K', 'Q6_K'] as const;
const bits = [3.4375, 4.5, 6.5625] as const;

const weightsOf = ({ shape }: { readonly shape: readonly number[] }): number =>
  shape.reduce((product, size) => product * size, 1);

function planOf({ name, tensors }: ModelDescription): Plan {
  const matrices = tensors.filter(({ shape }) => shape.length > 1);
  const assignments = matrices.map((tensor, i) => ({
    ...{ tensor: tensor.name, sources: [tensor.name], format: formats[i % 3]!, bitsPerWeight: bits[i % 3]! },
    ...{ bytes: (weightsOf(tensor) * bits[i % 3]!) / 8, relativeSquaredError: shares[i % 3]!, gain: 0.01 },
  }));
  const bytes = assignments.reduce((sum, item) => sum + item.bytes, 0);
  const parameters = matrices.reduce((sum, tensor) => sum + weightsOf(tensor), 0);
  return {
    ...{ version: 2, model: { name, hash: '', parameters }, notes: [], assignments },
    budget: { kind: 'bits-per-weight', value: 4.8 },
    total: { bytes, bitsPerWeight: (8 * bytes) / parameters, divergence: 0.2 },
  };
}

/** The plan after the budget was moved a little: one tensor has another format. */
function movedPlan(plan: Plan, place: number): Plan {
  const assignments = plan.assignments.slice();
  const item = assignments[place]!;
  const next = (formats.indexOf(item.format as 'Q3_K') + 1) % formats.length;
  assignments[place] = {
    ...{ ...item, format: formats[next]!, bitsPerWeight: bits[next]! },
    ...{ bytes: (item.bytes * bits[next]!) / item.bitsPerWeight, relativeSquaredError: shares[next]! },
  };
  return { ...plan, assignments };
}

function exportOf({ tensors }: ModelDescription): ExportPreview {
  const exported = tensors.map(({ name, shape, dtype }, i) => ({
    ...{ name, source: name, sources: 1, shape, from: dtype, to: formats[i % 3]!, bytes: 4096 + i },
    ...{ cause: 'mixture' as const, reason: 'down projection of a layer that the mixture keeps wide' },
    ...(i % 3 === 0 ? { presetType: 'Q4_K' } : {}),
  }));
  return {
    ...{ tensors: exported, architecture: 'qwen3moe', preset: 'Q4_K_M', dataBytes: 1e9, fileBytes: 1e9 },
    ...{ parameters: 2e9, bitsPerWeight: 4, presetBytes: 1e9, warnings: [] },
    files: [{ name: 'model.gguf', bytes: 1e9, tensors: tensors.length }],
  };
}

const recipe: Recipe = {
  ...{
    version: 1,
    id: 'gptq-int4-g128',
    label: 'GPTQ',
    description: '',
    layout: 'gptq',
    target: 'checkpoint',
  },
  rules: [],
};

function quantizationOf({ tensors }: ModelDescription): QuantizePreview {
  const planned = tensors.map(({ name, shape, dtype }, i) => ({
    ...{ name, shape, from: dtype, to: 'int4, group 128', quantized: shape.length > 1, rule: 0 },
    ...{ method: 'gptq', sourceBytes: 8192 + i, bytes: 2048 + i, reason: 'a matrix of a block' },
  }));
  return {
    recipe,
    ...{ tensors: planned, files: [], fileBytes: 1e9, dataBytes: 1e9, sourceBytes: 4e9, parameters: 2e9 },
    evidence: { kind: 'hessian', usable: 'hessian', text: '/text.txt' },
    ...{ estimate: { seconds: 60, memoryBytes: 1e9, diskBytes: 1e9 }, warnings: [], notes: [] },
  };
}

export const recipeChoices: RecipeChoices = {
  recipes: [{ recipe, evidence: 'hessian', usable: 'hessian', runtimes: [] }],
  ...{ methods: [], layouts: [{ id: 'gptq', label: 'GPTQ', runtimes: [] }] },
};

/** The matrices that a run has finished at a place of it. */
export const finishedAt = ({ tensors }: ModelDescription, from: number, count: number): QuantizedWeight[] =>
  tensors.slice(from, from + count).map(({ name }) => ({
    ...{ name, bytes: 2048, relativeError: 0.002, roundingError: 0.003, seconds: 0.5, evidence: 'hessian' },
  }));

export function comparisonOf({ tensors }: ModelDescription): ModelComparison {
  const compared = tensors.map(({ name, shape, dtype }, i) => {
    const relativeError = 0.1 / (1 + (i % 997));
    return {
      ...{ name, status: 'different' as const, a: { name, dtype, shape }, b: { name, dtype, shape } },
      error: {
        ...{ relativeError, relativeSquaredError: relativeError ** 2, sqnr: -20 * Math.log10(relativeError) },
        ...{ mse: 1e-6, cosine: 0.9999, maxError: 0.01 },
      },
    };
  });
  const none = { equal: 0, shape: 0, 'not finite': 0, 'only in A': 0, 'only in B': 0, unreadable: 0 };
  return {
    ...{ a: '/a', b: '/b', translated: false, notes: [], tensors: compared, relativeError: 0.01 },
    counts: { ...none, different: compared.length },
  };
}

/**
 * The page of a model with a plan, an export and a quantization that are as long as the model.
 * @param asked is told of every dry run.
 */
export function openTables(
  model: ModelDescription,
  asked: (what: 'export' | 'quantization') => void = () => undefined,
): Promise<BrowserPage> {
  let shown = { revision: 1, plan: planOf(model) };
  const { plan } = shown;
  const steps = new PlanSteps();
  return openPage({
    ready: () => ({
      ...{ model: packModel(model), revision: 1, formats: [], job: { kind: 'idle' } },
      sensitivity: { revision: 1, rung: 'weights', measuredWith: {}, budgets: { min: 2.6, max: 8.5 } },
      plan: outlineOf(
        plan,
        1,
        model.tensors.map(({ name }) => name),
      ),
    }),
    plan: ({ since }) => steps.next(shown, since),
    // Each position of the slider changes one tensor; the exact plan of its rest is the same.
    solvePlan: ({ since, moving }) => {
      const revision = shown.revision + 1;
      shown = { revision, plan: moving ? movedPlan(shown.plan, revision) : shown.plan };
      return steps.next(shown, since);
    },
    savedPlans: () => [],
    exportChoices: () => ({ fileTypes: [], tensorTypes: ['Q3_K', 'Q4_K', 'Q6_K'] }),
    previewExport: () => {
      asked('export');
      return exportOf(model);
    },
    openQuantization: () => ({ choices: recipeChoices }),
    previewQuantization: () => {
      asked('quantization');
      return quantizationOf(model);
    },
  });
}
