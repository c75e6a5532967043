import { resolve } from 'node:path';
import { makePlan, parseBudget, printPlan } from '../ampq/planFile';
import { latticeBits, latticeCandidates, lowerCandidates } from '../ampq/sensitivity';
import { fileBytes, rivalFile } from '../ampq/rivalFile';
import { smallestBudget } from '../ampq/smallestBudget';
import { estimatedFrame, isWithin } from '../ampq/solve';
import { writeAtomically } from '../files/atomicFile';
import { formatById } from '../quant/catalogue';
import { QuantscopeError } from '../model/errors';
import type { SensitivityEstimate, SensitivityParams } from '../protocol/engine';
import {
  type Budget,
  type FileFrame,
  type Plan,
  type PlanConstraint,
  type SensitivityTable,
} from '../protocol/plan';
import { leastOf } from '../protocol/extremes';
import { planRung, rungText } from '../protocol/rungs';
import { divergenceWithin, type Targets } from '../protocol/targets';
import { verdictOf } from '../protocol/verdict';
import { size } from '../protocol/words';
import {
  requiredOption,
  textOption,
  UsageError,
  valueOption,
  type Command,
  type CommandContext,
} from './command';
import { constraintOptions, constraintsOf } from './constraints';
import { exportFrame } from './exportFrame';
import { checkOutputs } from './outputs';
import { compareRival, describeRival, rivalLines, withRivalTypes } from './rival';
import { announce, measure, measuringOptions, measuringParams } from './sensitivity';
import { aboveNoise, figure, number, table } from './text';

export const recommend: Command = {
  name: 'recommend',
  operand: 'MODEL',
  summary: 'Write a plan: the formats that change the output least within a budget',
  options: {
    budget: {
      type: 'string',
      value: 'B',
      help: '4.5bpw, or the size of the exported file: 3.2MB, 6GB, 5.5GiB',
    },
    kld: valueOption('X', 'the smallest file whose predicted KL divergence is at most X nats per token'),
    p99: valueOption('Y', 'the same for the 99 % quantile of the divergence of tokens'),
    'same-top': valueOption('Z', 'the same for at least Z % of tokens with the same most probable token'),
    beat: valueOption('F', 'GGUF file of the same base: the best plan of at most its size, compared with it'),
    out: { type: 'string', value: 'P', help: 'the .ampq.json file to write', required: true },
    ...constraintOptions,
    ...measuringOptions,
  },
  keepsResults: true,
  async run(context) {
    const out = resolve(requiredOption(context, 'out'));
    const chosen = goalOption(context);
    const constraints = constraintsOf(context);
    const params = measuringParams(context);
    const { rivalFile: beaten } = chosen;
    const read = [params.text, params.imatrix, params.optimised?.text, params.gainsFile, beaten];
    const inputs = await checkOutputs(context, [out], read);
    const described = beaten === undefined ? undefined : await describeRival(beaten, context.signal);
    const goal = described
      ? { budget: { kind: 'bytes', value: fileBytes(described) } as const }
      : chosen.goal!;
    const estimate = await announce(context, params);
    const isOptimised = estimate.codes !== undefined;
    const frame = await exportFrame(context.model, { imatrix: params.imatrix, isOptimised }, context.signal);
    const wanted = { goal, frame, constraints };
    const few = await measureDownTo(context, params, estimate, wanted);
    const own = isOptimised ? await withLattices(context, params, few, estimate.formats, wanted) : few;
    const rival = described && rivalFile(described, own.rows);
    const measured = rival ? await withRivalTypes(context, params, own, rival) : own;
    const plan = planFor(measured, wanted);
    const compared = rival && compareRival(rival, plan, measured);
    const noise = measured.gainsFrom?.noise;
    await writeAtomically(out, (file) => file.write(Buffer.from(printPlan(plan))), inputs);
    const verdict = verdictOf(plan, noise);
    return {
      json: {
        ...{ out, plan, recommended: verdict?.recommended ?? false },
        ...(compared ? { rival: compared } : {}),
      },
      lines: [
        ...planLines(plan, noise),
        ...(compared ? rivalLines(compared) : []),
        ...(verdict ? [verdict.text] : []),
        `Written: ${out}`,
      ],
    };
  },
};

/** The smallest divergence within a budget, or the smallest file that keeps targets. */
type Goal = { readonly budget: Budget } | { readonly targets: Targets };

/** What is asked for: a goal, or a file to beat. */
interface Chosen {
  readonly goal?: Goal;
  readonly rivalFile?: string;
}

/** What a plan is to keep to. */
interface Wanted {
  readonly goal: Goal;
  readonly frame: FileFrame | undefined;
  readonly constraints: readonly PlanConstraint[];
}

