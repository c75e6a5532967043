import type { LayoutWriter, StoredTensor, WrittenModel, WrittenWeight } from '../../layouts/layout';
import { modelDtype } from '../../layouts/layout';
import { dtypeNamed } from '../../model/dtypes';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import { matrixOf } from '../../model/rows';
import type { Grid } from '../../protocol/grids';
import type { TensorDescriptor } from '../../protocol/model';
import type { MethodOptions, Recipe, RecipeRule } from '../../protocol/recipe';
import { said } from '../../protocol/said';
import type { Method } from '../../quant/methods/method';
import { methodById } from '../../quant/methods/methods';
import { optionsOf } from '../../quant/methods/options';
import { defaultMethod, isGrid } from '../../recipes/checkRecipe';
import { gridLabel } from '../../recipes/gridLabel';
import { writerNamed } from '../../recipes/writers';
import { tensorBytes } from '../safetensorsHeader';
import { areTransposedExperts, isOfLinearModule, moduleOf, whyNotLinear } from './linearWeights';
import { joinedWarnings, keptNotes, requantizedNotes } from './planNotes';
import { refuseModel, refuseParams } from './refuseModel';
import { defaultShardBytes, planShards, type PlannedShard, type Unit } from './shards';
import { RecipePatterns } from './recipePatterns';

/** How a matrix is quantized. */
export interface PlannedMatrix {
  readonly weight: WrittenWeight;
  readonly method: Method;
  readonly options: MethodOptions;
  /** Number of the rule. */
  readonly rule: number;
  /** Other matrices that the range is that of, too. */
  readonly sharesRange: readonly string[];
}

/** A tensor of the model, and the tensors that it is stored in. */
export interface PlannedTensor extends Unit {
  readonly tensor: TensorDescriptor;
  /** Absent for a tensor that is kept. */
  readonly matrix?: PlannedMatrix;
  /** Of all parts, at most. */
  readonly bytes: number;
  /** A short sentence without its period. */
  readonly reason: string;
}

/** What a recipe makes of the tensors of a model. */
export interface RecipePlan {
  readonly recipe: Recipe;
  readonly writer: LayoutWriter;
  readonly tensors: readonly PlannedTensor[];
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
}

/** Everything about a quantized checkpoint but the values. */
export interface CheckpointPlan extends RecipePlan {
  readonly shards: readonly PlannedShard<PlannedTensor>[];
  /** `__metadata__` of each shard. */
  readonly metadata: Readonly<Record<string, string>>;
  /** `quantization_config` of config.json. */
  readonly quantization: Readonly<Record<string, unknown>>;
  /** Other JSON files that the library reads, by name. */
  readonly files: Readonly<Record<string, Record<string, unknown>>>;
}

/**
 * Plans a checkpoint folder from headers: what `planRecipe` does, the shards, and what the library reads besides the weights.
 * @throws QuantscopeError as `planRecipe`; UNSUPPORTED for inputs with fixed scales, and without a config.json; REQUEST where the library's configuration cannot describe
 * all matrices, naming two of them.
 */
export function planCheckpoint(
  model: Model,
  recipe: Recipe,
  maxShardBytes = defaultShardBytes,
  writer: LayoutWriter = writerNamed(recipe.layout)!,
): CheckpointPlan {
  if (recipe.activations?.scale === 'static') {
    const message = said`Fixed scales of inputs are not written: they would have to be stored with each module. Scales of each token ("scale": "token") are.`;
    throw new QuantscopeError('UNSUPPORTED', message, { file: model.description.path });
  }
  const plan = planRecipe(model, recipe, writer);
  refuseParams(model);
  const written = writtenModel(recipe, plan.tensors);
  return {
    ...plan,
    shards: planShards(plan.tensors, maxShardBytes),
    metadata: { format: 'pt', ...writer.metadata?.(written) },
    quantization: writer.config(written),
    files: writer.files?.(written) ?? {},
  };
}

/**
 * Plans what becomes of each tensor, from headers: which rule applies to it, or why it is kept.
 * @param writer how matrices are stored; that of the recipe's layout, which `checkRecipe` has checked.
 * @throws QuantscopeError UNSUPPORTED for a model that is not a checkpoint, or whose weights cannot all be decoded; REQUEST when nothing would be
 * quantized.
 */
