import { QuantscopeError } from '../../model/errors';
import type { MemoryUse, PlanFit, RunSettings } from '../../protocol/fit';
import type { LoadedModel } from '../../protocol/loadedModel';
import { padded } from '../../protocol/fileFrame';
import type { PlanConstraint, SensitivityTable } from '../../protocol/plan';
import { size } from '../../protocol/words';
import { said } from '../../protocol/said';
import { prepareTable, sumOf, type PreparedTable } from '../preparedTable';
import { assignmentFrom, type Assignment } from '../solve';
import { cacheBytes, computeBytes, inputBytes } from './memory';
import { isBlockOnGpu, placesOf, type Place, type Split } from './placement';
import {
  combinationsOf,
  leastOfBoth,
  leastPossible,
  maxCombinations,
  openGap,
  solveTwoBudgets,
  type PlacedChoice,
  type TwoBudgetSolution,
} from './twoBudgets';

/** Two memories, and how much may be decided. */
export interface SplitRequest extends RunSettings {
  /** Bytes of RAM and of the GPU's memory that the model may take. */
  readonly ram: number;
  readonly gpu: number;
  /** `-ngl`; found where absent. */
  readonly gpuLayers?: number;
  readonly cpuMoe: boolean;
}

export interface SplitSolution {
  readonly solution: Assignment;
  readonly fit: PlanFit;
  readonly use: Readonly<Record<Place, MemoryUse>>;
}

/** What tensors start at multiples of: that of the file in RAM, as it is mapped, and of buffers on GPUs (ggml-cuda.cu). */
const gpuAlignment = 128;

/** Relative difference of costs that is rounding. */
const rounding = 1e-12;

/** One way to split a model, with what decides the plan then. */
interface Attempt {
  readonly split: Split;
  /** What is there whatever the plan. */
  readonly fixed: Readonly<Record<Place, MemoryUse>>;
  /** Ways to store the classes of the table. */
  readonly choices: readonly (readonly PlacedChoice[])[];
}

/**
 * The plan of smallest predicted divergence of which one part fits into the memory of a GPU and the other into RAM, with the number of layers on the
 * GPU that permits it: exact, as both are knapsacks once that number is fixed. Of equal plans the one with more layers on the GPU.
 * @throws QuantscopeError REQUEST naming what does not fit and the least that does; or as `classesOf` and `cacheBytes`.
 */
export function solveSplit(
  table: SensitivityTable,
  model: LoadedModel,
  request: SplitRequest,
  constraints: readonly PlanConstraint[] = [],
): SplitSolution {
  const prepared = prepareTable(table, constraints);
  let best: { attempt: Attempt; solved: TwoBudgetSolution } | undefined;
  let bound = Infinity;
  for (const attempt of attemptsOf(prepared, model, request)) {
    const solved = solveAttempt(attempt, request);
    if (solved) bound = Math.min(bound, leastPossible(solved));
    if (solved && (!best || solved.cost <= best.solved.cost * (1 + rounding))) best = { attempt, solved };
  }
  if (!best) throw doesNotFit(attemptsOf(prepared, model, request), request);
  const solved = { ...best.solved, ...openGap(best.solved.cost, bound) };
  return splitSolution(table, prepared, model, request, best.attempt, solved);
}

/** Whether `solveSplit` finds a plan. */
export function fitsSplit(
  table: SensitivityTable,
  model: LoadedModel,
  request: SplitRequest,
  constraints: readonly PlanConstraint[] = [],
): boolean {
  for (const attempt of attemptsOf(prepareTable(table, constraints), model, request)) {
    const { ram, gpu } = leastOfAttempt(attempt);
    if (ram <= request.ram && gpu <= request.gpu) return true;
  }
  return false;
}

/** One after the other, as each has the ways to store all classes. @throws QuantscopeError as `attemptOf`. */
function* attemptsOf(prepared: PreparedTable, model: LoadedModel, request: SplitRequest): Generator<Attempt> {
  for (const split of splitsOf(model, request)) yield attemptOf(prepared, model, request, split);
}

function splitsOf({ shape }: LoadedModel, { gpuLayers, cpuMoe }: SplitRequest): Split[] {
  const most = shape.layers.length + 1;
  if (gpuLayers !== undefined) return [{ gpuLayers: Math.min(gpuLayers, most), cpuMoe }];
  return Array.from({ length: most + 1 }, (_, layers) => ({ gpuLayers: layers, cpuMoe }));
}

/** @throws QuantscopeError REQUEST where constraints join too many tensors of both memories. */
function attemptOf(
  { classes, rows, choices, factors }: PreparedTable,
  model: LoadedModel,
  settings: RunSettings,
  split: Split,
): Attempt {
  const placed = { blocks: model.shape.layers.length, isTied: model.isTied };
  const memories = rows.map(({ tensor }) => placesOf(tensor, placed, split));
  const ways = classes.map(({ rows: members, options }) =>
    options.map((places): PlacedChoice => {
      const items = places.map((place, i) => choices[members[i]!]![place]!);
      const bytesAt = (memory: Place): number =>
        sumOf(items, ({ bytes }, i) =>
          memories[members[i]!]!.includes(memory) ? padded(bytes, alignmentIn(memory, model)) : 0,
        );
      const cost = sumOf(items, (item, i) => item.relativeSquaredError * factors[members[i]!]!);
      return { ram: bytesAt('ram'), gpu: bytesAt('gpu'), cost };
    }),
  );
  if (combinationsOf(ways) > maxCombinations)
    throw new QuantscopeError(
      'REQUEST',
      said`With ${split.gpuLayers} layers on the GPU, constraints that ask for the same format join tensors in RAM with tensors on the GPU in more ways than can be tried. Join tensors of one memory only.`,
    );
  return { split, fixed: fixedUse(model, settings, split), choices: ways };
}

