import { printPlan } from '../../ampq/planFile';
import { writeAtomically } from '../../files/atomicFile';
import { inputsOf } from '../../files/inputs';
import type { RecommendParams } from '../../protocol/recommend';
import { checkParams, type Job } from '../job';
import type { OpenModels } from '../models';
import { exportedFile } from '../recommendation/exportedFile';
import { measureForPlan, type MeasuringSteps } from '../recommendation/measureForPlan';
import { planFor } from '../recommendation/wanted';
import { estimateJob, runKinds, sensitivityJob } from './sensitivity';

/** The best plan for a goal: measures what is not kept, solves, and writes the plan where a file is named. */
export function recommendJob(models: OpenModels): Job<'plan/recommend'> {
  const [estimateOf, measure] = [estimateJob(models), sensitivityJob(models)];
  return async (params, context) => {
    checkParams('plan/recommend', params, { ...runKinds, goal: 'goal', out: 'path?' });
    const { goal, out, ...asked } = params;
    const { signal } = context;
    const notes: string[] = [];
    const steps: MeasuringSteps = {
      announce: () => Promise.resolve(),
      measure: (run) => measure(run, context),
      note: (text) => void notes.push(text),
    };
    // An output that would destroy an input is refused before minutes of measurements.
    const inputs =
      out === undefined
        ? undefined
        : await models.use(asked, signal, async ({ description }) => {
            const read = await inputsOf(description, ...filesRead(params));
            await read.check([out]);
            return read;
          });
    const estimate = await estimateOf(asked, context);
    const encoding = { imatrix: asked.imatrix, isOptimised: estimate.codes !== undefined };
    const exported = await models.use(asked, signal, (model) =>
      exportedFile(model, encoding, 'fit' in goal, signal),
    );
    const wanted = { goal, ...exported, constraints: [], runtime: undefined };
    const { table } = await measureForPlan(steps, asked, estimate, wanted);
    const planned = planFor(table, wanted);
    if (out !== undefined && inputs)
      await writeAtomically(out, (file) => file.write(Buffer.from(printPlan(planned.plan))), inputs);
    const noise = table.gainsFrom?.noise;
    return {
      ...planned,
      ...(noise === undefined ? {} : { noise }),
      notes: [...(exported.loaded?.shape.notes ?? []), ...notes],
    };
  };
}

/** Files that a recommendation reads besides the model. */
const filesRead = ({ text, imatrix, optimised, gainsFile }: RecommendParams): (string | undefined)[] => [
  ...[text, imatrix, optimised?.text, gainsFile],
];
