import { absolutePlace } from '../model/place';
import { fitsInto, solveFit } from '../ampq/fits/solveFit';
import { makePlan, parseBudget } from '../ampq/planFile';
import { runtimeConstraints } from '../ampq/runtimes';
import { smallestBudget } from '../ampq/smallestBudget';
import { estimatedFrame, isWithin } from '../ampq/solve';
import { QuantscopeError } from '../model/errors';
import type { FitRequest, FitUse } from '../protocol/fit';
import type { LoadedModel } from '../protocol/loadedModel';
import type { Budget, FileFrame, Plan, PlanConstraint, SensitivityTable } from '../protocol/plan';
import type { Runtime } from '../protocol/runtimes';
import { divergenceWithin, type Targets } from '../protocol/targets';
import {
  modelOption,
  textOption,
  UsageError,
  valueOption,
  type CommandContext,
  type OptionSpec,
} from './command';
import { fitOption } from './fit';

/** Options of which one says what a plan is for. */
export const goalOptions: Readonly<Record<string, OptionSpec>> = {
  budget: valueOption('B', '4.5bpw, or the size of the exported file: 3.2MB, 6GB, 5.5GiB'),
  kld: valueOption('X', 'the smallest file whose predicted KL divergence is at most X nats per token'),
  p99: valueOption('Y', 'the same for the 99 % quantile of the divergence of tokens'),
  'same-top': valueOption('Z', 'the same for at least Z % of tokens with the same most probable token'),
  beat: modelOption('F', 'GGUF file of the same base: the best plan of at most its size, compared with it'),
};

/** The smallest divergence within a budget or a memory, or the smallest file that keeps targets. */
export type Goal = { readonly budget: Budget } | { readonly targets: Targets } | { readonly fit: FitRequest };

/** What is asked for: a goal, or a file to beat. */
export interface Chosen {
  readonly goal?: Goal;
  readonly rivalFile?: string;
}

/** What a plan is to keep to. */
export interface Wanted {
  readonly goal: Goal;
  readonly frame: FileFrame | undefined;
  /** Present where the goal is a memory. */
  readonly loaded?: LoadedModel | undefined;
  readonly constraints: readonly PlanConstraint[];
  readonly runtime: Runtime | undefined;
}

/** A plan, and what it takes when it runs where that was asked for. */
export interface Planned {
  readonly plan: Plan;
  readonly use?: FitUse;
}

/** @throws QuantscopeError REQUEST where the table has no such plan. */
export function planFor(table: SensitivityTable, wanted: Wanted): Planned {
  const { goal, frame, loaded } = wanted;
  const constraints = allConstraints(table, wanted);
  const counted = frame ?? estimatedFrame(table);
  if ('budget' in goal) return { plan: makePlan(table, goal.budget, counted, { constraints }) };
  if ('fit' in goal) return solveFit(table, loaded!, goal.fit, constraints);
  const { targets } = goal;
  const budget = smallestBudget(table, predictedWithin(targets, table), counted, constraints);
  return { plan: makePlan(table, budget, counted, { constraints, targets }) };
}

/** Whether formats are small enough for the goal; those of targets never are the reason why there is no plan. */
export function isReached(table: SensitivityTable, wanted: Wanted): boolean {
  const { goal, frame, loaded } = wanted;
  const constraints = allConstraints(table, wanted);
  if ('budget' in goal) return isWithin(table, goal.budget, frame ?? estimatedFrame(table), constraints);
  return 'targets' in goal || fitsInto(table, loaded!, goal.fit, constraints);
}

/** Those that are asked for, and those of the runtime. */
const allConstraints = ({ rows }: SensitivityTable, { constraints, runtime }: Wanted): PlanConstraint[] => [
  ...constraints,
  ...(runtime === undefined
    ? []
    : runtimeConstraints(
        runtime,
        rows.map(({ tensor }) => tensor),
      )),
];

/** @throws UsageError unless there is one of a budget, a memory, targets and a file to beat, and all are valid. */
export function goalOption(context: CommandContext): Chosen {
  const [budget, beat] = [textOption(context, 'budget'), textOption(context, 'beat')];
  const fit = fitOption(context);
  const targets = targetsOption(context);
  const hasTargets = Object.keys(targets).length > 0;
  if ([budget !== undefined, beat !== undefined, fit !== undefined, hasTargets].filter(Boolean).length !== 1)
    throw new UsageError(
      'Give --budget, or --kld, --p99 or --same-top for the smallest file, or --fit for a memory, or --beat for the size of a file.',
    );
  if (beat !== undefined) return { rivalFile: absolutePlace(beat) };
  if (fit !== undefined) return { goal: { fit } };
  if (budget !== undefined) return { goal: { budget: budgetFrom(budget) } };
  if (context.options['weights-only'] === true)
    throw new UsageError('--kld, --p99 and --same-top need gains over a text: leave out --weights-only.');
  return { goal: { targets } };
}

function targetsOption(context: CommandContext): Targets {
  return {
    ...targetOption(context, 'kld', 'mean', {
      most: Infinity,
      such: 'a KL divergence in nats per token, such as 0.001',
    }),
    ...targetOption(context, 'p99', 'percentile99', {
      most: Infinity,
      such: 'a KL divergence in nats, such as 0.01',
    }),
    ...targetOption(
      context,
      'same-top',
      'sameTopToken',
      { most: 100, such: 'a share of tokens in percent, such as 97.5' },
      0.01,
    ),
  };
}

/** @throws UsageError for anything but a number above zero. */
function targetOption<K extends keyof Targets>(
  context: CommandContext,
  option: string,
  name: K,
  { most, such }: { readonly most: number; readonly such: string },
  unit = 1,
): Pick<Targets, K> | Record<string, never> {
  const text = textOption(context, option);
  if (text === undefined) return {};
  const value = Number(text);
  if (!/^\d*\.?\d+(e-?\d+)?$/i.test(text) || !(value > 0) || !Number.isFinite(value) || value >= most)
    throw new UsageError(`--${option} takes ${such}, not "${text}".`);
  return { [name]: unit * value } as Pick<Targets, K>;
}

/**
 * The largest mean divergence that is predicted to keep targets, nats per token.
 * @throws QuantscopeError REQUEST where only the mean can be predicted.
 */
function predictedWithin(targets: Targets, { gainsFrom, modelName }: SensitivityTable): number {
  const { mean, ...others } = targets;
  if (mean !== undefined && Object.keys(others).length === 0) return mean;
  if (gainsFrom?.spread) return divergenceWithin(targets, gainsFrom.spread);
  const message = `The gains of ${modelName} do not say how the divergence of single tokens follows from the mean, as there are none over a text or no tensor changes the output: only --kld can be predicted.`;
  throw new QuantscopeError('REQUEST', message);
}

function budgetFrom(text: string): Budget {
  try {
    return parseBudget(text);
  } catch (error) {
    throw error instanceof QuantscopeError ? new UsageError(error.message) : error;
  }
}
