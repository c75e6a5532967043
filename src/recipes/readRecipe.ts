import { QuantscopeError } from '../model/errors';
import { isRecord } from '../model/json';
import { readJsonFile } from '../model/jsonFiles';
import { ggmlFormats } from '../protocol/ggmlTypes';
import type { ActivationRecipe, MethodChoice, MethodOptions, Recipe, RecipeRule } from '../protocol/recipe';
import { said } from '../protocol/said';
import { gridNamed } from '../quant/grids/gridName';
import { grid, levels } from '../quant/grids/gridShape';
import { failing } from './checkRecipe';
import {
  choice,
  either,
  list,
  object,
  optional,
  record,
  ShapeError,
  text,
  whole,
  yes,
  type Shape,
} from '../model/shape';

/** "keep", or a grid by its name: "int4-g128". */
function namedGrid(value: unknown, path: string): RecipeRule['grid'] {
  const name = text(value, path);
  if (name === 'keep') return name;
  try {
    return gridNamed(name);
  } catch (error) {
    if (!(error instanceof QuantscopeError)) throw error;
    throw new ShapeError(`${path}: ${error.message}`);
  }
}

const ruleGrid: Shape<RecipeRule['grid']> = either<RecipeRule['grid']>(
  'a grid, its name, {"ggml": TYPE} or "keep"',
  [(value) => typeof value === 'string', namedGrid],
  [
    (value) => isRecord(value) && 'ggml' in value,
    object<Extract<RecipeRule['grid'], { ggml: unknown }>>({
      ggml: choice(ggmlFormats.map(({ name }) => name)),
    }),
  ],
  [isRecord, grid],
);

/** Options of a method, whose names and ranges the method says. */
export const methodOptions: Shape<MethodOptions> = (value, path) =>
  Object.fromEntries(
    Object.entries(record(value, path)).map(([name, item]) => {
      const isPlain = typeof item === 'boolean' || typeof item === 'string' || Number.isFinite(item);
      if (isPlain) return [name, item as number | boolean | string];
      throw new ShapeError(said`${path}.${name} must be a number, a text, true or false.`);
    }),
  );

/** @throws ShapeError where a source is not a regular expression. */
function checkPattern(source: string, path: string): void {
  try {
    new RegExp(source, 'u');
  } catch (error) {
    throw new ShapeError(said`${path} is not a regular expression: ${(error as Error).message}.`);
  }
}

const pattern: Shape<string> = (value, path) => {
  const source = text(value, path);
  checkPattern(source, path);
  return source;
};

/** A module that is not quantized: its name, or `re:` and a regular expression. */
export const skippedModule: Shape<string> = (value, path) => {
  const item = text(value, path);
  if (item.startsWith('re:')) checkPattern(item.slice(3), path);
  return item;
};

export const calibration: Shape<NonNullable<Recipe['calibration']>> = object<
  NonNullable<Recipe['calibration']>
>({
  text: optional(text),
  tokens: optional(whole(1)),
  context: optional(whole(2)),
});

const method: Shape<MethodChoice> = object<MethodChoice>({ id: text, options: optional(methodOptions) });

const rule: Shape<RecipeRule> = object<RecipeRule>({
  match: optional(pattern),
  grid: ruleGrid,
  weightDtype: optional(yes),
  method: optional(method),
});

const recipe: Shape<Recipe> = object<Recipe>({
  version: choice([1] as const),
  id: text,
  label: text,
  description: text,
  layout: text,
  target: choice(['checkpoint', 'gguf', 'onnx'] as const),
  fileType: optional(text),
  method: optional(method),
  rules: list(rule),
  skip: optional(list(skippedModule)),
  activations: optional(
    object<ActivationRecipe>({ levels, scale: choice(['token', 'tensor', 'static'] as const) }),
  ),
  calibration: optional(calibration),
});

/**
 * A recipe from JSON; what depends on layouts and methods is checked by `checkRecipe`.
 * @throws ShapeError naming the place in the document.
 */
export function parseRecipe(value: unknown): Recipe {
  // The location of the schema helps editors; it is not part of the recipe.
  const document = isRecord(value) ? { ...value, $schema: undefined } : value;
  if (isRecord(document)) delete document['$schema'];
  return recipe(document, '$');
}

/** The errors of the rules of a recipe that cannot be read as a whole, each naming its place. */
export function* ruleProblems(rules: readonly unknown[]): Generator<ShapeError> {
  for (const [i, item] of rules.entries()) yield* failing(() => rule(item, `$.rules[${i}]`));
}

/** @throws QuantscopeError MODEL_FILE naming the file and the place in it, IO. */
export async function readRecipeFile(file: string, signal?: AbortSignal): Promise<Recipe> {
  const { value } = await readJsonFile(file, signal);
  return explained(() => parseRecipe(value), file);
}

/** Runs a check of a recipe; its error names the file that the recipe came from, if it came from one. */
export function explained<T>(check: () => T, file?: string): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    const message = said`The recipe is not valid: ${error.message}`;
    if (file === undefined) throw new QuantscopeError('REQUEST', message, {}, error);
    throw new QuantscopeError('MODEL_FILE', message, { file }, error);
  }
}
