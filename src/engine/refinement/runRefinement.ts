import { resolve } from 'node:path';
import { exportGguf } from '../../exporter/exportGguf';
import { originOf } from '../../exporter/origin';
import { inputsOfModels, type Inputs } from '../../files/inputs';
import { greatestOf } from '../../protocol/extremes';
import { blockBytes } from '../../graph/transformer/decoderBytes';
import { openModel } from '../../layouts/openModel';
import { wallClock, type Clock } from '../evaluation/gainsEstimate';
import { stepPasses } from '../../evaluation/passWork';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import {
  bestPoint,
  type RefinementEstimate,
  type RefinementParams,
  type RefinementResult,
  type RunRefinementParams,
} from '../../protocol/refinement';
import { said } from '../../protocol/said';
import { distil } from '../../refinement/distillation';
import { OriginalStates } from '../../refinement/originalStates';
import { batchOf, refine, type RefinementProgress } from '../../refinement/refine';
import type { JobContext } from '../job';
import { stepsOf, windowsAtOnce } from '../evaluation/runPlan';
import { diskBytes, statesRoomIn, withOpenRefinement, type OpenRefinement } from './openRefinement';
import { planRefinement, type PlannedRefinement } from './planRefinement';
import { RefinementMeter } from './refinementMeter';

/**
 * Refines a GGUF file: trains a copy on the output of its original, and writes the best state on text that is kept back. What a run has
 * reached is kept, so that a run that was stopped or killed is continued by the next one with the same settings.
 * @throws QuantscopeError as `planRefinement`; REQUEST for `finish` without an earlier run; IO, CANCELLED.
 */
export async function runRefinement(
  start: Model,
  original: Model,
  params: RunRefinementParams,
  context: JobContext,
): Promise<RefinementResult> {
  const began = performance.now();
  const inputs = await inputsOfModels([start.description, original.description], params.text);
  await inputs.check([params.out]);
  const planned = await planRefinement(start, original, params, context.signal);
  const isFinished = params.finish === true;
  const unlock = await planned.store.lock();
  const progress = await withOpenRefinement(planned, context.signal, async (open) => {
    const reached = await (isFinished ? reachedEarlier(planned) : reach(planned, open, context));
    await writeBest(planned, open, reached, params, { inputs, signal: context.signal });
    if (!isFinished) await planned.store.remove();
    return reached;
  }).finally(unlock);
  const { text, length, training } = planned;
  return {
    ...{
      out: resolve(params.out),
      steps: progress.step,
      points: progress.points,
      best: bestPoint(progress.points)!,
    },
    tokens: { learned: text.learned.length * length, heldBack: text.heldBack.length * length },
    tensors: { trained: training.slots.size, all: start.description.tensors.length },
    seconds: (performance.now() - began) / 1000,
  };
}

/** How far an earlier run came. @throws QuantscopeError REQUEST where there is none. */
async function reachedEarlier({ store, start }: PlannedRefinement): Promise<RefinementProgress> {
  const progress = await store.progress();
  if (progress) return progress;
  const message = said`There is no run of these settings that could be finished.`;
  throw new QuantscopeError('REQUEST', message, { file: start.description.path });
}

/** Continues a run where an earlier one stopped. */
async function reach(
  planned: PlannedRefinement,
  open: OpenRefinement,
  { signal, progress: report }: JobContext,
): Promise<RefinementProgress> {
  const { store, schedule, text } = planned;
  const { decoder, training } = open;
  const from = await store.restore(training);
  const passes = stepsOf(open.original, text.windows.length, 0);
  const meter = new RefinementMeter(schedule, passes, from, planned.where.device, report);
  const states = await originalStates(planned, open, signal, () => meter.passed());
  try {
    return await refine(decoder, training, {
      ...{ schedule, text, original: states, from, signal, windowsAtOnce: windowsAtOnce(decoder) },
      room: statesRoomIn(planned, decoder),
      onStep: (part) => meter.part(part),
      onTrained: (step) => meter.trained(step),
      onMeasured: async (progress, isBest) => {
        await store.keep(training, progress, isBest);
        meter.measured(progress);
      },
    });
  } finally {
    states.close();
  }
}

