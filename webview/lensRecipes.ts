import * as l10n from '@vscode/l10n';
import type { LensFamily, LensGrid, LensRecipe, LensRow, MethodChoices } from '../src/protocol/lens';
import type { MethodResult } from '../src/protocol/methods';
import { decisiveError, paretoFront } from '../src/protocol/pareto';
import { evidenceKinds } from '../src/protocol/evidence';
import type { EvidenceKind, MethodDescription } from '../src/protocol/recipe';
import { recipeId } from './lensRows';
import type { GridOrder } from './views/grid';

/** Which recipes a lens shows; kept between sessions. */
export interface LensFilter {
  /** Words that names have; empty for all. */
  readonly text: string;
  /** Every known grid by every method that takes it, not only the usual recipes. */
  readonly all: boolean;
  /** Only those that no other one beats. */
  readonly front: boolean;
  readonly hiddenFamilies: readonly LensFamily[];
  /** Ids. */
  readonly hiddenMethods: readonly string[];
  /** Names of grids that the user added, by every method that takes them. */
  readonly added: readonly string[];
}

export const firstFilter: LensFilter = {
  ...{ text: '', all: false, front: false, hiddenFamilies: [], hiddenMethods: [], added: [] },
};

const strings = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];

/** A filter that was kept; members of another type have their first values. */
export function readFilter(saved: unknown): LensFilter {
  const given = (typeof saved === 'object' && saved !== null ? saved : {}) as Partial<LensFilter>;
  return {
    text: typeof given.text === 'string' ? given.text : '',
    all: given.all === true,
    front: given.front === true,
    hiddenFamilies: strings(given.hiddenFamilies).filter((name): name is LensFamily => name in familyNames),
    hiddenMethods: strings(given.hiddenMethods),
    added: strings(given.added),
  };
}

export const familyNames: Readonly<Record<LensFamily, string>> = {
  gguf: l10n.t('GGUF types'),
  integer: l10n.t('Integers'),
  table: 'NF4, FP4',
  float: l10n.t('Floats'),
};

/** A recipe with what is known of it before it is measured. */
export interface LensLine extends LensRecipe {
  readonly id: string;
  /** Of the grid; its name where the lists lack it. */
  readonly label: string;
  readonly methodLabel: string;
  /** Of the method, in lists. */
  readonly place: number;
  /** Absent for a grid that the lists lack. */
  readonly family?: LensFamily;
  /** Of a large matrix; absent for a grid that the lists lack. */
  readonly nominalBits?: number;
  readonly row?: LensRow | undefined;
  readonly result?: MethodResult;
  readonly isOnFront: boolean;
}

type Choices = Pick<MethodChoices, 'methods' | 'grids' | 'usual'>;