export function planRecipe(
  model: Model,
  recipe: Recipe,
  writer: LayoutWriter = writerNamed(recipe.layout)!,
): RecipePlan {
  refuseModel(model);
  const planner = new Planner(model, recipe, writer);
  const own = model.description.tensors.filter((tensor) => !isOfModule(model, tensor));
  const decided = planner.decideAll(biasesAfterWeights(own));
  const isRefused = ({ tensor }: PlannedTensor): boolean => planner.refused.has(tensor.name);
  const refusals = keptNotes(decided.filter(isRefused));
  if (!decided.some(({ matrix }) => matrix)) throw nothingToDo(model, recipe, refusals[0]);
  const tensors = withSharedRanges(writer, decided);
  return {
    ...{ recipe, writer, tensors },
    warnings: [...refusals, ...planner.idle(), ...joinedWarnings(tensors)],
    notes: [...requantizedNotes(tensors), ...keptNotes(tensors.filter((planned) => !isRefused(planned)))],
  };
}

/** Dense layers that sentence-transformers keeps in folders of their own: those are copied. */
const isOfModule = ({ modules }: Model, { name }: TensorDescriptor): boolean =>
  modules?.some(({ path }) => path !== '' && name.startsWith(`${path}.`)) === true;

/** Each bias right after the matrix that it is added to, because methods may correct it. */
function biasesAfterWeights(tensors: readonly TensorDescriptor[]): TensorDescriptor[] {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const isMoved = ({ name }: TensorDescriptor): boolean =>
    name.endsWith('.bias') && byName.has(name.replace(/bias$/, 'weight'));
  return tensors.flatMap((tensor) => {
    if (isMoved(tensor)) return [];
    const bias = tensor.name.endsWith('.weight')
      ? byName.get(tensor.name.replace(/weight$/, 'bias'))
      : undefined;
    return bias ? [tensor, bias] : [tensor];
  });
}

function nothingToDo({ description }: Model, { id }: Recipe, refusal: string | undefined): QuantscopeError {
  const why = refusal === undefined ? said` No rule matches a matrix that is not skipped.` : ` ${refusal}`;
  return new QuantscopeError('REQUEST', said`The recipe ${id} quantizes nothing of this model.${why}`, {
    file: description.path,
  });
}

/** Decides about one tensor after the other. */
class Planner {
  /** Names of matrices that a rule applies to but that the layout or the method does not take. */
  readonly refused = new Set<string>();
  private readonly patterns: RecipePatterns;
  private readonly rounding: 'F16' | 'BF16' | undefined;

  constructor(
    private readonly model: Model,
    private readonly recipe: Recipe,
    private readonly writer: LayoutWriter,
  ) {
    this.patterns = new RecipePatterns(recipe);
    this.rounding = modelDtype(model.config);
  }

  decideAll(tensors: readonly TensorDescriptor[]): PlannedTensor[] {
    return this.patterns.decide(() => tensors.map((tensor) => this.decide(tensor)));
  }

  /** What the recipe names and the model does not have. */
  idle(): string[] {
    return this.patterns.idle();
  }

  private decide(tensor: TensorDescriptor): PlannedTensor {
    const { name } = tensor;
    const module = moduleOf(name);
    if (this.patterns.skips(module))
      return this.kept(
        tensor,
        this.patterns.skipsByDefault ? said`kept: skipped by default` : said`kept: skipped by the recipe`,
      );
    const notLinear = whyNotLinear(tensor, this.model);
    const rule = this.patterns.ruleOf(name, notLinear === undefined);
    const chosen = this.recipe.rules[rule];
    if (!chosen) return this.kept(tensor, said`kept: ${notLinear ?? 'no rule of the recipe'}`);
    if (!isGrid(chosen.grid)) return this.kept(tensor, said`kept by rule ${rule + 1}`);
    if (
      tensor.shape.length < 2 ||
      tensor.elements === 0 ||
      !tensor.readable ||
      dtypeNamed(this.dtypeOf(tensor))?.float !== true
    )
      return this.kept(tensor, said`kept: ${notLinear ?? 'not a matrix of real numbers'}`);
    if (areTransposedExperts(tensor, this.model))
      return this.refuse(tensor, said`experts are stored transposed`);
    return this.quantized(tensor, { ...chosen, grid: chosen.grid }, rule);
  }

  /** Keeps a tensor that the recipe would quantize. */
  private refuse(tensor: TensorDescriptor, reason: string): PlannedTensor {
    this.refused.add(tensor.name);
    return this.kept(tensor, said`kept: ${reason.replace(/\.$/, '')}`);
  }

