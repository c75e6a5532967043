import { randomBytes } from 'node:crypto';
import { basename } from 'node:path';
import { resetPeakMemory } from '../../evaluation/measures';
import { ensureUnchanged } from '../../files/inputs';
import { reason } from '../../model/byteSource';
import { QuantscopeError } from '../../model/errors';
import { modelHash } from '../../model/identity';
import type { Model } from '../../model/model';
import { nameFromPath } from '../../model/modelName';
import type { EvaluationParams, EvaluationResult } from '../../protocol/evaluation';
import { said } from '../../protocol/said';
import type { JobContext } from '../job';
import { openForPairs, openForText } from './openForText';
import { evaluatePairs, refuseOthers, type PairsRun } from './pairsRun';
import type { ResultStore } from './resultStore';
import type { Run } from './run';
import { runDevice } from './runPlan';
import { evaluateTasks, type TaskRun } from './taskRun';
import { evaluateText, textResult, type TextRun } from './textRun';
import { planVariant } from './weightVariant';

/**
 * Runs a model, changed or not, over a text and over questions, or embeds pairs of texts with it, and keeps the result.
 * @param base the model that the KL divergence is measured from.
 */
export async function runEvaluation(
  model: Model,
  base: Model | undefined,
  params: EvaluationParams,
  store: ResultStore,
  context: JobContext,
): Promise<EvaluationResult> {
  const { signal } = context;
  if (params.pairs !== undefined) refuseOthers(params);
  else if (params.text === undefined && params.tasks === undefined)
    throw new QuantscopeError(
      'REQUEST',
      said`Name a text or a file of questions to evaluate with, or of pairs for a model that embeds texts.`,
    );
  resetPeakMemory();
  const started = performance.now();
  const where = await runDevice(params.device, signal);
  const tokenizer = await (params.pairs === undefined ? openForText : openForPairs)(model, signal);
  const variant = await planVariant(model, params, context);
  const run: Run = { model, params, where, variant, store, context };
  const text = params.text === undefined ? undefined : await evaluateText(run, base, params.text, tokenizer);
  const tasks = params.tasks === undefined ? undefined : await evaluateTasks(run, params.tasks, tokenizer);
  const pairs = params.pairs === undefined ? undefined : await evaluatePairs(run, params.pairs, tokenizer);
  const seconds = (performance.now() - started) / 1000;
  const result = resultOf(run, seconds, { text, tasks, pairs });
  for (const read of base ? [model, base] : [model]) await ensureUnchanged(read.description);
  const notKept = await keep(run, base, result, text);
  return notKept === undefined ? result : { ...result, notKept };
}

/** Why the result is not kept; undefined when it is. */
async function keep(
  { model, variant, store }: Run,
  base: Model | undefined,
  result: EvaluationResult,
  text: TextRun | undefined,
): Promise<string | undefined> {
  const models = [model, ...(base ? [base] : [])].map(({ description }) => modelHash(description));
  const tokens = text && {
    losses: text.scores.losses,
    divergences: text.scores.divergences?.divergences,
  };
  try {
    await store.add(result, { models, formats: variant.algorithms, ...(tokens ? { tokens } : {}) });
    return undefined;
  } catch (error) {
    return reason(error);
  }
}

/** What was run; at least one. */
interface Runs {
  readonly text: TextRun | undefined;
  readonly tasks: TaskRun | undefined;
  readonly pairs: PairsRun | undefined;
}

function resultOf(
  { model, params, where, variant }: Run,
  seconds: number,
  { text, tasks, pairs }: Runs,
): EvaluationResult {
  const measures = (text ?? tasks ?? pairs)!.measures;
  const at = new Date().toISOString();
  const { path } = model.description;
  return {
    id: `${at.replace(/\D/g, '').slice(0, 14)}-${randomBytes(4).toString('hex')}`,
    at,
    model: { name: nameFromPath(model.folder, basename(path)), path, hash: modelHash(model.description) },
    variant: variant.label,
    bytes: variant.bytes,
    bitsPerWeight: (8 * variant.bytes) / variant.parameters,
    roundActivations: params.roundActivations ?? false,
    ...(variant.objective === undefined ? {} : { objective: variant.objective }),
    ...(text ? { text: textResult(text) } : {}),
    ...(tasks ? { tasks: tasks.result } : {}),
    ...(pairs ? { pairs: pairs.result } : {}),
    measures: { seconds, ...measures },
    device: where.device,
    deviceLabel: where.label,
  };
}
