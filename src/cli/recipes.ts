import { evidenceWords } from '../protocol/evidence';
import type { RecipeDescription } from '../protocol/quantizeModel';
import { presetById } from '../recipes/resolveRecipe';
import type { Command } from './command';
import { json, table } from './text';

export const recipesCommand: Command = {
  name: 'recipes',
  optional: 'ID',
  summary: 'List the recipes of quantize-model, or print one of them as a file',
  options: {},
  async run({ jobs, signal, progress, word }) {
    if (word !== undefined) {
      const recipe = presetById(word);
      return { json: recipe, lines: json(recipe).split('\n') };
    }
    const choices = await jobs['recipes/list']({}, { signal, progress });
    const head = ['recipe', 'bits/weight', 'needs', 'layout', 'loads in', 'what it does'];
    return { json: choices, lines: table(head, choices.recipes.map(rowOf)) };
  },
};

const rowOf = ({ recipe, evidence, bitsPerWeight, runtimes }: RecipeDescription): string[] => [
  recipe.id,
  bitsPerWeight === undefined ? 'a mixture' : bitsPerWeight.toFixed(4),
  evidence === 'none' ? 'no data' : `a text (${evidenceWords[evidence]})`,
  recipe.layout,
  runtimes.join(', '),
  recipe.description,
];
