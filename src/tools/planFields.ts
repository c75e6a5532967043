import { z } from 'zod';
import { parseBudget } from '../ampq/planFile';
import { QuantscopeError } from '../model/errors';
import type { PlanGoal, RecommendedPlan, RecommendParams } from '../protocol/recommend';
import { planRung, rungText } from '../protocol/rungs';
import { verdictOf } from '../protocol/verdict';
import { plural, size } from '../protocol/words';
import { bytesOf, figureText, modelField } from './fields';
import type { ToolContext } from './tool';

/** What a plan is for. */
export const recommendFields = {
  model: modelField,
  budget: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Bits per weight (4.5bpw) or size of the exported file (6GB). Give one of budget, memory, divergence',
    ),
  memory: z
    .string()
    .min(1)
    .optional()
    .describe('Memory that the model must fit into when llama.cpp runs it, with its context: 7.5GB'),
  divergence: z
    .number()
    .positive()
    .optional()
    .describe('The smallest file whose predicted mean KL divergence is at most this, nats per token'),
  context: z.number().int().min(1).optional().describe('With memory: tokens of context'),
  text: z
    .string()
    .min(1)
    .optional()
    .describe('Path of a UTF-8 text to run the model over; a general one where absent'),
  weightsOnly: z
    .boolean()
    .default(false)
    .describe('Do not run the model: faster, by the errors of the weights alone'),
};

export const recommendSchema = z.strictObject(recommendFields);
type RecommendInput = z.output<typeof recommendSchema>;

const assignmentSchema = z.object({ tensor: z.string(), format: z.string(), bitsPerWeight: z.number() });

export const planSchema = z.object({
  bitsPerWeight: z.number(),
  bytes: z.number().describe('Tensor data of the whole model'),
  fileBytes: z.number().optional().describe('Of the exported GGUF file'),
  divergence: z.number().optional().describe('Predicted KL divergence, nats per token'),
  evidence: z.string(),
  recommended: z.boolean().describe('Whether it is predicted or measured to be better than the presets'),
  verdict: z.string().optional(),
  notes: z.array(z.string()),
  assignments: z.array(assignmentSchema),
});

/** @throws QuantscopeError REQUEST unless there is exactly one goal, and what belongs to it. */
function goalOf({ budget, memory, divergence, context, weightsOnly }: RecommendInput): PlanGoal {
  if ([budget, memory, divergence].filter((goal) => goal !== undefined).length !== 1)
    throw new QuantscopeError('REQUEST', 'Give exactly one of "budget", "memory" and "divergence".');
  if (context !== undefined && memory === undefined)
    throw new QuantscopeError('REQUEST', '"context" is for "memory".');
  if (divergence !== undefined && weightsOnly)
    throw new QuantscopeError('REQUEST', '"divergence" needs a run over a text: leave out "weightsOnly".');
  if (budget !== undefined) return { budget: parseBudget(budget) };
  if (memory === undefined) return { targets: { mean: divergence! } };
  const fit = { memory: bytesOf('memory', memory), sequences: 1, cacheType: 'f16' } as const;
  return { fit: { ...fit, ...(context === undefined ? {} : { context }) } };
}

/** The request for a plan. @throws QuantscopeError REQUEST for a goal that is none, and for places that are not allowed. */
export async function recommendParams(input: RecommendInput, context: ToolContext): Promise<RecommendParams> {
  const { model, text, weightsOnly } = input;
  if (text !== undefined && weightsOnly)
    throw new QuantscopeError('REQUEST', 'Give "text" or "weightsOnly", not both.');
  const goal = goalOf(input);
  const { cacheDir, evaluationDir, device, place, modelPlace } = context;
  return {
    ...{ path: await modelPlace(model), goal, cacheDir, device },
    ...(text === undefined ? {} : { text: await place(text) }),
    ...(weightsOnly ? { weightsOnly } : { optimised: { evidenceDir: evaluationDir } }),
  };
}

export function planData({ plan, noise, notes }: RecommendedPlan): z.infer<typeof planSchema> {
  const { total, assignments } = plan;
  const { bitsPerWeight, bytes, fileBytes, divergence } = total;
  const verdict = verdictOf(plan, noise);
  return {
    ...{ bitsPerWeight, bytes, evidence: rungText(planRung(plan), plan) },
    ...(fileBytes === undefined ? {} : { fileBytes }),
    ...(divergence === undefined ? {} : { divergence }),
    recommended: verdict?.recommended ?? false,
    ...(verdict ? { verdict: verdict.text } : {}),
    notes: [...notes, ...plan.notes],
    assignments: assignments.map(({ tensor, format, ...item }) => ({
      ...{ tensor, format, bitsPerWeight: item.bitsPerWeight },
    })),
  };
}

export function planLines(planned: RecommendedPlan): string[] {
  const data = planData(planned);
  const file = data.fileBytes === undefined ? '' : `, a file of ${size(data.fileBytes)}`;
  const expected =
    data.divergence === undefined
      ? ''
      : `, predicted KL divergence ${figureText(data.divergence)} nats per token`;
  return [
    `${data.bitsPerWeight.toFixed(3)} bits per weight${file}${expected}`,
    `Evidence: ${data.evidence}`,
    ...(data.verdict === undefined ? [] : [data.verdict]),
    ...data.notes.map((note) => `Note: ${note}`),
    `${plural(data.assignments.length, 'tensor')}:`,
    ...data.assignments.map(({ tensor, format }) => `${tensor}: ${format}`),
  ];
}
