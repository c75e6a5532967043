import type { EngineProgress } from '../src/protocol/engine';
import type { LensFacts, LensRecipe, LensRow } from '../src/protocol/lens';
import type { MethodOptions } from '../src/protocol/recipe';
import type { Host } from './host';

/** Options of methods that differ from their defaults, by id. */
export type OptionsByMethod = Readonly<Record<string, MethodOptions>>;

/** What is kept of a key; the oldest goes first. */
class Kept<T> {
  private readonly values = new Map<string, T>();

  constructor(private readonly most: number) {}

  get(key: string): T | undefined {
    return this.values.get(key);
  }

  set(key: string, value: T): void {
    this.values.set(key, value);
    const [oldest] = this.values.keys();
    if (this.values.size > this.most && oldest !== undefined) this.values.delete(oldest);
  }
}

/** Results that are kept: a page that is folded for a narrow panel, or comes back to a tensor, begins with them. */
const mostRows = 4000;
const rows = new Kept<LensRow>(mostRows);
/** Those of a tensor are not forgotten before its rows, as every tensor has at least one row. */
const facts = new Kept<LensFacts>(mostRows);

/** What a lens shows. */
export interface Wanted {
  readonly tensor: string;
  readonly recipes: readonly LensRecipe[];
  readonly options: OptionsByMethod;
  /** What results depend on besides: the revision of the files, the evidence. */
  readonly basis: string;
}

/** Tells the recipes of a tensor apart. */
export const recipeId = ({ grid, method }: LensRecipe): string => `${grid} ${method}`;

const tensorKey = ({ basis, tensor }: Wanted): string => `${basis}\n${tensor}`;

const rowKey = (wanted: Wanted, recipe: LensRecipe): string =>
  `${tensorKey(wanted)}\n${recipeId(recipe)}\n${JSON.stringify(wanted.options[recipe.method] ?? {})}`;

/** A row that is of the whole tensor. */
const isComplete = (row: LensRow | undefined): boolean => row !== undefined && row.share === undefined;

/**
 * Asks for the rows that are not known, in the order in which they are wanted.
 * @param onChange rows or their progress have changed.
 * @throws Error of the host; what was measured until then is kept.
 */
export async function askLens(
  host: Pick<Host, 'call'>,
  wanted: Wanted,
  signal: AbortSignal,
  onChange: (progress: EngineProgress) => void,
): Promise<void> {
  const { tensor, options } = wanted;
  const recipes = wanted.recipes.filter((recipe) => !isComplete(rows.get(rowKey(wanted, recipe))));
  if (recipes.length === 0) return;
  await host.call(
    'lens',
    { tensor, recipes, options },
    {
      signal,
      onProgress(progress) {
        const { lens } = progress;
        if (lens?.facts) facts.set(tensorKey(wanted), lens.facts);
        for (const row of lens?.rows ?? []) rows.set(rowKey(wanted, row), row);
        onChange(progress);
      },
    },
  );
}

/** What is known of a lens: what its rows share, and the rows by the ids of their recipes. */
export interface KnownLens {
  readonly facts?: LensFacts | undefined;
  readonly rows: ReadonlyMap<string, LensRow>;
}

export function knownLens(wanted: Wanted): KnownLens {
  const known = wanted.recipes.flatMap((recipe): [string, LensRow][] => {
    const row = rows.get(rowKey(wanted, recipe));
    return row ? [[recipeId(recipe), row]] : [];
  });
  return { facts: facts.get(tensorKey(wanted)), rows: new Map(known) };
}
