import { basename } from 'node:path';
import { summarizeDivergence } from '../../evaluation/divergence';
import { scoreWindows, type TokenScores } from '../../evaluation/evaluate';
import { measureGeneration } from '../../evaluation/measures';
import { scoredStates } from '../../evaluation/scoring';
import type { StateFile } from '../../evaluation/stateFile';
import { mean, perplexity } from '../../evaluation/statistics';
import type { TextTokenizer } from '../../evaluation/tokenizer/textTokenizer';
import type { Decoder } from '../../graph/transformer/decoder';
import { openDecoder } from '../../graph/transformer/openDecoder';
import { contentKey } from '../../model/identity';
import type { Model } from '../../model/model';
import { nameFromPath } from '../../model/modelName';
import type { EvaluationResult, RunMeasures } from '../../protocol/evaluation';
import { said } from '../../protocol/said';
import { versionsOf } from '../../quant/algorithms';
import { requireForwardPass } from './openForText';
import { StepMeter } from './progress';
import { openChanged, passMeasures, type Run } from './run';
import { checkTokens, checkVocabularies } from './sameTokens';
import { contextLengthOf, keepsWhole, planText, stepsOf, windowsAtOnce, type PlannedText } from './runPlan';

/** A text that the model was run over. */
export interface TextRun {
  readonly planned: PlannedText;
  readonly scores: TokenScores;
  readonly base: { readonly base: string; readonly baseHash: string } | undefined;
  readonly measures: Omit<RunMeasures, 'seconds'>;
}

/** Runs the model over a text, and before it the base, unless an earlier run kept its states. */
export async function evaluateText(
  run: Run,
  baseModel: Model | undefined,
  file: string,
  tokenizer: TextTokenizer,
): Promise<TextRun> {
  const { model, params, context } = run;
  const planned = await planText(file, tokenizer, params, await contextLengthOf(model), context.signal);
  const decoder = await openChanged(run, planned.plan.context);
  let base: Base | undefined;
  try {
    base = baseModel && (await openBase(run, baseModel, decoder, planned));
    if (baseModel && baseModel !== model)
      await checkTokens(baseModel, 'the base model', tokenizer, planned.windows[0]!.inputs, context.signal);
    const { scores, seconds } = await scoreText(run, decoder, base, planned);
    const { windows, plan } = planned;
    const measures = passMeasures(decoder, windows.length * plan.context, seconds);
    await base?.decoder.release();
    const generation = decoder.keeps
      ? await measureGeneration(decoder, windows[0]!.inputs, context.signal)
      : {};
    return {
      ...{ planned, scores, base: base?.named },
      measures: { ...measures, ...generation },
    };
  } finally {
    await base?.states?.close();
    await base?.decoder.close();
    await decoder.close();
  }
}

/** The model that divergences are measured from. */
interface Base {
  readonly decoder: Decoder;
  readonly named: { readonly base: string; readonly baseHash: string };
  /** Its states of the scored tokens, if an earlier run kept them. */
  states: StateFile | undefined;
}

/** @throws QuantscopeError REQUEST when the models do not have vocabularies of one size. */
async function openBase(
  { model, params, where, store }: Run,
  baseModel: Model,
  { shape, length }: Decoder,
  { plan, hash }: PlannedText,
): Promise<Base> {
  const keep = keepsWhole(where.device, params.memory);
  const { path } = baseModel.description;
  await requireForwardPass(baseModel);
  const decoder = await openDecoder(baseModel, { device: where.device, length, keep });
  try {
    checkVocabularies(decoder.shape.vocabulary, 'The base model', shape.vocabulary, path);
    const versions = JSON.stringify(versionsOf(['states']));
    const baseHash = [contentKey(baseModel.description), hash, where.device, versions].join(' ');
    const base =
      path === model.description.path ? 'the original' : nameFromPath(baseModel.folder, basename(path));
    const states = await store.findStates(baseHash, plan.scoredTokens, decoder.shape.hiddenSize);
    return { decoder, named: { base, baseHash }, states };
  } catch (error) {
    await decoder.close();
    throw error;
  }
}

async function scoreText(run: Run, decoder: Decoder, base: Base | undefined, planned: PlannedText) {
  const { context, where } = run;
  const { plan, windows } = planned;
  const steps = stepsOf(decoder, windows.length, plan.scoredTokens);
  const passes = base && !base.states ? 2 : 1;
  const meter = new StepMeter(passes * steps, windows.length, where.device, context.progress);
  if (base) base.states ??= await makeStates(run, base, planned, meter);
  const states = base?.states;
  const started = performance.now();
  const scores = await scoreWindows(decoder, windows, {
    signal: context.signal,
    windowsAtOnce: windowsAtOnce(decoder),
    ...(base && states ? { base: { decoder: base.decoder, read: states.read.bind(states) } } : {}),
    onStep: (part) => meter.step(part),
    onPoint: (point) => meter.curve(point),
  });
  return { scores, seconds: (performance.now() - started) / 1000 };
}

/** Runs the base over the text and keeps its states of all scored tokens. */
async function makeStates(
  { store, context: { signal } }: Run,
  { decoder, named }: Base,
  { plan, windows }: PlannedText,
  meter: StepMeter,
): Promise<StateFile> {
  const size = { tokens: plan.scoredTokens, hiddenSize: decoder.shape.hiddenSize };
  const states = await store.addStates(named.baseHash, size, async (append) => {
    const options = {
      ...{ signal, windowsAtOnce: windowsAtOnce(decoder) },
      onStep: (part: string) => meter.step(said`the base: ${part}`),
    };
    for await (const wave of scoredStates(decoder, windows, options)) await append(wave.states);
  });
  await decoder.release();
  return states;
}

/** The figures of a text. */
export function textResult({ planned, scores, base }: TextRun): NonNullable<EvaluationResult['text']> {
  const { plan, file, hash } = planned;
  return {
    ...{ path: file, hash, convention: plan.convention, context: plan.context, stride: plan.stride },
    ...{ windows: plan.windows, scoredTokens: plan.scoredTokens },
    loss: mean(scores.losses),
    perplexity: perplexity(scores.losses),
    ...(base && scores.divergences
      ? { divergence: summarizeDivergence(base, scores.losses, scores.divergences) }
      : {}),
  };
}
