import { latticeBits, latticeCandidates, lowerCandidates } from '../../ampq/sensitivity';
import { leastOf } from '../../protocol/extremes';
import { fewBits, fewBitsFormat } from '../../protocol/fewBits';
import type { SensitivityTable } from '../../protocol/plan';
import type { SensitivityEstimate, SensitivityParams } from '../../protocol/sensitivityRun';
import { said } from '../../protocol/said';
import { formatById } from '../../quant/catalogue';
import { isReached, planFor, type Wanted } from './wanted';

/** What a recommendation is made of. */
export interface MeasuringSteps {
  /** Says what a further run will do, before it starts. */
  announce(params: SensitivityParams): Promise<void>;
  measure(params: SensitivityParams): Promise<SensitivityTable>;
  /** Says what is measured besides what was asked for, and why. */
  note(text: string): void;
}

/** What a plan is solved from, and the run that measured it. */
export interface MeasuredForPlan {
  readonly table: SensitivityTable;
  readonly params: SensitivityParams;
}

/**
 * Measures what the plan that is wanted needs: smaller formats where the usual ones do not reach the budget, gains for few bits, and types on
 * lattices. Formats that are named are the only ones.
 * @param estimate of `params`.
 * @throws QuantscopeError as `sensitivity/run`.
 */
export async function measureForPlan(
  steps: MeasuringSteps,
  params: SensitivityParams,
  estimate: SensitivityEstimate,
  wanted: Wanted,
): Promise<MeasuredForPlan> {
  const isOptimised = estimate.codes !== undefined;
  const usual = await measureDownTo(steps, params, estimate, wanted);
  const isFew = isMeasured(params, usual) && hasFewBits(usual, wanted, isOptimised);
  const asked = isFew ? { ...params, fewBits: true } : params;
  const few = isFew ? await measureFewBits(steps, asked) : usual;
  const table = isOptimised ? await withLattices(steps, asked, few, estimate.formats, wanted) : few;
  return { table, params: asked };
}

/** Whether the gains of a run are measured by changing each tensor. */
const isMeasured = (
  { keptGains, gainsFile, curvature }: SensitivityParams,
  { gainsFrom }: SensitivityTable,
): boolean => gainsFrom !== undefined && keptGains !== true && curvature !== true && gainsFile === undefined;

/** Whether a plan has so few bits that other gains are better for it; where it needs smaller types, whether these are to be added. */
const hasFewBits = (measured: SensitivityTable, wanted: Wanted, isOptimised: boolean): boolean =>
  isReached(measured, wanted) ? planFor(measured, wanted).plan.total.bitsPerWeight < fewBits : isOptimised;

async function measureFewBits(steps: MeasuringSteps, params: SensitivityParams): Promise<SensitivityTable> {
  steps.note(said`Below ${fewBits} bits per weight, gains are measured in ${fewBitsFormat}.`);
  await steps.announce(params);
  return steps.measure(params);
}

/** The table with types on lattices, where the plan has few bits and no formats were named. */
async function withLattices(
  steps: MeasuringSteps,
  params: SensitivityParams,
  measured: SensitivityTable,
  formats: readonly string[],
  wanted: Wanted,
): Promise<SensitivityTable> {
  const more = latticeCandidates.filter((id) => !formats.includes(id));
  if (params.formats || more.length === 0 || measured.notExportable !== undefined) return measured;
  if (isReached(measured, wanted) && planFor(measured, wanted).plan.total.bitsPerWeight >= latticeBits)
    return measured;
  steps.note(said`Below ${latticeBits} bits per weight, ${more.join(', ')} are added.`);
  const all = { ...params, formats: [...formats, ...more] };
  await steps.announce(all);
  return steps.measure(all);
}

/** The table, with smaller formats as far as the budget requires; only the named formats, if any were. */
async function measureDownTo(
  steps: MeasuringSteps,
  params: SensitivityParams,
  { formats, weightsOnly }: SensitivityEstimate,
  wanted: Wanted,
): Promise<SensitivityTable> {
  let measured = await steps.measure(params);
  const { notExportable } = measured;
  // The reason may have been said already: it can be why the model is not run, too.
  if (notExportable !== undefined)
    steps.note(
      weightsOnly?.includes(notExportable) === true
        ? said`For the same reason this model cannot be exported as GGUF.`
        : said`This model cannot be exported as GGUF: ${notExportable}`,
    );
  if (params.formats) return measured;
  const all = [...formats];
  const width = (id: string): number => formatById(id).nominalBitsPerWeight;
  const narrowest = leastOf(formats.map(width));
  for (const lower of lowerCandidates.filter((id) => width(id) < narrowest)) {
    if (isReached(measured, wanted)) break;
    all.push(lower);
    steps.note(said`The budget is below the minimum of these formats: ${lower} is added.`);
    measured = await steps.measure({ ...params, formats: all });
  }
  return measured;
}
