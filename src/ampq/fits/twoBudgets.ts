import { preparedSolver, type KnapsackSolution } from '../knapsack';
import { prepareClasses } from '../knapsackClasses';
import { leastOf } from '../../protocol/extremes';

/** One way to store what is decided together: what it takes of each memory, and its cost. */
export interface PlacedChoice {
  readonly ram: number;
  readonly gpu: number;
  readonly cost: number;
}

export interface TwoBudgetSolution extends Pick<KnapsackSolution, 'optimal' | 'gap' | 'cost'> {
  /** For each class the index of its choice. */
  readonly chosen: Int32Array;
}

type Classes = readonly (readonly PlacedChoice[])[];

/** Relative difference of costs that is rounding. */
const rounding = 1e-9;

/** By how much others can be better than the best of several solutions, whose searches may have been cut. @param bound of the costs of all. */
export function openGap(cost: number, bound: number): Pick<KnapsackSolution, 'optimal' | 'gap'> {
  const gap = cost > 0 ? 1 - bound / cost : 0;
  return gap > rounding ? { optimal: false, gap } : { optimal: true, gap: 0 };
}

/** What no solution of the same budget costs less than. */
export const leastPossible = ({ cost, gap }: Pick<KnapsackSolution, 'cost' | 'gap'>): number =>
  cost * (1 - gap);

/** Combinations of choices that count in both memories which are tried. */
export const maxCombinations = 4096;

/**
 * One choice per class, the sums of `ram` and `gpu` within their budgets, Σ cost smallest: exact. Classes that take only one of the memories are
 * a knapsack of their own for each; the choices of those that take both (a tied embedding, which llama.cpp keeps twice) are all tried.
 * @returns undefined where no choices fit. Throws no error for many combinations: `combinationsOf` tells before.
 */
export function solveTwoBudgets(classes: Classes, ram: number, gpu: number): TwoBudgetSolution | undefined {
  const [inRam, onGpu, inBoth] = partsOf(classes);
  const solvers = {
    ram: solverOf(classes, inRam, 'ram'),
    gpu: solverOf(classes, onGpu, 'gpu'),
  };
  let best: Pick<TwoBudgetSolution, 'chosen' | 'cost'> | undefined;
  let bound = Infinity;
  for (const shared of combinations(inBoth.map((at) => classes[at]!.length))) {
    const used = shared.map((choice, i) => classes[inBoth[i]!]![choice]!);
    const own = sumOf(used, 'cost');
    if (best && own >= best.cost) continue;
    const parts = [solvers.ram(ram - sumOf(used, 'ram')), solvers.gpu(gpu - sumOf(used, 'gpu'))];
    const [first, second] = parts;
    if (!first || !second) continue;
    bound = Math.min(bound, own + leastPossible(first) + leastPossible(second));
    const cost = own + first.cost + second.cost;
    if (best && cost >= best.cost) continue;
    const chosen = new Int32Array(classes.length);
    for (const [i, at] of inRam.entries()) chosen[at] = first.chosen[i]!;
    for (const [i, at] of onGpu.entries()) chosen[at] = second.chosen[i]!;
    for (const [i, at] of inBoth.entries()) chosen[at] = shared[i]!;
    best = { chosen, cost };
  }
  return best && { ...best, ...openGap(best.cost, bound) };
}

/** How many combinations of choices that take both memories there are. */
export const combinationsOf = (classes: Classes): number =>
  partsOf(classes)[2].reduce((product, at) => product * classes[at]!.length, 1);

/** The least that each memory holds, whatever is in the other. */
export const leastOfBoth = (classes: Classes): { readonly ram: number; readonly gpu: number } => ({
  ram: classes.reduce((sum, choices) => sum + leastOf(choices.map(({ ram }) => ram)), 0),
  gpu: classes.reduce((sum, choices) => sum + leastOf(choices.map(({ gpu }) => gpu)), 0),
});

/** Places of the classes that take RAM only, GPU memory only, and both. */
function partsOf(classes: Classes): [ram: number[], gpu: number[], both: number[]] {
  const parts: [number[], number[], number[]] = [[], [], []];
  for (const [at, choices] of classes.entries()) {
    const isOnGpu = choices.every(({ ram }) => ram === 0);
    const isInRam = choices.every(({ gpu }) => gpu === 0);
    parts[isInRam ? 0 : isOnGpu ? 1 : 2].push(at);
  }
  return parts;
}

/** A solver of the knapsack in one memory; where nothing is in it, any budget that is not negative will do. */
function solverOf(classes: Classes, places: readonly number[], memory: 'ram' | 'gpu') {
  const solve = preparedSolver(
    prepareClasses(
      places.map((at) => classes[at]!.map((choice) => ({ bytes: choice[memory], cost: choice.cost }))),
    ),
  );
  return (budget: number): KnapsackSolution | undefined => (budget < 0 ? undefined : solve(budget));
}

/** All tuples of choices. */
function combinations(counts: readonly number[]): number[][] {
  return counts.reduce<number[][]>(
    (all, count) => all.flatMap((tuple) => Array.from({ length: count }, (_, choice) => [...tuple, choice])),
    [[]],
  );
}

const sumOf = (choices: readonly PlacedChoice[], key: keyof PlacedChoice): number =>
  choices.reduce((sum, choice) => sum + choice[key], 0);