const alignmentIn = (memory: Place, { frame }: LoadedModel): number =>
  memory === 'gpu' ? gpuAlignment : frame.alignment;

/** What a split takes besides the tensors that formats are chosen for. */
function fixedUse(model: LoadedModel, settings: RunSettings, split: Split): Attempt['fixed'] {
  const { shape, fixed, headerBytes, isTied } = model;
  const placed = { blocks: shape.layers.length, isTied };
  const weightsIn = (memory: Place): number =>
    sumOf(fixed, ({ name, bytes }) =>
      placesOf(name, placed, split).includes(memory) ? padded(bytes, alignmentIn(memory, model)) : 0,
    );
  const cache = cacheBytes(shape, settings);
  const onGpu = sumOf(cache, (bytes, block) => (isBlockOnGpu(block, placed, split) ? bytes : 0));
  const hasGpu = split.gpuLayers > 0;
  const isAllOnGpu = split.gpuLayers > placed.blocks && !split.cpuMoe;
  return {
    ram: {
      weights: headerBytes + weightsIn('ram'),
      cache: sumOf(cache, (bytes) => bytes) - onGpu,
      compute: (isAllOnGpu ? inputBytes : computeBytes)(shape, settings),
    },
    gpu: { weights: weightsIn('gpu'), cache: onGpu, compute: hasGpu ? computeBytes(shape, settings) : 0 },
  };
}

const totalOf = ({ weights, cache, compute }: MemoryUse): number => weights + cache + compute;

const solveAttempt = ({ fixed, choices }: Attempt, { ram, gpu }: SplitRequest) =>
  solveTwoBudgets(choices, ram - totalOf(fixed.ram), gpu - totalOf(fixed.gpu));

/** The least that a split takes of each memory. */
function leastOfAttempt({ fixed, choices }: Attempt): Record<Place, number> {
  const least = leastOfBoth(choices);
  return { ram: totalOf(fixed.ram) + least.ram, gpu: totalOf(fixed.gpu) + least.gpu };
}

function splitSolution(
  table: SensitivityTable,
  prepared: PreparedTable,
  model: LoadedModel,
  request: SplitRequest,
  { split, fixed }: Attempt,
  solved: TwoBudgetSolution,
): SplitSolution {
  const { ram, gpu, context, sequences, cacheType } = request;
  const placed = { blocks: model.shape.layers.length, isTied: model.isTied };
  const memories = table.rows.map(({ tensor }) => placesOf(tensor, placed, split));
  const useOf = (sizes: Float64Array, memory: Place): MemoryUse => {
    const weights = sizes.reduce(
      (sum, bytes, row) =>
        sum + (memories[row]!.includes(memory) ? padded(bytes, alignmentIn(memory, model)) : 0),
      fixed[memory].weights,
    );
    return { ...fixed[memory], weights };
  };
  const fits = (sizes: Float64Array): boolean =>
    totalOf(useOf(sizes, 'ram')) <= ram && totalOf(useOf(sizes, 'gpu')) <= gpu;
  const solution = assignmentFrom(table, prepared, {
    ...{ ...solved, fits, frame: model.frame, available: ram + gpu },
  });
  const sizes = Float64Array.from(solution.assignments, ({ bytes }) => bytes);
  return {
    solution,
    fit: {
      ...{ context, sequences, cacheType, memory: ram },
      gpu: { memory: gpu, layers: split.gpuLayers, cpuMoe: split.cpuMoe },
    },
    use: { ram: useOf(sizes, 'ram'), gpu: useOf(sizes, 'gpu') },
  };
}

/** Names the split that comes nearest: what it takes at least, and of what. */
function doesNotFit(attempts: Iterable<Attempt>, { ram, gpu }: SplitRequest): QuantscopeError {
  let found: { nearest: Attempt; least: Record<Place, number>; excess: number } | undefined;
  for (const attempt of attempts) {
    const least = leastOfAttempt(attempt);
    const excess = Math.max(0, least.ram - ram) + Math.max(0, least.gpu - gpu);
    if (!found || excess <= found.excess) found = { nearest: attempt, least, excess };
  }
  const { nearest, least } = found!; // there is one way to split a model at least
  const { gpuLayers, cpuMoe } = nearest.split;
  const describe = (memory: Place, name: string, limit: number): string => {
    const { cache, compute } = nearest.fixed[memory];
    const parts = said`${size(least[memory] - cache - compute)} of weights, ${size(cache)} of keys and values, ${size(compute)} of buffers`;
    const [needed, bytes] = [size(least[memory]), least[memory]];
    return bytes > limit
      ? said`${name} takes at least ${needed} (${bytes}B: ${parts}), and ${size(limit)} were given`
      : said`${name} takes at least ${needed} (${bytes}B: ${parts})`;
  };
  const [onGpu, inRam] = [describe('gpu', said`the GPU`, gpu), describe('ram', 'RAM', ram)];
  return new QuantscopeError(
    'REQUEST',
    cpuMoe
      ? said`The model does not fit: with ${gpuLayers} layers on the GPU and experts in RAM, ${onGpu}; ${inRam}.`
      : said`The model does not fit: with ${gpuLayers} layers on the GPU, ${onGpu}; ${inRam}.`,
  );
}
