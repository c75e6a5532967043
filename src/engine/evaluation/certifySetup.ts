import { bindPlan } from '../../ampq/bindPlan';
import type { Candidates } from '../../ampq/candidates';
import { rivalFile } from '../../ampq/rivalFile';
import type { TextTokenizer } from '../../evaluation/tokenizer/textTokenizer';
import { candidatesOf } from '../../exporter/plan/candidates';
import { QuantscopeError } from '../../model/errors';
import { readImatrix, type Imatrix } from '../../model/imatrix';
import type { Model } from '../../model/model';
import type { CertificateRival } from '../../protocol/certificate';
import type { CertifyParams } from '../../protocol/evaluation';
import type { Plan } from '../../protocol/plan';
import { plural } from '../../protocol/words';
import { said } from '../../protocol/said';
import { openForText } from './openForText';
import type { PlannedVariant } from './plannedVariant';
import { planTextOf, runDevice, type PlannedText, type RunDevice } from './runPlan';
import { refuseSeenText } from './seenText';
import { readPlan } from './weightVariant';

/** Windows that an interval needs: with fewer it says little. */
const leastWindows = 8;

/** A rival before it is measured, and what becomes of the weights. */
export interface PlannedRival {
  readonly rival: Omit<CertificateRival, 'measured' | 'difference'>;
  readonly variant: PlannedVariant;
}

/** The original, and where it is asked for a file of the same base that the plan is measured against. */
export interface CertifiedModels {
  readonly model: Model;
  readonly rival?: Model | undefined;
}

/** What a plan is measured with. */
export interface Certification {
  readonly plan: Plan;
  readonly candidates: Candidates;
  readonly imatrix: Imatrix | undefined;
  readonly text: PlannedText;
  readonly tokenizer: TextTokenizer;
  readonly where: RunDevice;
  /** The file that the plan is measured against. */
  readonly theirs: PlannedRival | undefined;
}

/**
 * Reads a plan and the text that it is measured over; nothing is run.
 * @throws QuantscopeError REQUEST for a plan of another model, a file of another base, an importance matrix that the plan was not made with, swaps for
 * a plan for two memories, a text that the plan has seen or that is too short; DEVICE.
 */
export async function setUp(
  { model, rival }: CertifiedModels,
  params: CertifyParams,
  signal: AbortSignal,
): Promise<Certification> {
  const read = await readPlan(params.planFile);
  const tokenizer = await openForText(model, signal);
  refuseOtherMatrix(read, params);
  refuseSwapsBetweenMemories(read, params);
  const imatrix = params.imatrix === undefined ? undefined : await readImatrix(params.imatrix, signal);
  const candidates = await candidatesOf(model, { signal, imatrix, isOptimised: read.codes !== undefined });
  const plan = bindPlan(read, model.description, candidates, params.planFile);
  const theirs = rival && fileRival(rival, candidates);
  const where = await runDevice(params.device, signal);
  const text = await certifyingText(model, params, signal);
  await refuseSeenText(model, plan, params, { tokenizer, hash: text.hash }, signal);
  return { plan, candidates, imatrix, text, tokenizer, where, theirs };
}

/** @throws QuantscopeError REQUEST for a matrix where the plan was made without one: what is measured would not be the plan. */
function refuseOtherMatrix(plan: Plan, { planFile, imatrix }: CertifyParams): void {
  if (plan.imatrix || imatrix === undefined) return;
  const message = said`The plan was made without an importance matrix; with one its weights would be others. Leave the matrix out, or make a plan with it.`;
  throw new QuantscopeError('REQUEST', message, { file: planFile });
}

/** @throws QuantscopeError REQUEST for swaps of a plan for two memories: they would move bytes from one to the other. */
function refuseSwapsBetweenMemories({ fit }: Plan, { planFile, improveFrom }: CertifyParams): void {
  if (!fit?.gpu || improveFrom === undefined) return;
  const message = said`The plan was made for the memory of a GPU and for RAM, and swaps keep to the size of the whole file only: leave out --improve.`;
  throw new QuantscopeError('REQUEST', message, { file: planFile });
}

/** @throws QuantscopeError REQUEST for a text of too few windows; as `planTextOf`. */
async function certifyingText(
  model: Model,
  params: CertifyParams,
  signal: AbortSignal,
): Promise<PlannedText> {
  const { text, context, windows, improveFrom } = params;
  const cut = {
    ...(context === undefined ? {} : { context }),
    ...(windows === undefined ? {} : { windows }),
  };
  const planned = await planTextOf(model, text, cut, signal);
  const { plan } = planned;
  const least = improveFrom === undefined ? leastWindows : 2 * leastWindows;
  if (plan.windows >= least) return planned;
  const needs =
    improveFrom === undefined
      ? said`An interval needs at least ${least} windows`
      : said`Swaps are judged on every second window and certified on the others, which takes at least ${least} windows`;
  const message =
    plan.windows === 1
      ? said`${needs}, and there is 1 window of ${plan.context} tokens: use a longer text, more windows or a smaller context.`
      : said`${needs}, and there are ${plural(plan.windows, 'window')} of ${plan.context} tokens: use a longer text, more windows or a smaller context.`;
  throw new QuantscopeError('REQUEST', message, { file: text });
}

/** The weights that a file holds. @throws QuantscopeError REQUEST for a file of another base. */
function fileRival(model: Model, candidates: Candidates): PlannedRival {
  const { description } = model;
  const rows = candidates.tensors.map(({ converted: { name, shape } }) => ({ tensor: name, shape }));
  const { file, bytes } = rivalFile(description, rows);
  return {
    rival: { kind: 'file', name: file, fileBytes: bytes },
    variant: {
      ...{ label: file, changes: new Map(), algorithms: [], model },
      ...{ bytes: description.dataBytes, parameters: description.parameters },
    },
  };
}
