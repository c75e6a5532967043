import type { Grid } from '../protocol/grids';
import type { RecipeChanges } from '../protocol/quantizeModel';
import type { MethodChoice, Recipe, RecipeRule } from '../protocol/recipe';
import { said } from '../protocol/said';
import { defaultMethod, isGrid } from './checkRecipe';
import { group } from '../quant/grids/gridShape';
import { calibration, methodOptions, skippedModule } from './readRecipe';
import { list, object, optional, ShapeError, text, whole, type Shape } from '../model/shape';

const changesShape: Shape<RecipeChanges> = object<RecipeChanges>({
  layout: optional(text),
  method: optional(text),
  options: optional(methodOptions),
  bits: optional(whole(2, 8)),
  group: optional(group),
  skip: optional(list(skippedModule)),
  calibration: optional(calibration),
});

/** @throws ShapeError naming the place in the changes. */
export const parseChanges = (value: unknown): RecipeChanges => changesShape(value, 'changes');

/**
 * A recipe with changes in all rules that quantize.
 * @throws ShapeError for bits or groups that the grid of a rule does not have, and where no rule has what would change.
 */
export function changedRecipe(recipe: Recipe, changes: RecipeChanges): Recipe {
  const { layout, skip, calibration } = changes;
  const isGguf = recipe.target === 'gguf';
  const idle = isGguf ? changesOfGrids : changesOfRules;
  const changed = idle.find((name) => changes[name] !== undefined);
  if (changed !== undefined && !recipe.rules.some(({ grid }) => isGrid(grid)))
    throw new ShapeError(
      said`changes.${changed} changes nothing: the recipe ${recipe.id} has no rule with a grid.`,
    );
  const changedText = changesText(changes);
  return {
    ...recipe,
    ...(changedText === '' ? {} : { description: said`${recipe.description} Changed: ${changedText}.` }),
    ...(layout === undefined ? {} : { layout }),
    ...(skip === undefined ? {} : { skip }),
    ...(calibration === undefined ? {} : { calibration: { ...recipe.calibration, ...calibration } }),
    ...(isGguf ? changedMethod(recipe.method, changes) : {}),
    rules: recipe.rules.map((rule, i) => changedRule(rule, changes, `$.rules[${i}]`)),
  };
}

/** Changes of grids, and of rules that have one. */
const changesOfGrids = ['bits', 'group'] as const;
const changesOfRules = ['method', 'options', ...changesOfGrids] as const;

/** What differs from what the recipe's description says: "group 32, method rtn". */
function changesText({ layout, method, bits, group, options = {} }: RecipeChanges): string {
  const named = { layout, method, bits, group, ...options };
  return Object.entries(named)
    .flatMap(([name, value]) =>
      value === undefined ? [] : [`${name} ${typeof value === 'object' ? JSON.stringify(value) : value}`],
    )
    .join(', ');
}

function changedRule(rule: RecipeRule, changes: RecipeChanges, place: string): RecipeRule {
  if (!isGrid(rule.grid)) return rule;
  return {
    ...rule,
    grid: changedGrid(rule.grid, changes, place),
    ...changedMethod(rule.method, changes),
  };
}

/** Options are those of the method that is named with them, or of the one that stays. */
function changedMethod(
  own: MethodChoice | undefined,
  { method, options }: RecipeChanges,
): { readonly method?: MethodChoice } {
  const all = { ...(method === undefined ? own?.options : undefined), ...options };
  const hasOptions = Object.keys(all).length > 0;
  const id = method ?? own?.id ?? (hasOptions ? defaultMethod : undefined);
  return id === undefined ? {} : { method: { id, ...(hasOptions ? { options: all } : {}) } };
}

function changedGrid(grid: Grid, { bits, group }: RecipeChanges, place: string): Grid {
  const grouped = group === undefined ? grid : { ...grid, group };
  if (bits === undefined) return grouped;
  const { levels, rule } = grid;
  if (levels.kind !== 'integer')
    throw new ShapeError(
      said`${place}.grid has no integers: their number of bits cannot be changed to ${bits}.`,
    );
  if (bits === levels.bits) return grouped;
  if (grid.perScale !== undefined)
    throw new ShapeError(
      said`${place}.grid has scales of ${grid.perScale} codes, which other bits do not have.`,
    );
  const changed = ruleWithBits(rule, levels.bits, bits, `${place}.grid.rule.divisor`);
  return { ...grouped, levels: { ...levels, bits }, rule: changed };
}

/** Divisors are 2^(b−1) less 0, ½ or 1, or 2^b less 1: the same for the other number of bits. @throws ShapeError for any other. */
function ruleWithBits(rule: Grid['rule'], from: number, to: number, place: string): Grid['rule'] {
  if (rule.kind !== 'absmax' && rule.kind !== 'extreme') return rule;
  const whole = [2 ** (from - 1), 2 ** from].find((size) => Math.abs(size - Math.abs(rule.divisor)) <= 1);
  if (whole === undefined)
    throw new ShapeError(
      said`${place} is ${rule.divisor}, which is not a rule of ${from} bits that ${to} bits have too.`,
    );
  const less = whole - Math.abs(rule.divisor);
  const ratio = whole / 2 ** from;
  return { ...rule, divisor: Math.sign(rule.divisor) * (ratio * 2 ** to - less) };
}
