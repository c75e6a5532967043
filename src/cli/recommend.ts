import { resolve } from 'node:path';
import { printPlan } from '../ampq/planFile';
import { fewBits, fewBitsFormat } from '../protocol/fewBits';
import { latticeBits, latticeCandidates, lowerCandidates } from '../ampq/sensitivity';
import { writeAtomically } from '../files/atomicFile';
import { formatById } from '../quant/catalogue';
import type { SensitivityEstimate, SensitivityParams } from '../protocol/sensitivityRun';
import type { Plan, SensitivityTable } from '../protocol/plan';
import { leastOf } from '../protocol/extremes';
import { planRung, rungText } from '../protocol/rungs';
import { verdictOf } from '../protocol/verdict';
import { size } from '../protocol/words';
import { requiredOption, type Command, type CommandContext } from './command';
import { constraintOptions, constraintsOf } from './constraints';
import { exportedModel } from './exportedModel';
import { fitLines, fitOptions } from './fit';
import { goalOption, goalOptions, isReached, planFor, type Wanted } from './goal';
import { checkOutputs } from './outputs';
import { compareRival, readRival, rivalLines, withRivalTypes } from './rival';
import { exportLines, paramsFor, runtimeOption, runtimeOptions } from './runtime';
import { measuringOptions, measuringParams } from './measuringOptions';
import { announce, measure } from './sensitivity';
import { aboveNoise, figure, number, table } from './text';

export const recommend: Command = {
  name: 'recommend',
  operand: 'MODEL',
  summary: 'Write a plan: the formats that change the output least within a budget',
  options: {
    ...goalOptions,
    ...fitOptions,
    ...runtimeOptions,
    out: { type: 'string', value: 'P', help: 'the .ampq.json file to write', required: true },
    ...constraintOptions,
    ...measuringOptions,
  },
  keepsResults: true,
  async run(context) {
    const out = resolve(requiredOption(context, 'out'));
    const chosen = goalOption(context);
    const constraints = constraintsOf(context);
    const runtime = runtimeOption(context);
    const params = paramsFor(runtime, measuringParams(context));
    const { rivalFile: beaten } = chosen;
    const read = [params.text, params.imatrix, params.optimised?.text, params.gainsFile, beaten];
    const inputs = await checkOutputs(context, [out], read);
    const rival = beaten === undefined ? undefined : await readRival(context, params, beaten);
    const goal = rival ? { budget: { kind: 'bytes', value: rival.bytes } as const } : chosen.goal!;
    const estimate = await announce(context, params);
    const isOptimised = estimate.codes !== undefined;
    const encoding = { imatrix: params.imatrix, isOptimised };
    const exported = await exportedModel(context.model, encoding, 'fit' in goal, context.signal);
    for (const text of exported.loaded?.shape.notes ?? []) context.note(`Note: ${text}`);
    // A file of GGUF is not what other runtimes load: its header does not count.
    const isGguf = runtime === undefined || runtime === 'llama.cpp';
    const wanted = { goal, ...(isGguf ? exported : { frame: undefined }), constraints, runtime };
    const usual = await measureDownTo(context, params, estimate, wanted);
    const isFew = isMeasured(params, usual) && hasFewBits(usual, wanted, isOptimised);
    const asked = isFew ? { ...params, fewBits: true } : params;
    const few = isFew ? await measureFewBits(context, asked) : usual;
    const own = isOptimised ? await withLattices(context, asked, few, estimate.formats, wanted) : few;
    const measured = rival ? await withRivalTypes(context, asked, own, rival) : own;
    const { plan, use } = planFor(measured, wanted);
    const compared = rival && compareRival(rival, plan, measured);
    const noise = measured.gainsFrom?.noise;
    await writeAtomically(out, (file) => file.write(Buffer.from(printPlan(plan))), inputs);
    const verdict = verdictOf(plan, noise);
    return {
      json: {
        ...{ out, plan, recommended: verdict?.recommended ?? false },
        ...(compared ? { rival: compared } : {}),
        ...(use ? { use } : {}),
      },
      lines: [
        ...planLines(plan, noise),
        ...(use && plan.fit ? fitLines(plan.fit, use) : []),
        ...(compared ? rivalLines(compared) : []),
        ...(verdict ? [verdict.text] : []),
        `Written: ${out}`,
        ...exportLines(runtime, out),
      ],
    };
  },
};

/** Whether the gains of a run are measured by changing each tensor. */
const isMeasured = (
  { keptGains, gainsFile, curvature }: SensitivityParams,
  { gainsFrom }: SensitivityTable,
): boolean => gainsFrom !== undefined && keptGains !== true && curvature !== true && gainsFile === undefined;

/** Whether a plan has so few bits that other gains are better for it; where it needs smaller types, whether these are to be added. */
const hasFewBits = (measured: SensitivityTable, wanted: Wanted, isOptimised: boolean): boolean =>
  isReached(measured, wanted) ? planFor(measured, wanted).plan.total.bitsPerWeight < fewBits : isOptimised;

async function measureFewBits(context: CommandContext, params: SensitivityParams): Promise<SensitivityTable> {
  context.note(`Below ${fewBits} bits per weight, gains are measured in ${fewBitsFormat}.`);
  await announce(context, params);
  return measure(context, params);
}

/** The table with types on lattices, where the plan has few bits and no formats were named. */
async function withLattices(
  context: CommandContext,
  params: SensitivityParams,
  measured: SensitivityTable,
  formats: readonly string[],
  wanted: Wanted,
): Promise<SensitivityTable> {
  const more = latticeCandidates.filter((id) => !formats.includes(id));
  if (params.formats || more.length === 0 || measured.notExportable !== undefined) return measured;
  if (isReached(measured, wanted) && planFor(measured, wanted).plan.total.bitsPerWeight >= latticeBits)
    return measured;
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
  wanted: Wanted,
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
  if (params.formats) return measured;
  const all = [...formats];
  const width = (id: string): number => formatById(id).nominalBitsPerWeight;
  const narrowest = leastOf(formats.map(width));
  for (const lower of lowerCandidates.filter((id) => width(id) < narrowest)) {
    if (isReached(measured, wanted)) break;
    all.push(lower);
    context.note(`The budget is below the minimum of these formats: ${lower} is added.`);
    measured = await measure(context, { ...params, formats: all });
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
