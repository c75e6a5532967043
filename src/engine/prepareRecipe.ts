import { resolve } from 'node:path';
import { foldedScales } from '../exporter/checkpoint/foldedScales';
import type { RecipePlan } from '../exporter/checkpoint/plan';
import { neededEvidence, type MethodPlan } from '../exporter/checkpoint/preview';
import { QuantscopeError } from '../model/errors';
import type { Model } from '../model/model';
import { evidenceWords } from '../protocol/evidence';
import type { DeviceChoice } from '../protocol/device';
import type { EvidenceKind } from '../protocol/recipe';
import { said } from '../protocol/said';
import { methodEvidence, scaledEvidence, type EvidenceSource } from '../quant/evidence';
import type { WeightTransforms } from '../quant/transforms';
import { mostDemanding } from '../recipes/describeRecipe';
import { latestEvidence, obtainEvidence } from './evaluation/obtainEvidence';
import type { JobContext } from './job';

/** What the matrices of a plan are quantized with. */
export interface PreparedRecipe {
  /** Of the matrices as they are after the transforms; absent where no method needs any. */
  readonly evidence?: EvidenceSource;
  readonly transforms: WeightTransforms;
}

/** Where the forward pass of a calibration runs, and the folder where evidence is kept. */
export interface PrepareOptions {
  readonly cacheDir?: string;
  readonly device?: DeviceChoice;
  /** The hash of a text: only what was measured over it will do, and methods use it that could do without. */
  readonly textHash?: string | undefined;
}

/**
 * Finds or measures the evidence that a plan needs, and scales of columns where its methods have any.
 * @throws QuantscopeError REQUEST where evidence is missing, saying how to give it; UNSUPPORTED, IO, CANCELLED.
 */
export async function prepareRecipe(
  model: Model,
  plan: RecipePlan,
  options: PrepareOptions,
  context: JobContext,
): Promise<PreparedRecipe> {
  const evidence = await evidenceFor(model, plan, options, context);
  if (!evidence) return { transforms: new Map() };
  const transforms = await foldedScales(model, plan, evidence, {
    signal: context.signal,
    onStep: (done, total) =>
      context.progress({ done, total, message: said`scales of columns: group ${done} of ${total}` }),
  });
  return { evidence: scaledEvidence(evidence, transforms), transforms };
}

/**
 * The evidence that the methods of a plan need; undefined where they need none.
 * @throws QuantscopeError REQUEST where it is missing, saying how to give it; UNSUPPORTED, IO, CANCELLED.
 */
export async function evidenceFor(
  model: Model,
  plan: MethodPlan,
  { cacheDir, device = 'auto', textHash }: PrepareOptions,
  context: JobContext,
): Promise<EvidenceSource | undefined> {
  const { target, activations } = plan.recipe;
  const fixesInputs = target === 'checkpoint' && activations?.scale === 'static'; // ONNX measures ranges of its own
  const hasText = textHash === undefined ? undefined : true;
  const needs = [...neededEvidence(plan, hasText), ...(fixesInputs ? (['importance'] as const) : [])];
  if (needs.length === 0) return undefined;
  const { text, ...windows } = plan.recipe.calibration ?? {};
  if (text !== undefined && cacheDir !== undefined)
    return obtainEvidence(model, { text: resolve(text), needs, device, ...windows }, cacheDir, context);
  const kept = await keptEvidence(model, needs, cacheDir, textHash);
  if (kept) return kept;
  const message =
    textHash === undefined
      ? missingEvidence(plan, mostDemanding(needs))
      : said`The matrices were quantized by what was measured over a text, which is not kept: quantize the model again.`;
  throw new QuantscopeError('REQUEST', message, { file: model.description.path });
}

/** What an earlier pass has measured, where it is enough: over any text, or one with a hash. */
export const keptEvidence = (
  model: Model,
  needs: readonly EvidenceKind[],
  cacheDir: string | undefined,
  textHash?: string,
): Promise<EvidenceSource | undefined> =>
  cacheDir === undefined ? Promise.resolve(undefined) : latestEvidence(model, needs, cacheDir, textHash);

/** Says which method needs evidence, and how to give it. */
export function missingEvidence({ tensors }: MethodPlan, kind: EvidenceKind): string {
  const found = tensors.find(
    ({ matrix }) => matrix && methodEvidence(matrix.method, matrix.options) === kind,
  );
  return `${found?.matrix?.method.label ?? 'The method'} needs to know the inputs of the matrices (${evidenceWords[kind]}): give a text to run the model over (--calibration FILE).`;
}
