import { dirname, resolve } from 'node:path';
import { suggestion } from '../model/closest';
import { QuantscopeError } from '../model/errors';
import { parseJsonBytes } from '../model/jsonFiles';
import type { RecipeSelection } from '../protocol/quantizeModel';
import type { Recipe } from '../protocol/recipe';
import { said } from '../protocol/said';
import { changedRecipe, parseChanges } from './changes';
import { checkRecipe } from './checkRecipe';
import { presets } from './presets';
import { explained, parseRecipe, readRecipeFile } from './readRecipe';

/**
 * The recipe that settings name, with their changes, checked.
 * @throws QuantscopeError REQUEST for an unknown preset or an invalid recipe, MODEL_FILE naming the file and the place in it, IO.
 */
export async function resolveRecipe(settings: RecipeSelection, signal?: AbortSignal): Promise<Recipe> {
  const { recipe: id, recipeFile, recipeText, inline, changes } = settings;
  const given = [id, recipeFile, inline].filter((item) => item !== undefined);
  if (given.length !== 1)
    throw new QuantscopeError('REQUEST', said`Give either a preset, a recipe file or a recipe.`);
  if (recipeText !== undefined && recipeFile === undefined)
    throw new QuantscopeError('REQUEST', said`The text of a recipe needs the path of its file.`);
  const recipe = id === undefined ? await statedRecipe(settings, signal) : presetById(id);
  return explained(() => {
    const changed = changes ? changedRecipe(recipe, parseChanges(changes)) : recipe;
    checkRecipe(changed);
    return changed;
  }, recipeFile);
}

async function statedRecipe(
  { recipeFile, recipeText, inline }: RecipeSelection,
  signal?: AbortSignal,
): Promise<Recipe> {
  if (recipeFile === undefined) return explained(() => parseRecipe(inline));
  const recipe =
    recipeText === undefined
      ? await readRecipeFile(recipeFile, signal)
      : explained(() => parseRecipe(parseJsonBytes(Buffer.from(recipeText), recipeFile)), recipeFile);
  const { calibration } = recipe;
  if (calibration?.text === undefined) return recipe;
  return { ...recipe, calibration: { ...calibration, text: resolve(dirname(recipeFile), calibration.text) } };
}

/** @throws QuantscopeError REQUEST with the closest name. */
export function presetById(id: string): Recipe {
  const preset = presets.find((item) => item.id === id.toLowerCase());
  if (preset) return preset;
  const ids = presets.map((item) => item.id);
  const message = said`There is no recipe "${id}".${suggestion(id, ids)} The recipes are: ${ids.join(', ')}.`;
  throw new QuantscopeError('REQUEST', message);
}