/** The recipes that are shown, in the order in which they are measured: the usual ones, those of added grids, the rest by method. */
export function wantedRecipes(choices: Choices, filter: LensFilter): LensRecipe[] {
  const { grids, methods } = choices;
  const known = new Map(grids.map((grid) => [grid.name, grid]));
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  return candidates(choices, filter).filter(({ grid, method }) => {
    const { family, label = grid } = known.get(grid) ?? {};
    if (family && filter.hiddenFamilies.includes(family)) return false;
    if (filter.hiddenMethods.includes(method)) return false;
    const text = `${grid} ${label} ${labelOf(methods, method)}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** Methods that a filter can show or hide. */
export function offeredMethods(choices: Choices, filter: LensFilter): readonly MethodDescription[] {
  const used = new Set(candidates(choices, filter).map(({ method }) => method));
  return choices.methods.filter(({ id }) => used.has(id));
}

/** The recipes that words, kinds and methods leave some of. */
function candidates({ grids, methods, usual }: Choices, filter: LensFilter): LensRecipe[] {
  const ids = methods.map(({ id }) => id);
  const known = new Map(grids.map((grid) => [grid.name, grid]));
  const added = filter.added.flatMap((grid) =>
    (known.get(grid)?.methods ?? ids).map((method) => ({ grid, method })),
  );
  const rest = filter.all
    ? ids.flatMap((method) =>
        grids.filter((grid) => grid.methods.includes(method)).map(({ name: grid }) => ({ grid, method })),
      )
    : [];
  const all = new Map([...usual, ...added, ...rest].map((recipe) => [recipeId(recipe), recipe]));
  return [...all.values()];
}

const labelOf = (methods: readonly MethodDescription[], id: string): string =>
  methods.find((method) => method.id === id)?.label ?? id;

/** The lines of a table: recipes with a result, and those that still wait for one. */
export function linesOf(
  { grids, methods }: Choices,
  recipes: readonly LensRecipe[],
  rows: ReadonlyMap<string, LensRow>,
): LensLine[] {
  const known = new Map<string, LensGrid>(grids.map((grid) => [grid.name, grid]));
  const front = new Set(paretoFront([...rows.values()].filter(({ share }) => share === undefined)));
  return recipes.flatMap((recipe) => {
    const id = recipeId(recipe);
    const row = rows.get(id);
    if (row && !row.result) return [];
    const { label = recipe.grid, bitsPerWeight: bits, family } = known.get(recipe.grid) ?? {};
    return {
      ...{ id, ...recipe, label, methodLabel: labelOf(methods, recipe.method), row },
      place: methods.findIndex((method) => method.id === recipe.method),
      ...(row?.result ? { result: row.result } : {}),
      ...(bits === undefined ? {} : { nominalBits: bits }),
      ...(family ? { family } : {}),
      isOnFront: row !== undefined && front.has(row),
    };
  });
}

/** Figures that lines are ordered by. */
export const figuresOf: Readonly<Record<string, (result: MethodResult) => number | undefined>> = {
  bits: ({ bitsPerWeight }) => bitsPerWeight,
  error: ({ error }) => error.relativeError,
  sqnr: ({ error }) => error.sqnr,
  outputs: ({ outputError }) => (outputError === undefined ? undefined : -10 * Math.log10(outputError)),
  size: ({ bytes }) => bytes,
  time: ({ seconds }) => seconds,
  mse: ({ error }) => error.mse,
  max: ({ error }) => error.maxError,
  cosine: ({ error }) => error.cosine,
  evidence: ({ evidence }) => evidenceKinds.indexOf(evidence),
};

export const firstOrder: GridOrder = { column: 'bits', descending: false };

/** An order that was kept; undefined for one by a column that there is not. */
export function readOrder(saved: unknown): GridOrder | undefined {
  const { column, descending } = (
    typeof saved === 'object' && saved !== null ? saved : {}
  ) as Partial<GridOrder>;
  return column !== undefined && (column === 'method' || Object.hasOwn(figuresOf, column))
    ? { column, descending: descending === true }
    : undefined;
}

/** Lines in an order; those without the figure stay last, by bits as far as these are known. */
export function sortedLines(lines: readonly LensLine[], { column, descending }: GridOrder): LensLine[] {
  const figure = figuresOf[column] ?? (() => undefined);
  const valueOf = ({ result, nominalBits, place }: LensLine): number => {
    if (column === 'method') return place;
    if (result) return figure(result) ?? NaN;
    return column === 'bits' ? (nominalBits ?? NaN) : NaN;
  };
  const tie = ({ result }: LensLine): number => (result ? decisiveError(result) : Infinity);
  const sign = descending ? -1 : 1;
  const keyed = lines.map((line) => ({ line, value: valueOf(line), tie: tie(line) }));
  keyed.sort((a, b) => {
    if (Number.isNaN(a.value) || Number.isNaN(b.value))
      return Number(Number.isNaN(a.value)) - Number(Number.isNaN(b.value));
    if (a.value !== b.value) return sign * (a.value < b.value ? -1 : 1);
    return a.tie === b.tie ? 0 : a.tie - b.tie;
  });
  return keyed.map(({ line }) => line);
}

/** Recipes that have no result: how many lack which evidence, and why others cannot be applied. */
export function withoutResult(rows: Iterable<LensRow>): {
  readonly missing: ReadonlyMap<EvidenceKind, number>;
  readonly refused: readonly LensRow[];
} {
  const missing = new Map<EvidenceKind, number>();
  const refused: LensRow[] = [];
  for (const row of rows) {
    if (row.missing) missing.set(row.missing, (missing.get(row.missing) ?? 0) + 1);
    else if (row.refused !== undefined) refused.push(row);
  }
  return { missing, refused };
}
