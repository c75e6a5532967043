import { parseBudget } from '../ampq/planFile';
import { QuantscopeError } from '../model/errors';
import { absolutePlace } from '../model/place';
import type { Budget } from '../protocol/plan';
import type { PlanGoal } from '../protocol/recommend';
import type { Targets } from '../protocol/targets';
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

/** What is asked for: a goal, or a file to beat. */
export interface Chosen {
  readonly goal?: PlanGoal;
  readonly rivalFile?: string;
}

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

function budgetFrom(text: string): Budget {
  try {
    return parseBudget(text);
  } catch (error) {
    throw error instanceof QuantscopeError ? new UsageError(error.message) : error;
  }
}
