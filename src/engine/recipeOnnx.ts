import { moduleOf } from '../exporter/checkpoint/linearWeights';
import { RecipePatterns } from '../exporter/checkpoint/recipePatterns';
import { evidenceKinds, type MethodPlan } from '../exporter/checkpoint/preview';
import type { ActivationForm } from '../exporter/onnx/calibrationRanges';
import type { MatrixChoices } from '../exporter/onnx/graphTensors';
import { onnxMatrices, type OnnxMatrix } from '../exporter/onnx/matrices';
import { codeStorages, type CodeStorage, type MatrixChoice } from '../exporter/onnx/storage';
import { previewOnnx, writeOnnx } from '../exporter/onnx/writeOnnx';
import { bandBytes } from '../exporter/onnx/transposed';
import { estimatedSeconds, methodMemory, processMemory, slabMemory } from '../exporter/estimates';
import type { Inputs } from '../files/inputs';
import { QuantscopeError } from '../model/errors';
import type { Model } from '../model/model';
import type { OnnxPreview } from '../protocol/exportOnnx';
import type { Grid } from '../protocol/grids';
import type { QuantizeModelParams, QuantizeModelResult, QuantizePreview } from '../protocol/quantizeModel';
import type { MethodOptions, Recipe } from '../protocol/recipe';
import { said } from '../protocol/said';
import type { EvidenceSource } from '../quant/evidence';
import type { Method } from '../quant/methods/method';
import { methodById } from '../quant/methods/methods';
import { optionsOf } from '../quant/methods/options';
import { defaultMethod, isGrid } from '../recipes/checkRecipe';
import type { JobContext } from './job';
import { choiceFor, refuseScaling } from './onnxChoice';

/** A matrix that a recipe quantizes. */
interface RecipeMatrix extends OnnxMatrix {
  /** Index of the rule. */
  readonly rule: number;
  readonly grid: Grid;
  readonly method: Method;
  readonly options: MethodOptions;
}

/** A recipe and the matrices of a model that it quantizes. */
export interface OnnxRecipePlan extends MethodPlan {
  readonly tensors: readonly { readonly matrix: RecipeMatrix }[];
  readonly storage: CodeStorage;
  /** How inputs are rounded, where they are. */
  readonly activations: ActivationForm | undefined;
  /** What the recipe names and the model does not have. */
  readonly warnings: readonly string[];
}

/**
 * @throws QuantscopeError as `onnxMatrices`; REQUEST for a method that does more than find codes; UNSUPPORTED for a layout or activations
 * that ONNX has not.
 */
export async function planOnnxRecipe(model: Model, recipe: Recipe): Promise<OnnxRecipePlan> {
  const [storage, activations] = [layoutStorage(recipe), activationForm(recipe)];
  const patterns = new RecipePatterns(recipe);
  const matrices = await matricesOf(model, recipe, patterns);
  return {
    ...{ recipe, storage, activations },
    tensors: matrices.map((matrix) => ({ matrix })),
    warnings: patterns.idle(),
  };
}

/** What a recipe for ONNX would write. @throws QuantscopeError as `previewOnnx`. */
export async function previewOnnxRecipe(
  model: Model,
  plan: OnnxRecipePlan,
  out: string | undefined,
  { signal, inputs }: Pick<JobContext, 'signal'> & { readonly inputs?: Inputs },
): Promise<QuantizePreview> {
  const choices = await planChoices(plan, undefined, signal);
  return described(model, plan, await previewOnnx(model, choices, out, { inputs }));
}

/**
 * Writes an ONNX model as a recipe says.
 * @param read what `neededEvidence` of the plan names, absent where it names nothing; and all files that were read, since before it was measured.
 * @throws QuantscopeError as `writeOnnx`.
 */
export async function exportOnnxRecipe(
  model: Model,
  plan: OnnxRecipePlan,
  { out }: Pick<QuantizeModelParams, 'out'>,
  { evidence, inputs }: { readonly evidence: EvidenceSource | undefined; readonly inputs: Inputs },
  { signal, progress }: JobContext,
): Promise<Omit<QuantizeModelResult, 'peakMemory'>> {
  const choices = await planChoices(plan, evidence, signal);
  const result = await writeOnnx(model, choices, out, { signal, onProgress: progress, inputs });
  const preview = described(model, plan, result);
  return {
    ...preview,
    ...(evidence ? { evidence: { ...preview.evidence, text: evidence.text.path } } : {}),
    notes: [...preview.notes, ...(evidence?.notes ?? [])],
    ...{ out: result.out, weights: [], seconds: result.seconds },
  };
}

