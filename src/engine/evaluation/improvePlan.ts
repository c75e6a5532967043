import { assignmentDigest } from '../../ampq/assignmentDigest';
import type { Candidates } from '../../ampq/candidates';
import { gainsAround, proposeSwaps, tableOfPlan, withChanges } from '../../ampq/planSwaps';
import { storedSensitivity } from '../../ampq/sensitivity';
import { alternateWindows, pairedInterval } from '../../evaluation/pairedWindows';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import type { Improvement } from '../../protocol/certificate';
import type { Interval } from '../../protocol/estimate';
import type { Plan, SensitivityTable } from '../../protocol/plan';
import { said } from '../../protocol/said';
import { usualTokens } from './chooseGains';
import { tokensOf, type JointRuns } from './jointRuns';
import type { JointTokens } from './jointStore';
import type { PlannedVariant } from './plannedVariant';
import { keptRoundings, withRoundings } from './roundedInputs';

/** Swaps that are measured around one plan, and plans that this is done around. */
export const mostSwaps = 6;
export const mostRounds = 3;

/** What a plan is improved with. */
export interface ImproveOptions {
  /** With the errors of the formats that tensors may change to. */
  readonly table: SensitivityTable;
  readonly runs: JointRuns;
  readonly variantOf: (plan: Plan, label: string) => Promise<PlannedVariant>;
}

export interface ImprovedPlan {
  /** As it was where no swaps were adopted. */
  readonly plan: Plan;
  readonly improvement: Improvement;
}

/** A plan and what was measured of it. */
interface MeasuredPlan {
  readonly plan: Plan;
  readonly tokens: JointTokens;
}

/**
 * Improves a plan by swaps of formats, in at most its bytes: gains are measured around the plan, changes that they predict to be better are
 * measured, and those that the paired interval on the even windows shows to be better are taken, until there are none. The plan then changes only if
 * the odd windows, which had no part in it, show that all of them together are better, too. Deterministic, so that a run that was stopped finds what it
 * measured before.
 * @throws QuantscopeError as `JointRuns.measure`, and as `tableOfPlan`.
 */
export async function improvePlan(
  plan: Plan,
  { table: stored, runs, variantOf }: ImproveOptions,
): Promise<ImprovedPlan> {
  const table = tableOfPlan(stored, plan);
  const { counts } = runs;
  const judging = judgingWindows(counts.length);
  const sampled = sampledWindows(counts);
  const measured = async (of: Plan, label: string): Promise<MeasuredPlan> => {
    const [tokens] = await runs.measure([await variantOf(of, label)]);
    return { plan: of, tokens: tokens! };
  };
  const given = await measured(plan, 'the plan');
  const swaps: Improvement['swaps'][number][] = [];
  const seen = new Set([assignmentDigest(plan)]);
  let current = given;
  let tried = 0;
  for (let round = 0; round < mostRounds; round++) {
    const before = current;
    const variant = await variantOf(current.plan, 'the plan');
    const around = gainsAround(table, current.plan, await runs.around(variant, sampled));
    const proposals = proposeSwaps(around, current.plan, mostSwaps);
    for (const [at, changes] of proposals.entries()) {
      const other = withChanges(table, current.plan, changes);
      if (!other || seen.has(assignmentDigest(other))) continue;
      seen.add(assignmentDigest(other));
      tried += 1;
      const swapped = await measured(other, `round ${round + 1}, swap ${at + 1} of ${proposals.length}`);
      const difference = differenceOn(judging, swapped.tokens, current.tokens, counts);
      if (!(difference.high < 0)) continue;
      swaps.push({ changes, difference });
      current = swapped;
    }
    if (current === before) break;
  }
  const found = { windows: judging.length, tried, swaps };
  if (current === given) return { plan, improvement: { ...found, isAdopted: false } };
  const others = certifyingWindows(counts.length);
  const difference = differenceOn(others, current.tokens, given.tokens, counts);
  const isAdopted = difference.high < 0;
  return { plan: isAdopted ? current.plan : plan, improvement: { ...found, difference, isAdopted } };
}

/** Windows that swaps are judged on. */
const judgingWindows = (windows: number): number[] => alternateWindows(windows, 0);

/** Windows that swaps have no part in. */
export const certifyingWindows = (windows: number): number[] => alternateWindows(windows, 1);

/** Divergences of `a` less those of `b`. */
function differenceOn(
  windows: readonly number[],
  a: JointTokens,
  b: JointTokens,
  counts: readonly number[],
): Interval {
  const of = (tokens: JointTokens): Float64Array => tokensOf(tokens, counts, windows).divergences;
  const own = windows.map((at) => counts[at]!);
  return pairedInterval(of(a), of(b), own);
}

/** Windows that gains around a plan are measured over: about as many tokens as other gains, spread evenly over those that swaps are judged on. */
export function sampledWindows(counts: readonly number[]): number[] {
  const windows = judgingWindows(counts.length);
  const wanted = Math.min(windows.length, Math.ceil(usualTokens / counts[windows[0]!]!));
  return Array.from(
    { length: wanted },
    (_, i) => windows[Math.floor(((i + 0.5) * windows.length) / wanted)]!,
  );
}

/**
 * The errors that a plan was made from, as far as they are kept.
 * @param folder of sensitivity results.
 * @throws QuantscopeError REQUEST where none are, or not what the rounding of activations adds to those of the plan.
 */
export async function storedTable(
  model: Model,
  plan: Plan,
  candidates: Candidates,
  folder: string,
): Promise<SensitivityTable> {
  const { codes, roundsActivations } = plan;
  const encoded = codes ? { ...candidates, codes } : candidates;
  const table = await storedSensitivity(model, encoded, folder);
  const roundings = roundsActivations && (await keptRoundings(model, encoded, folder));
  if (!table || (roundsActivations && !roundings)) {
    const message = said`Swaps are proposed from the errors that the plan was made from, and these are not kept: make the plan again, or leave out --improve.`;
    throw new QuantscopeError('REQUEST', message, { file: model.description.path });
  }
  return withRoundings(table, roundings);
}
