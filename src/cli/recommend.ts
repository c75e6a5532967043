import { resolve } from 'node:path';
import { printPlan } from '../ampq/planFile';
import { measureForPlan, type MeasuringSteps } from '../engine/recommendation/measureForPlan';
import { planFor } from '../engine/recommendation/wanted';
import { writeAtomically } from '../files/atomicFile';
import type { Plan } from '../protocol/plan';
import { planRung, rungText } from '../protocol/rungs';
import { verdictOf } from '../protocol/verdict';
import { size } from '../protocol/words';
import { requiredOption, type Command, type CommandContext } from './command';
import { constraintOptions, constraintsOf } from './constraints';
import { exportedModel } from './exportedModel';
import { fitLines, fitOptions } from './fit';
import { goalOption, goalOptions } from './goal';
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
    const { table: own, params: asked } = await measureForPlan(steps(context), params, estimate, wanted);
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

/** The steps of a recommendation, announced before they run. */
const steps = (context: CommandContext): MeasuringSteps => ({
  announce: async (params) => void (await announce(context, params)),
  measure: (params) => measure(context, params),
  note: context.note,
});

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