async function matricesOf(model: Model, recipe: Recipe, patterns: RecipePatterns): Promise<RecipeMatrix[]> {
  const matrices = await onnxMatrices(model);
  return patterns.decide(() =>
    matrices.flatMap((matrix) => {
      // Where the output is the embedding, its module is still the head.
      const modules = [moduleOf(matrix.source), ...(matrix.name === 'output.weight' ? ['lm_head'] : [])];
      if (modules.some((module) => patterns.skips(module))) return [];
      const rule = patterns.ruleOf(matrix.source);
      const { grid, method: choice } = recipe.rules[rule] ?? {};
      if (grid === undefined || !isGrid(grid)) return [];
      const method = refuseScaling(methodById(choice?.id ?? defaultMethod));
      return [{ ...matrix, rule, grid, method, options: optionsOf(method, choice?.options) }];
    }),
  );
}

async function planChoices(
  { tensors, storage, activations }: OnnxRecipePlan,
  evidence: EvidenceSource | undefined,
  signal: AbortSignal,
): Promise<MatrixChoices> {
  const choices = new Map<string, MatrixChoice>();
  for (const { matrix } of tensors) {
    const { grid, method, options } = matrix;
    const quantization = { grid, method, storage, options, activations };
    choices.set(matrix.name, await choiceFor(matrix, quantization, evidence, signal));
  }
  return choices;
}

function layoutStorage({ layout }: Recipe): CodeStorage {
  const found = codeStorages.find((id) => id === layout);
  if (found) return found;
  const message = said`The layout of a recipe for ONNX is ${codeStorages.join(', ')}, not "${layout}".`;
  throw new QuantscopeError('UNSUPPORTED', message);
}

/** How inputs are rounded in the graph: by fixed scales, as a graph has no others. */
function activationForm({ activations }: Recipe): ActivationForm | undefined {
  if (!activations) return undefined;
  const { levels, scale } = activations;
  if (scale === 'static') {
    if (levels.kind === 'integer' && levels.bits === 8)
      return levels.signed ? { type: 'I8', symmetric: true } : { type: 'U8', symmetric: false };
    if (levels.kind === 'float' && levels.exponent === 4 && levels.mantissa === 3)
      return { type: 'F8_E4M3', symmetric: true };
  }
  const message = said`Inputs of matrices are rounded in an ONNX graph to 8-bit integers or E4M3, with static scales; the recipe asks for others.`;
  throw new QuantscopeError('UNSUPPORTED', message);
}

function described(
  model: Model,
  plan: OnnxRecipePlan,
  { tensors, files, fileBytes, parameters, bitsPerWeight, notes }: OnnxPreview,
): QuantizePreview {
  const quantized = new Map(plan.tensors.map(({ matrix }) => [matrix.name, matrix]));
  const bytes = new Map(model.description.tensors.map(({ name, byteLength }) => [name, byteLength]));
  return {
    ...{ recipe: plan.recipe, fileBytes, parameters, bitsPerWeight, notes, warnings: plan.warnings },
    tensors: tensors.map((tensor) => {
      const matrix = quantized.get(tensor.name);
      const { name, shape, from, to, bytes: size } = tensor;
      return {
        ...{ name, shape, from, to, bytes: size, quantized: matrix !== undefined },
        ...(matrix ? { rule: matrix.rule, method: matrix.method.id } : {}),
        sourceBytes: bytes.get(matrix?.source ?? name) ?? 0,
        reason: matrix ? said`rule ${matrix.rule + 1}` : said`kept as floats`,
      };
    }),
    files: files.map((file) => ({
      ...file,
      tensors: file.name.startsWith('model.onnx') ? tensors.length : 0,
    })),
    dataBytes: tensors.reduce((sum, tensor) => sum + tensor.bytes, 0),
    sourceBytes: model.description.dataBytes,
    evidence: evidenceKinds(plan),
    estimate: {
      seconds: estimatedSeconds(
        tensors.map(({ name, shape, bytes: size }) => {
          const method = quantized.get(name)?.method;
          return { shape, bytes: size, ...(method ? { method } : {}) };
        }),
      ),
      ...{ memoryBytes: estimatedMemory(plan), diskBytes: fileBytes },
    },
  };
}

/** Slabs of twice as many weights as those of checkpoints, and codes of a matrix that is transposed. */
const estimatedMemory = ({ tensors, storage, activations }: OnnxRecipePlan): number =>
  processMemory +
  tensors.reduce((most, { matrix: { shape, method, options } }) => {
    const [rows, columns] = shape;
    const isTransposed = storage === 'qdq-fusable' || (storage === 'qdq' && activations !== undefined);
    const held = isTransposed ? Math.min(bandBytes, rows * columns) : 0;
    return Math.max(
      most,
      2 * slabMemory(rows * columns) + held + methodMemory(method, [rows, columns], options),
    );
  }, 0);
