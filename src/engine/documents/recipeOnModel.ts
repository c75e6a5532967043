import { planCheckpoint, type PlannedTensor } from '../../exporter/checkpoint/plan';
import { QuantscopeError } from '../../model/errors';
import type { JsonDocument } from '../../model/jsonDocument';
import type { Model } from '../../model/model';
import { matrixOf } from '../../model/rows';
import type { DocumentFault, DocumentHint } from '../../protocol/documentCheck';
import type { Recipe } from '../../protocol/recipe';
import { plural, size } from '../../protocol/words';
import { said } from '../../protocol/said';
import { recipeFault } from '../../recipes/recipeText';

/** What a recipe for checkpoints would do to a model, from headers: what it does not apply to, and the size of what each rule makes. */
export function recipeOnModel(
  json: JsonDocument,
  recipe: Recipe,
  model: Model,
): { readonly faults: readonly DocumentFault[]; readonly hints: readonly DocumentHint[] } {
  if (recipe.target !== 'checkpoint') return { faults: [], hints: [] };
  const { name } = model.description;
  try {
    const { tensors, warnings } = planCheckpoint(model, recipe);
    const faults = warnings.map((warning) =>
      recipeFault(json, '$.rules', 'recipe/idle', 'warning', said`For ${name}: ${warning}`),
    );
    return { faults, hints: recipe.rules.flatMap((_, rule) => ruleHint(json, rule, tensors)) };
  } catch (error) {
    if (!(error instanceof QuantscopeError) || error.code === 'CANCELLED') throw error;
    const message = said`For ${name}: ${error.message}`;
    return { faults: [recipeFault(json, '$.rules', 'recipe/model', 'warning', message)], hints: [] };
  }
}

function ruleHint(json: JsonDocument, rule: number, tensors: readonly PlannedTensor[]): DocumentHint[] {
  const own = tensors.filter(({ matrix }) => matrix?.rule === rule);
  if (own.length === 0) return [];
  const bytes = own.reduce((sum, item) => sum + item.bytes, 0);
  const weights = own.reduce((sum, { tensor: { shape } }) => {
    const { rows, columns } = matrixOf(shape);
    return sum + rows * columns;
  }, 0);
  const text = [
    plural(own.length, 'matrix', 'matrices'),
    `${((8 * bytes) / weights).toFixed(2)} bpw`,
    size(bytes),
  ].join(' · ');
  return [{ offset: json.span('rules', rule, 'grid').end, text }];
}