/** @throws QuantscopeError REQUEST where the table has no such plan. */
function planFor(table: SensitivityTable, { goal, frame, constraints }: Wanted): Plan {
  const counted = frame ?? estimatedFrame(table);
  if ('budget' in goal) return makePlan(table, goal.budget, counted, { constraints });
  const { targets } = goal;
  const budget = smallestBudget(table, predictedWithin(targets, table), counted, constraints);
  return makePlan(table, budget, counted, { constraints, targets });
}

/** The table with types on lattices, where the plan has few bits and no formats were named. */
async function withLattices(
  context: CommandContext,
  params: SensitivityParams,
  measured: SensitivityTable,
  formats: readonly string[],
  wanted: Wanted,
): Promise<SensitivityTable> {
  const { goal, frame, constraints } = wanted;
  const more = latticeCandidates.filter((id) => !formats.includes(id));
  if (params.formats || more.length === 0 || measured.notExportable !== undefined) return measured;
  const isPossible =
    !('budget' in goal) || isWithin(measured, goal.budget, frame ?? estimatedFrame(measured), constraints);
  if (isPossible && planFor(measured, wanted).total.bitsPerWeight >= latticeBits) return measured;
  context.note(`Below ${latticeBits} bits per weight, ${more.join(', ')} are added.`);
  const all = { ...params, formats: [...formats, ...more] };
  await announce(context, all);
  return measure(context, all);
}

/** The table, with smaller formats as far as the budget requires; only the named formats, if any were. */
async function measureDownTo(
  context: CommandContext,
  params: SensitivityParams,
  { formats, weightsOnly }: SensitivityEstimate,
  { goal, frame, constraints }: Wanted,
): Promise<SensitivityTable> {
  let measured = await measure(context, params);
  const { notExportable } = measured;
  // The reason may have been said already: it can be why the model is not run, too.
  if (notExportable !== undefined)
    context.note(
      weightsOnly?.includes(notExportable) === true
        ? 'For the same reason this model cannot be exported as GGUF.'
        : `This model cannot be exported as GGUF: ${notExportable}`,
    );
  if (params.formats || !('budget' in goal)) return measured;
  const wanted = [...formats];
  const width = (id: string): number => formatById(id).nominalBitsPerWeight;
  const narrowest = leastOf(formats.map(width));
  for (const lower of lowerCandidates.filter((id) => width(id) < narrowest)) {
    if (isWithin(measured, goal.budget, frame ?? estimatedFrame(measured), constraints)) break;
    wanted.push(lower);
    context.note(`The budget is below the minimum of these formats: ${lower} is added.`);
    measured = await measure(context, { ...params, formats: wanted });
  }
  return measured;
}

function planLines(plan: Plan, noise = 0): string[] {
  const { assignments, total, notes } = plan;
  const rows = assignments.map((item) => [
    item.tensor,
    item.format,
    item.bitsPerWeight.toFixed(4),
    item.relativeSquaredError === undefined ? '' : number(Math.sqrt(item.relativeSquaredError)),
  ]);
  const { bitsPerWeight, bytes, fileBytes, error = NaN, divergence } = total;
  const expected =
    divergence === undefined
      ? ''
      : `, predicted KL divergence ${aboveNoise(divergence, noise)} nats per token`;
  const file = fileBytes === undefined ? '' : ` in a file of ${size(fileBytes)} (${fileBytes}B)`;
  const figures = `${bitsPerWeight.toFixed(3)} bits per weight, ${size(bytes)} of tensors${file}, mean relative squared error ${figure(error)}${expected}`;
  return [
    ...table(['tensor', 'format', 'bits/weight', 'relative error'], rows),
    '',
    figures,
    `Evidence: ${rungText(planRung(plan), plan)}`,
    ...notes.map((note) => `Note: ${note}`),
  ];
}

/** @throws UsageError unless there is one of a budget, targets and a file to beat, and all are valid. */
function goalOption(context: CommandContext): Chosen {
  const [budget, beat] = [textOption(context, 'budget'), textOption(context, 'beat')];
  const targets: Targets = {
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
  const hasTargets = Object.keys(targets).length > 0;
  if ([budget !== undefined, beat !== undefined, hasTargets].filter(Boolean).length !== 1)
    throw new UsageError(
      'Give --budget, or --kld, --p99 or --same-top for the smallest file, or --beat for the size of a file.',
    );
  if (beat !== undefined) return { rivalFile: resolve(beat) };
  if (budget !== undefined) return { goal: { budget: budgetFrom(budget) } };
  if (context.options['weights-only'] === true)
    throw new UsageError('--kld, --p99 and --same-top need gains over a text: leave out --weights-only.');
  return { goal: { targets } };
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
  const message = `${modelName} has no gains of its own over a text, or no tensor changes its output: only --kld can be predicted.`;
  throw new QuantscopeError('REQUEST', message);
}

function budgetFrom(text: string): Budget {
  try {
    return parseBudget(text);
  } catch (error) {
    throw error instanceof QuantscopeError ? new UsageError(error.message) : error;
  }
}