  private quantized(
    tensor: TensorDescriptor,
    rule: RecipeRule & { readonly grid: Grid },
    index: number,
  ): PlannedTensor {
    const { name, shape } = tensor;
    const dtype = this.dtypeOf(tensor);
    const grid = rule.weightDtype ? inDtype(rule.grid, dtype) : rule.grid;
    const method = methodById(rule.method?.id ?? defaultMethod);
    const options = optionsOf(method, rule.method?.options);
    const { rows, columns } = matrixOf(shape);
    const task = { grid, shape: [rows, columns], options } as const;
    const permuted = method.permutes?.(task) ?? false;
    const weight: WrittenWeight = { name, shape, grid, dtype, ...(permuted ? { permuted } : {}) };
    const refusal = this.writer.refuse(weight) ?? method.refuse(task);
    if (refusal !== undefined) return this.refuse(tensor, refusal);
    const parts = this.writer.parts(weight);
    const reason =
      this.recipe.rules[index]!.match === undefined ? said`linear layer` : said`rule ${index + 1}`;
    const matrix: PlannedMatrix = { weight, method, options, rule: index, sharesRange: [] };
    return { tensor, matrix, parts, bytes: bytesOfParts(parts), reason };
  }

  private kept(tensor: TensorDescriptor, reason: string): PlannedTensor {
    const { name, shape } = tensor;
    const dtype = this.dtypeOf(tensor);
    const isFloat = ['F32', 'F16', 'BF16', 'F64'].includes(dtype);
    const parts = [{ name, dtype: isFloat ? (this.writer.plainDtype ?? dtype) : dtype, shape }];
    return { tensor, parts, bytes: bytesOfParts(parts), reason };
  }

  /**
   * Of the weights themselves: what a layout decodes is in the dtype that the model computes in, and what adapters change in the one that the
   * files have.
   */
  private dtypeOf(tensor: TensorDescriptor): string {
    const { dtype, stored } = this.model.merged?.get(tensor.name) ?? tensor;
    return stored ? (this.rounding ?? 'F32') : dtype;
  }
}

const bytesOfParts = (parts: readonly StoredTensor[]): number =>
  parts.reduce((sum, part) => sum + tensorBytes(part), 0);

/** torch.finfo(dtype).eps: the least scale of some libraries. */
const epsilon = { F32: 2 ** -23, F16: 2 ** -10, BF16: 2 ** -7 };

/** A grid whose scales and arithmetic are in the dtype of the weights. */
function inDtype(grid: Grid, dtype: string): Grid {
  const { arithmetic, least, ...rest } = grid;
  const own = dtype === 'F16' || dtype === 'BF16' ? dtype : 'F32';
  const isPlain = grid.scale === 'F32' || grid.scale === 'F16' || grid.scale === 'BF16';
  const isEpsilon = isPlain && least && 'scale' in least && least.scale === epsilon[grid.scale];
  return {
    ...rest,
    ...(isPlain ? { scale: own } : {}),
    ...(arithmetic !== undefined && own !== 'F32' ? { arithmetic: own } : {}),
    ...(least ? { least: isEpsilon ? { ...least, scale: epsilon[own] } : least } : {}),
  };
}

/** Tensors with the others that their matrices share a range with. */
function withSharedRanges(writer: LayoutWriter, tensors: readonly PlannedTensor[]): PlannedTensor[] {
  const names = tensors.flatMap(({ matrix }) => (matrix?.weight.grid.global ? [matrix.weight.name] : []));
  const groups = writer.sharedRanges?.(names) ?? [];
  const groupOf = new Map(groups.flatMap((group) => group.map((name) => [name, group] as const)));
  return tensors.map((planned) => {
    const group = planned.matrix && groupOf.get(planned.tensor.name);
    if (!planned.matrix || !group) return planned;
    return {
      ...planned,
      matrix: { ...planned.matrix, sharesRange: group.filter((name) => name !== planned.tensor.name) },
    };
  });
}

function writtenModel(recipe: Recipe, tensors: readonly PlannedTensor[]): WrittenModel {
  const kept = tensors.filter(({ tensor, matrix }) => !matrix && isOfLinearModule(tensor));
  return {
    recipe,
    weights: tensors.flatMap(({ matrix }) => (matrix ? [matrix.weight] : [])),
    kept: kept.map(({ tensor }) => moduleOf(tensor.name)),
    names: tensors.map(({ tensor }) => tensor.name),
  };
}

/** "int4, group 128", or the dtype that a tensor is kept in. */
export const writtenAs = ({ matrix, parts }: PlannedTensor): string =>
  matrix ? gridLabel(matrix.weight.grid) : parts[0]!.dtype;
