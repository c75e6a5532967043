import { suggestion } from '../model/closest';
import type { LayoutWriter } from '../layouts/layout';
import { gptqDescent } from '../quant/methods/gptqDescent';
import { methodById, methods } from '../quant/methods/methods';
import type { Method } from '../quant/methods/method';
import { optionProblem, optionsOf } from '../quant/methods/options';
import type { Grid } from '../protocol/grids';
import type { MethodChoice, Recipe, RecipeRule } from '../protocol/recipe';
import { said } from '../protocol/said';
import { ShapeError } from '../model/shape';
import { writerNamed, writers } from './writers';

/** Rounding to nearest: the method of rules that name none. */
export const defaultMethod = 'rtn';

/** A matrix as models have them: layouts that refuse it refuse the grid, not a shape. */
const usual = [4096, 4096] as const;
/** Methods that refuse the smallest matrix refuse the grid or an option: some are for small layers only. */
const smallest = [1, 1] as const;

export const isGrid = (grid: RecipeRule['grid']): grid is Grid => grid !== 'keep' && !('ggml' in grid);

/**
 * Checks what a recipe says about layouts, methods and their options, and that the layout can store the grids.
 * @throws ShapeError naming the first place that is wrong.
 */
export function checkRecipe(recipe: Recipe): void {
  for (const problem of recipeProblems(recipe)) throw problem;
}

/** All that `checkRecipe` finds, each error naming its place in the recipe. */
export function* recipeProblems(recipe: Recipe): Generator<ShapeError> {
  if (recipe.target === 'gguf') {
    yield* ggufProblems(recipe);
    return;
  }
  for (const [i, rule] of recipe.rules.entries()) yield* failing(() => checkRule(rule, `$.rules[${i}]`));
  if (recipe.rules.length === 0) yield new ShapeError(said`$.rules must not be empty.`);
  if (recipe.fileType !== undefined) yield new ShapeError(said`$.fileType is for the target "gguf".`);
  if (recipe.method)
    yield new ShapeError(said`$.method is for the target "gguf"; here each rule has a method of its own.`);
  yield* recipe.target === 'onnx' ? onnxProblems(recipe) : checkpointProblems(recipe);
}

/** The error of a check, if it has one. */
export function* failing(check: () => unknown): Generator<ShapeError> {
  try {
    check();
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    yield error;
  }
}

/** What a layout of checkpoints can store and state. */
function* checkpointProblems({ layout, rules, activations }: Recipe): Generator<ShapeError> {
  yield* failing(() => writerOf(layout));
  const writer = writerNamed(layout);
  if (!writer) return;
  for (const [i, { grid }] of rules.entries()) {
    if (!isGrid(grid)) continue;
    const dtype = grid.arithmetic ?? 'BF16';
    const refusal = writer.refuse({ name: 'layer.weight', shape: usual, grid, dtype });
    if (refusal !== undefined)
      yield new ShapeError(said`$.rules[${i}].grid cannot be stored in the layout ${layout}: ${refusal}`);
  }
  if (!activations) return;
  const refusal = writer.refuseInputs
    ? writer.refuseInputs(activations)
    : 'its runtimes take inputs as they are';
  if (refusal !== undefined)
    yield new ShapeError(said`$.activations cannot be stated in the layout ${layout}: ${refusal}`);
}

function* onnxProblems({ rules }: Recipe): Generator<ShapeError> {
  for (const [i, { weightDtype }] of rules.entries())
    if (weightDtype)
      yield new ShapeError(
        said`$.rules[${i}].weightDtype is for checkpoints; scales of ONNX graphs are float32.`,
      );
}

/** Keys that say nothing of a GGUF file. */
const notOfGguf = ['skip', 'activations'] as const;

function* ggufProblems(recipe: Recipe): Generator<ShapeError> {
  const { fileType, layout, rules } = recipe;
  if (fileType === undefined)
    yield new ShapeError(said`$.fileType is missing: the preset of llama.cpp, such as "Q4_K_M".`);
  if (layout !== 'gguf')
    yield new ShapeError(said`$.layout is "${layout}"; it must be "gguf" for the target "gguf".`);
  for (const key of notOfGguf)
    if (recipe[key] !== undefined)
      yield new ShapeError(
        said`$.${key} is not for the target "gguf"; the file type and the rules say everything.`,
      );
  yield* failing(() => checkCodes(recipe.method));
  for (const [i, rule] of rules.entries()) yield* ggufRuleProblems(rule, `$.rules[${i}]`);
}

function* ggufRuleProblems(
  { grid, match, method, weightDtype }: RecipeRule,
  place: string,
): Generator<ShapeError> {
  if (weightDtype) yield new ShapeError(said`${place}.weightDtype is not for the target "gguf".`);
  if (grid === 'keep' || isGrid(grid))
    yield new ShapeError(said`${place}.grid must be {"ggml": TYPE} for the target "gguf".`);
  if (match === undefined)
    yield new ShapeError(said`${place}.match is missing; the file type says what all other tensors get.`);
  if (method && method.id !== defaultMethod)
    yield new ShapeError(
      said`${place}.method is ${method.id}; $.method says how the codes of all tensors of a GGUF file are found.`,
    );
}

/** How the codes of a GGUF file are found: as llama.cpp does, or by the method that an export optimises them with. */
function checkCodes(choice: MethodChoice | undefined): void {
  if (!choice) return;
  const { id } = methodOf(choice, '$.method');
  if (id !== defaultMethod && id !== gptqDescent.id)
    throw new ShapeError(
      said`$.method.id is "${id}"; the codes of a GGUF file are found by ${defaultMethod} or ${gptqDescent.id}.`,
    );
  const other = Object.keys(choice.options ?? {}).find((name) => name !== 'objective');
  if (other !== undefined)
    throw new ShapeError(
      said`$.method.options.${other} cannot be changed for a GGUF file; the objective can.`,
    );
}

function writerOf(layout: string): LayoutWriter {
  const writer = writerNamed(layout);
  if (writer) return writer;
  const ids = writers.map(({ id }) => id);
  throw new ShapeError(
    said`$.layout is "${layout}", which is not a layout that can be written.${suggestion(layout, ids)} The layouts are: ${ids.join(', ')}.`,
  );
}

function checkRule({ grid, method }: RecipeRule, place: string): void {
  if (grid === 'keep') return;
  if (!isGrid(grid))
    throw new ShapeError(said`${place}.grid is a type of GGUF; the target must be "gguf" for it.`);
  const found = methodOf(method, `${place}.method`);
  const refusal = found.refuse({ grid, shape: smallest, options: optionsOf(found, method?.options) });
  if (refusal !== undefined)
    throw new ShapeError(said`${place}: the method ${found.id} cannot be applied: ${refusal}`);
}

function methodOf(choice: MethodChoice | undefined, place: string): Method {
  const id = choice?.id ?? defaultMethod;
  const ids = methods.map((item) => item.id);
  if (!ids.includes(id))
    throw new ShapeError(
      said`${place}.id is "${id}", which is not a method.${suggestion(id, ids)} The methods are: ${ids.join(', ')}.`,
    );
  const method = methodById(id);
  for (const [name, value] of Object.entries(choice?.options ?? {})) {
    const problem = optionProblem(method, name, value);
    if (problem !== undefined) throw new ShapeError(said`${place}.options.${name} ${problem}`);
  }
  return method;
}
