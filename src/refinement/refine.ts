import type { ForwardOptions } from '../evaluation/backward';
import { scoreWindows } from '../evaluation/evaluate';
import { mean } from '../evaluation/statistics';
import type { ScoredInputs } from '../evaluation/windows';
import type { Decoder } from '../graph/transformer/decoder';
import { scrambled } from '../graph/transformer/scrambled';
import { throwIfCancelled } from '../model/errors';
import { distil } from './distillation';
import { requireFinite } from './finite';
import type { OriginalStates } from './originalStates';
import type { RefinementPoint } from '../protocol/refinement';
import type { Training } from './training';

/** Windows of a text, by their index in `OriginalStates`: those that a model learns from, and those that are kept back. */
export interface RefinementText {
  readonly windows: readonly ScoredInputs[];
  readonly learned: readonly number[];
  readonly heldBack: readonly number[];
}

export interface RefinementSchedule {
  readonly steps: number;
  /** Windows of a step. */
  readonly batch: number;
  /** Steps from one measurement on the text that is kept back to the next. */
  readonly every: number;
}

/** A refinement up to a step. */
export interface RefinementProgress {
  /** Steps that were made. */
  readonly step: number;
  /** Measured on the text that is kept back, from step 0 on. */
  readonly points: readonly RefinementPoint[];
}

export interface RefinementOptions extends ForwardOptions {
  readonly schedule: RefinementSchedule;
  readonly text: RefinementText;
  readonly original: OriginalStates;
  /** Where an earlier run stopped. */
  readonly from?: RefinementProgress | undefined;
  /** After each step. */
  readonly onTrained?: ((step: number) => void) | undefined;
  /** After each measurement; `isBest` where the divergence is the smallest so far. */
  readonly onMeasured: (progress: RefinementProgress, isBest: boolean) => Promise<void>;
}

/**
 * Trains a model on the output of its original over a text (self-distillation), and measures it on text that is kept back, at the start,
 * every so many steps and at the end. The same text, schedule and threads give the same result, also where a run was stopped in between.
 * @param decoder of the file that is trained: it reads the weights again with every pass.
 * @throws QuantscopeError UNSUPPORTED naming an operator that gradients cannot pass; REQUEST where numbers are not finite any more; CANCELLED.
 */
export async function refine(
  decoder: Decoder,
  training: Training,
  { schedule, text, original, from, onTrained, onMeasured, ...options }: RefinementOptions,
): Promise<RefinementProgress> {
  let progress = from ?? { step: 0, points: [] };
  const measure = async (step: number): Promise<void> => {
    const divergence = await heldBackDivergence(decoder, text, original, options);
    requireFinite(`Divergences on the text that is kept back, after step ${step},`, [divergence]);
    const isBest = progress.points.every((point) => divergence < point.divergence);
    progress = { step, points: [...progress.points, { step, divergence }] };
    await onMeasured(progress, isBest);
  };
  if (progress.points.length === 0) await measure(0);
  for (let step = progress.step + 1; step <= schedule.steps; step++) {
    throwIfCancelled(options.signal);
    const chosen = batchOf(text.learned, schedule.batch, step);
    const rate = { step, rate: rateAt(step, schedule.steps) };
    const divergence = await distil(
      decoder,
      chosen.map((window) => text.windows[window]!),
      {
        ...options,
        base: original.of(chosen),
        wants: (tensor) => training.has(tensor),
        onGradient: (tensor, gradient) => training.move(tensor, gradient, rate),
      },
    );
    requireFinite(`Divergences of step ${step}`, [divergence]);
    onTrained?.(step);
    if (step % schedule.every === 0 || step === schedule.steps) await measure(step);
  }
  return progress;
}

/** The mean divergence from the original over all tokens of the text that is kept back, nats per token. */
async function heldBackDivergence(
  decoder: Decoder,
  { windows, heldBack }: RefinementText,
  original: OriginalStates,
  { signal, windowsAtOnce }: ForwardOptions,
): Promise<number> {
  // A divergence needs no token of the text: all positions count, and what follows them does not.
  const inputs = heldBack.map((window) => windows[window]!.inputs);
  const scored = inputs.map((tokens) => ({ inputs: tokens, targets: new Int32Array(tokens.length) }));
  const base = original.of(heldBack);
  const { divergences } = await scoreWindows(decoder, scored, { base, signal, windowsAtOnce });
  return mean(divergences!.divergences).value;
}

/** The windows of a step: each pass over the text takes all of them once, in an order of its own. */
export function batchOf(windows: readonly number[], batch: number, step: number): number[] {
  const first = (step - 1) * batch;
  return Array.from({ length: batch }, (_, i) => {
    const pass = Math.floor((first + i) / windows.length);
    return shuffled(windows, pass)[(first + i) % windows.length]!;
  });
}

function shuffled(windows: readonly number[], pass: number): number[] {
  const order = windows.slice();
  for (let i = order.length - 1; i > 0; i--) {
    const j = scrambled(pass * windows.length + i) % (i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** The share of steps in which the rate rises. */
const warmUp = 0.05;

/** Rises in the first steps, then falls to 0 along half a cosine. */
export function rateAt(step: number, steps: number): number {
  const rising = Math.max(1, Math.round(warmUp * steps));
  if (step <= rising) return step / rising;
  return (1 + Math.cos((Math.PI * (step - rising)) / (steps - rising + 1))) / 2;
}
