import { suggestion } from '../model/closest';
import type { LayoutWriter } from '../layouts/layout';
import { methodById, methods } from '../quant/methods/methods';
import type { Method } from '../quant/methods/method';
import { optionProblem, optionsOf } from '../quant/methods/options';
import type { Grid } from '../protocol/grids';
import type { MethodChoice, Recipe, RecipeRule } from '../protocol/recipe';
import { ShapeError } from '../model/shape';
import { writerNamed, writers } from './writers';

/** Rounding to nearest: the method of rules that name none. */
export const defaultMethod = 'rtn';

/** A matrix as models have them: layouts and methods that refuse it refuse the grid or an option, not a shape. */
const usual = [4096, 4096] as const;

export const isGrid = (grid: RecipeRule['grid']): grid is Grid => grid !== 'keep' && !('ggml' in grid);

/**
 * Checks what a recipe says about layouts, methods and their options, and that the layout can store the grids.
 * @throws ShapeError naming the place in the recipe.
 */
export function checkRecipe(recipe: Recipe): void {
  recipe.rules.forEach((rule, i) => checkRule(recipe, rule, `$.rules[${i}]`));
  if (recipe.target === 'gguf') return checkGguf(recipe);
  if (recipe.rules.length === 0) throw new ShapeError('$.rules must not be empty.');
  if (recipe.fileType !== undefined) throw new ShapeError('$.fileType is for the target "gguf".');
  const writer = recipe.target === 'checkpoint' ? writerOf(recipe.layout) : undefined;
  recipe.rules.forEach(({ grid }, i) => {
    if (grid === 'keep' || !writer) return;
    if (!isGrid(grid))
      throw new ShapeError(`$.rules[${i}].grid is a type of GGUF; the target must be "gguf" for it.`);
    const refusal = writer.refuse({
      name: 'layer.weight',
      shape: usual,
      grid,
      dtype: grid.arithmetic ?? 'BF16',
    });
    if (refusal !== undefined)
      throw new ShapeError(`$.rules[${i}].grid cannot be stored in the layout ${recipe.layout}: ${refusal}`);
  });
}

function checkGguf({ fileType, rules }: Recipe): void {
  if (fileType === undefined)
    throw new ShapeError('$.fileType is missing: the preset of llama.cpp, such as "Q4_K_M".');
  rules.forEach(({ grid, match, method }, i) => {
    const place = `$.rules[${i}]`;
    if (grid === 'keep' || isGrid(grid))
      throw new ShapeError(`${place}.grid must be {"ggml": TYPE} for the target "gguf".`);
    if (match === undefined)
      throw new ShapeError(`${place}.match is missing; the file type says what all other tensors get.`);
    if (method && method.id !== defaultMethod)
      throw new ShapeError(`${place}.method is ${method.id}; an export as GGUF rounds to nearest.`);
  });
}

function writerOf(layout: string): LayoutWriter {
  const writer = writerNamed(layout);
  if (writer) return writer;
  const ids = writers.map(({ id }) => id);
  throw new ShapeError(
    `$.layout is "${layout}", which is not a layout that can be written.${suggestion(layout, ids)} The layouts are: ${ids.join(', ')}.`,
  );
}

function checkRule({ target }: Recipe, { grid, method }: RecipeRule, place: string): void {
  if (target === 'gguf' || grid === 'keep') return;
  const found = methodOf(method, `${place}.method`);
  if (!isGrid(grid)) return;
  const refusal = found.refuse({ grid, shape: usual, options: optionsOf(found, method?.options) });
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