function originalStates(
  planned: PlannedRefinement,
  { original }: OpenRefinement,
  signal: AbortSignal,
  onStep: () => void,
): Promise<OriginalStates> {
  const { windows } = planned.text;
  const room = statesRoomIn(planned, original)(windows.length * planned.length);
  return OriginalStates.measure(original, windows, room, {
    ...{ signal, onStep, windowsAtOnce: windowsAtOnce(original) },
  });
}

/** Writes the best state, with a key that says how it was found. */
async function writeBest(
  { start, store, training: { slots }, textHash }: PlannedRefinement,
  { training, file }: OpenRefinement,
  progress: RefinementProgress,
  { out, parts = 'codes' }: RunRefinementParams,
  { inputs, signal }: { readonly inputs: Inputs; readonly signal: AbortSignal },
): Promise<void> {
  if (!(await store.takeBest(training, progress)))
    throw new QuantscopeError('IO', said`The best state of the refinement is damaged.`, {
      file: store.folder,
    });
  const { step } = bestPoint(progress.points)!;
  const trained = parts === 'codes' ? 'norms, factors and codes' : 'norms and factors';
  const overrideKeyValues = [
    `quantscope.codes.refinement=str:distillation 1: ${trained} of ${slots.size} tensors, ${step} steps`,
    `quantscope.codes.refinement_text=str:${textHash}`,
  ];
  const best = await openModel(file, signal);
  try {
    const origin = originOf(start, 'gguf');
    await exportGguf(best, { type: 'COPY', overrideKeyValues }, out, { signal, inputs, origin });
  } finally {
    await best.close();
  }
}

/** What a run would take, by a clock; one step is made, and its result thrown away. */
export async function estimateRefinement(
  start: Model,
  original: Model,
  params: RefinementParams,
  { signal }: Pick<JobContext, 'signal'>,
  clock: Clock = wallClock,
): Promise<RefinementEstimate> {
  const planned = await planRefinement(start, original, params, signal);
  const { schedule, text, store, training } = planned;
  const done = (await store.progress())?.step ?? 0;
  return withOpenRefinement(planned, signal, async (open) => {
    const perStep = await stepSeconds(planned, open, signal, clock);
    const perWindow = perStep / (stepPasses * schedule.batch);
    const measurements = Math.ceil((schedule.steps - done) / schedule.every) + 1;
    // The original is run over the text that is kept back by its output matrix alone.
    const forward = text.windows.length + measurements * text.heldBack.length;
    const { shape } = open.decoder;
    const largest = Math.max(
      greatestOf(shape.blocks.map(blockBytes)),
      4 * shape.vocabulary * shape.hiddenSize,
    );
    const states = 4 * schedule.batch * planned.length * shape.stateSize * (shape.blocks.length + 3);
    return {
      ...{ steps: schedule.steps, done, disk: diskBytes(planned, shape.stateSize) },
      seconds: (schedule.steps - done) * perStep + forward * perWindow,
      memory: 2 * largest + states + 4 * training.numbers,
    };
  });
}

/** A step that takes less (s) is made twice: the first one is mostly the start of the runtime. */
const shortStep = 10;

/** Seconds of a step. */
async function stepSeconds(
  { text, schedule, ...planned }: PlannedRefinement,
  { decoder, original, training }: OpenRefinement,
  signal: AbortSignal,
  clock: Clock,
): Promise<number> {
  const whole = { ...planned, text, schedule };
  const chosen = batchOf(text.learned, schedule.batch, 1);
  const windows = chosen.map((window) => text.windows[window]!);
  const pass = { signal, windowsAtOnce: windowsAtOnce(original) };
  const room = statesRoomIn(whole, original)(windows.length * planned.length);
  const states = await OriginalStates.measure(original, windows, room, pass);
  const step = async (): Promise<number> => {
    const began = clock();
    await distil(decoder, windows, {
      ...{ signal, windowsAtOnce: windowsAtOnce(decoder), room: statesRoomIn(whole, decoder) },
      base: states.of(windows.map((_, index) => index)),
      wants: (tensor) => training.has(tensor),
      onGradient: (tensor, gradient) => training.move(tensor, gradient, { step: 1, rate: 0 }),
    });
    return clock() - began;
  };
  try {
    const first = await step();
    return first < shortStep ? await step() : first;
  } finally {
    states.close();
  }
}
