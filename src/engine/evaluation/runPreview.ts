import { blockErrors } from '../../evaluation/blockErrors';
import { mean, perplexity, share } from '../../evaluation/statistics';
import type { Decoder } from '../../graph/transformer/decoder';
import { openDecoder } from '../../graph/transformer/openDecoder';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import type { PreviewParams, PreviewResult } from '../../protocol/preview';
import { plural, size } from '../../protocol/words';
import { said } from '../../protocol/said';
import type { JobContext } from '../job';
import { StepMeter } from './progress';
import { recipeVariant } from './recipeVariant';
import { planTextOf, runDevice, statesRoom, type PlannedText } from './runPlan';

/** Windows of the text that are used unless more are requested: errors of states need few tokens. */
const usualWindows = 8;

/**
 * The error of each block's output and of the model's, were it quantized as a recipe says. Both models are read one block at a time.
 * @throws QuantscopeError REQUEST, UNSUPPORTED as `recipeVariant`; REQUEST for more windows than memory has room for; CANCELLED.
 */
export async function runPreview(
  model: Model,
  params: PreviewParams,
  context: JobContext,
): Promise<PreviewResult> {
  const started = performance.now();
  const { device } = await runDevice(params.device, context.signal);
  const settings = { windows: usualWindows, ...params };
  const text = await planTextOf(model, params.text, settings, context.signal);
  const options = { device, length: text.plan.context, keep: false };
  const original = await openDecoder(model, options);
  try {
    refuseTooMany(text, original.shape.stateSize, statesRoom());
    const variant = await recipeVariant(model, params.recipe, params, context);
    const { roundInputs } = variant;
    const changed = await openDecoder(variant.model, { ...options, roundInputs });
    try {
      const measured = await measure(original, changed, text, context);
      const seconds = (performance.now() - started) / 1000;
      return { variant: variant.label, ...measured, seconds };
    } finally {
      await changed.close();
    }
  } finally {
    await original.close();
  }
}

/** States of a token that are held: of the original, and of the changed model after its own blocks and after all of them. */
const heldStates = 3;

/**
 * All windows pass a block together, so that what is changed is computed once; their states must fit into memory.
 * @param room for them (bytes).
 * @throws QuantscopeError REQUEST where they do not, saying how much they need.
 */
export function refuseTooMany(
  { file, windows, plan }: Pick<PlannedText, 'file' | 'windows' | 'plan'>,
  stateSize: number,
  room: number,
): void {
  const needed = heldStates * Float32Array.BYTES_PER_ELEMENT * windows.length * plan.context * stateSize;
  if (needed <= room) return;
  const message = said`The states of ${plural(windows.length, 'window')} need ${size(needed)} of memory, and there is room for ${size(room)}: use fewer windows.`;
  throw new QuantscopeError('REQUEST', message, { file });
}

async function measure(
  original: Decoder,
  changed: Decoder,
  { windows, plan }: PlannedText,
  { signal, progress }: JobContext,
): Promise<Omit<PreviewResult, 'variant' | 'seconds'>> {
  const runs = Math.ceil(windows.length / (original.tokensPerRun / plan.context));
  const steps = 3 * runs * original.shape.blocks.length + runs;
  const meter = new StepMeter(steps, windows.length, original.device, progress);
  const { blocks, output, losses, divergences } = await blockErrors(original, changed, windows, {
    signal,
    onStep: (part) => meter.step(part),
  });
  return {
    ...{ tokens: windows.length * plan.context, blocks, output },
    perplexity: perplexity(losses),
    originalPerplexity: perplexity(divergences.baseLosses),
    divergence: mean(divergences.divergences),
    sameTopToken: share(divergences.sameTop),
  };
}
