import { suggestion } from '../model/closest';
import type { LayoutWriter } from '../layouts/layout';
import { gptqDescent } from '../quant/methods/gptqDescent';
import { methodById, methods } from '../quant/methods/methods';
import type { Method } from '../quant/methods/method';
import { optionProblem, optionsOf } from '../quant/methods/options';
import type { Grid } from '../protocol/grids';
import type { MethodChoice, Recipe, RecipeRule } from '../protocol/recipe';
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
 * @throws ShapeError naming the place in the recipe.
 */
export function checkRecipe(recipe: Recipe): void {
  if (recipe.target === 'gguf') return checkGguf(recipe);
  recipe.rules.forEach((rule, i) => checkRule(rule, `$.rules[${i}]`));
  if (recipe.rules.length === 0) throw new ShapeError('$.rules must not be empty.');
  if (recipe.fileType !== undefined) throw new ShapeError('$.fileType is for the target "gguf".');
  if (recipe.method)
    throw new ShapeError('$.method is for the target "gguf"; here each rule has a method of its own.');
  if (recipe.target === 'onnx') checkOnnx(recipe);
  else checkCheckpoint(recipe);
}

/** What a layout of checkpoints can store and state. */
function checkCheckpoint({ layout, rules, activations }: Recipe): void {
  const writer = writerOf(layout);
  rules.forEach(({ grid }, i) => {
    if (!isGrid(grid)) return;
    const refusal = writer.refuse({
      name: 'layer.weight',
      shape: usual,
      grid,
      dtype: grid.arithmetic ?? 'BF16',
    });
    if (refusal !== undefined)
      throw new ShapeError(`$.rules[${i}].grid cannot be stored in the layout ${layout}: ${refusal}`);
  });
  if (!activations) return;
  const refusal = writer.refuseInputs
    ? writer.refuseInputs(activations)
    : 'its runtimes take inputs as they are';
  if (refusal !== undefined)
    throw new ShapeError(`$.activations cannot be stated in the layout ${layout}: ${refusal}`);
}

function checkOnnx({ rules }: Recipe): void {
  const i = rules.findIndex(({ weightDtype }) => weightDtype);
  if (i >= 0)
    throw new ShapeError(`$.rules[${i}].weightDtype is for checkpoints; scales of ONNX graphs are float32.`);
}

/** Keys that say nothing of a GGUF file. */
const notOfGguf = ['skip', 'activations'] as const;

function checkGguf(recipe: Recipe): void {
  const { fileType, layout, rules } = recipe;
  if (fileType === undefined)
    throw new ShapeError('$.fileType is missing: the preset of llama.cpp, such as "Q4_K_M".');
  if (layout !== 'gguf')
    throw new ShapeError(`$.layout is "${layout}"; it must be "gguf" for the target "gguf".`);
  const other = notOfGguf.find((key) => recipe[key] !== undefined);
  if (other !== undefined)
    throw new ShapeError(
      `$.${other} is not for the target "gguf"; the file type and the rules say everything.`,
    );
  checkCodes(recipe.method);
  rules.forEach(({ grid, match, method, weightDtype }, i) => {
    const place = `$.rules[${i}]`;
    if (weightDtype) throw new ShapeError(`${place}.weightDtype is not for the target "gguf".`);
    if (grid === 'keep' || isGrid(grid))
      throw new ShapeError(`${place}.grid must be {"ggml": TYPE} for the target "gguf".`);
    if (match === undefined)
      throw new ShapeError(`${place}.match is missing; the file type says what all other tensors get.`);
    if (method && method.id !== defaultMethod)
      throw new ShapeError(
        `${place}.method is ${method.id}; $.method says how the codes of all tensors of a GGUF file are found.`,
      );
  });
}

/** How the codes of a GGUF file are found: as llama.cpp does, or by the method that an export optimises them with. */
function checkCodes(choice: MethodChoice | undefined): void {
  if (!choice) return;
  const { id } = methodOf(choice, '$.method');
  if (id !== defaultMethod && id !== gptqDescent.id)
    throw new ShapeError(
      `$.method.id is "${id}"; the codes of a GGUF file are found by ${defaultMethod} or ${gptqDescent.id}.`,
    );
  const other = Object.keys(choice.options ?? {}).find((name) => name !== 'objective');
  if (other !== undefined)
    throw new ShapeError(`$.method.options.${other} cannot be changed for a GGUF file; the objective can.`);
}

function writerOf(layout: string): LayoutWriter {
  const writer = writerNamed(layout);
  if (writer) return writer;
  const ids = writers.map(({ id }) => id);
  throw new ShapeError(
    `$.layout is "${layout}", which is not a layout that can be written.${suggestion(layout, ids)} The layouts are: ${ids.join(', ')}.`,
  );
}

function checkRule({ grid, method }: RecipeRule, place: string): void {
  if (grid === 'keep') return;
  if (!isGrid(grid))
    throw new ShapeError(`${place}.grid is a type of GGUF; the target must be "gguf" for it.`);
  const found = methodOf(method, `${place}.method`);
  const refusal = found.refuse({ grid, shape: smallest, options: optionsOf(found, method?.options) });
  if (refusal !== undefined)
    throw new ShapeError(`${place}: the method ${found.id} cannot be applied: ${refusal}`);
}

function methodOf(choice: MethodChoice | undefined, place: string): Method {
  const id = choice?.id ?? defaultMethod;
  const ids = methods.map((item) => item.id);
  if (!ids.includes(id))
    throw new ShapeError(
      `${place}.id is "${id}", which is not a method.${suggestion(id, ids)} The methods are: ${ids.join(', ')}.`,
    );
  const method = methodById(id);
  for (const [name, value] of Object.entries(choice?.options ?? {})) {
    const problem = optionProblem(method, name, value);
    if (problem !== undefined) throw new ShapeError(`${place}.options.${name} ${problem}`);
  }
  return method;
}
