import { useEffect, useState } from 'preact/hooks';
import type { RecipeChoices } from '../src/protocol/quantizeModel';
import { useApp, useAppState } from './context';
import { openQuantization } from './host';

/** Recipes, methods and layouts, requested when the first view that needs them is shown; or why they are not known. */
export function useRecipeChoices(): { choices?: RecipeChoices; problem?: string } {
  const { store, host } = useApp();
  const { recipeChoices: choices } = useAppState();
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    if (!store.state.recipeChoices) void openQuantization(store, host).then(setProblem);
  }, [host]);
  return { ...(choices ? { choices } : {}), ...(problem === undefined ? {} : { problem }) };
}
