import { z } from 'zod';
import { planEnding, planFileName } from '../ampq/planFile';
import { QuantscopeError } from '../model/errors';
import {
  planData,
  planLines,
  planSchema,
  recommendFields,
  recommendParams,
  recommendSchema,
} from './planFields';
import { defineTool, type ToolContext } from './tool';
import { replacementNote, requireFree, targetFields } from './targetFields';

const cost =
  'Measures what earlier runs have not: minutes for a small model, more for a large one; "weightsOnly" takes seconds.';

export const recommendPlan = defineTool({
  name: 'recommend_plan',
  title: 'Recommend a Plan',
  description: `The format of each tensor that changes the output of a model least within a size, a memory or a divergence. Writes nothing; write_plan saves the same plan. ${cost}`,
  input: recommendSchema,
  output: planSchema,
  async run(input, context) {
    const planned = await context.call('plan/recommend', await recommendParams(input, context));
    return { data: planData(planned), lines: planLines(planned) };
  },
});

export const writePlan = defineTool({
  name: 'write_plan',
  title: 'Write a Plan',
  description: `Writes the plan that recommend_plan shows to a ${planEnding} file, for export_gguf. ${cost}`,
  input: z.strictObject({ ...recommendFields, ...targetFields(`a ${planEnding} file`) }),
  output: planSchema.extend({ out: z.string() }),
  async announce({ out, overwrite, ...input }, context) {
    await recommendParams(input, context);
    const target = await planTarget(out, overwrite, context);
    return `Write a plan of ${input.model} to ${target}.${await replacementNote(target)}`;
  },
  async run({ out: named, overwrite, ...input }, context) {
    const params = await recommendParams(input, context);
    const out = await planTarget(named, overwrite, context);
    const planned = await context.call('plan/recommend', { ...params, out });
    return { data: { ...planData(planned), out }, lines: [...planLines(planned), `Written: ${out}`] };
  },
});

/** @throws QuantscopeError REQUEST for a name that plans do not have, or that is taken. */
async function planTarget(out: string, overwrite: boolean, context: ToolContext): Promise<string> {
  if (planFileName(out) !== out)
    throw new QuantscopeError('REQUEST', `"out" takes a name that ends with ${planEnding}, not "${out}".`);
  return requireFree(await context.target(out), overwrite);
}
