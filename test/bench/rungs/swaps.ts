import { improvePlan, storedTable } from '../../../src/engine/evaluation/improvePlan';
import { setUp } from '../../../src/engine/evaluation/certifySetup';
import { JointRuns } from '../../../src/engine/evaluation/jointRuns';
import { evidenceOfPlan } from '../../../src/engine/evaluation/plannedCodes';
import { quantizedVariant } from '../../../src/engine/evaluation/weightVariant';
import type { JobContext } from '../../../src/engine/job';
import { CodeFinder, objectiveOver } from '../../../src/exporter/codes/codeFinder';
import { KeptBlocks } from '../../../src/exporter/codes/keptBlocks';
import { openModel } from '../../../src/layouts/openModel';
import type { CertifyParams } from '../../../src/protocol/evaluation';
import type { Plan } from '../../../src/protocol/plan';

/**
 * What `certify --improve` makes of a plan with optimised codes, without the presets that it compares it with: these take most of its time.
 * @returns the plan as it was where no swaps were adopted.
 */
export async function afterSwaps(
  source: string,
  params: CertifyParams & { readonly improveFrom: string },
  context: JobContext,
): Promise<Plan> {
  const model = await openModel(source);
  try {
    const { plan, candidates, imatrix, ...rest } = await setUp({ model }, params, context.signal);
    const codes = plan.codes!;
    const evidence = await evidenceOfPlan(model, codes, params.cacheDir);
    const blocks = new KeptBlocks();
    const objective = objectiveOver(evidence, codes.objective);
    const finder = new CodeFinder(evidence, objective, context.signal, blocks);
    const roundActivations = plan.roundsActivations ?? false;
    const settings = { model, ...rest, imatrix, codes, blocks, params: { ...params, roundActivations } };
    const runs = new JointRuns(settings, params.cacheDir, context);
    const table = await storedTable(model, plan, candidates, params.improveFrom);
    const variantOf = (of: Plan, label: string) =>
      quantizedVariant(model, { plan: of, allowRequantize: true }, label, finder);
    return (await improvePlan(plan, { table, runs, variantOf })).plan;
  } finally {
    await model.close();
  }
}
