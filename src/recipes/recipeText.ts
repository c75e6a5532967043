import { closest } from '../model/closest';
import { isRecord } from '../model/json';
import type { JsonDocument } from '../model/jsonDocument';
import type { ShapeError } from '../model/shape';
import type { DocumentFault, FaultCode, TextFix } from '../protocol/documentCheck';
import type { Recipe } from '../protocol/recipe';
import { said } from '../protocol/said';
import { methods } from '../quant/methods/methods';
import { failing, recipeProblems } from './checkRecipe';
import { parseRecipe, ruleProblems } from './readRecipe';
import { writers } from './writers';

/** The text of a recipe, checked without a model. */
export interface RecipeText {
  /** Absent where the text is not one. */
  readonly recipe?: Recipe;
  readonly faults: readonly DocumentFault[];
}

/** All faults of the text of a recipe that show without a model, in the order in which they are found. */
export function checkRecipeText(json: JsonDocument): RecipeText {
  const { value } = json;
  if (!isRecord(value)) return { faults: [] }; // the schema tells
  let recipe: Recipe | undefined;
  const ofShape = [...failing(() => (recipe = parseRecipe(value)))];
  const rules = Array.isArray(value['rules']) ? (value['rules'] as unknown[]) : [];
  const problems = recipe ? [...recipeProblems(recipe)] : [...ruleProblems(rules), ...ofShape];
  const byMessage = new Map(problems.map((problem) => [problem.message, problem]));
  return {
    ...(recipe ? { recipe } : {}),
    faults: [...byMessage.values()].map((problem) => faultOf(json, problem)),
  };
}

/** The path that a message begins with is where it is shown. */
function faultOf(json: JsonDocument, { message }: ShapeError): DocumentFault {
  const [path] = /^\$(?:\.[\w$-]+|\[\d+\])*/.exec(message) ?? ['$'];
  return recipeFault(json, path, 'recipe/invalid', 'error', message, namedFixes(json, path));
}

export function recipeFault(
  json: JsonDocument,
  path: string,
  code: FaultCode,
  severity: DocumentFault['severity'],
  message: string,
  fixes: readonly TextFix[] = [],
): DocumentFault {
  return { code, severity, message, fixes, ...json.spanOfPath(path) };
}

/** Names of layouts and methods that were probably meant. */
function namedFixes(json: JsonDocument, path: string): TextFix[] {
  const known = path.endsWith('.layout')
    ? writers.map(({ id }) => id)
    : /\.method\.id$/.test(path)
      ? methods.map(({ id }) => id)
      : [];
  const span = json.spanOfPath(path);
  const name = json.text.slice(span.start, span.end).replace(/^"|"$/g, '');
  const near = known.includes(name) ? undefined : closest(name, known);
  return near === undefined ? [] : [{ ...span, text: JSON.stringify(near), title: said`Change to ${near}` }];
}
