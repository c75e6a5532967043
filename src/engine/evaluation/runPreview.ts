import { blockErrors } from '../../evaluation/blockErrors';
import { mean, perplexity, share } from '../../evaluation/statistics';
import { openTokenizer } from '../../evaluation/tokenizer/openTokenizer';
import { openDecoder } from '../../graph/transformer/openDecoder';
import type { Model } from '../../model/model';
import type { PreviewParams, PreviewResult } from '../../protocol/preview';
import type { JobContext } from '../job';
import { StepMeter } from './progress';
import { recipeVariant } from './recipeVariant';
import { contextLengthOf, planText, runDevice } from './runPlan';

/** Windows of the text that are used unless more are requested: errors of states need few tokens. */
const usualWindows = 8;

/**
 * The error of each block's output and of the model's, were it quantized as a recipe says. Both models are read one block at a time.
 * @throws QuantscopeError REQUEST, UNSUPPORTED as `recipeVariant`; CANCELLED.
 */
export async function runPreview(
  model: Model,
  params: PreviewParams,
  context: JobContext,
): Promise<PreviewResult> {
  const { signal } = context;
  const started = performance.now();
  const { device } = await runDevice(params.device, signal);
  const tokenizer = await openTokenizer(model, signal);
  const settings = { windows: usualWindows, ...params };
  const { windows, plan } = await planText(
    params.text,
    tokenizer,
    settings,
    await contextLengthOf(model),
    signal,
  );
  const variant = await recipeVariant(model, params.recipe, params, context);
  const options = { device, length: plan.context, keep: false };
  const original = await openDecoder(model, options);
  const changed = await openDecoder(variant.model, { ...options, roundInputs: variant.roundInputs }).catch(
    async (error: unknown) => {
      await original.close();
      throw error;
    },
  );
  try {
    const runs = Math.ceil(windows.length / (original.tokensPerRun / plan.context));
    const steps = 3 * runs * original.shape.blocks.length + runs;
    const meter = new StepMeter(steps, windows.length, device, context.progress);
    const { blocks, output, losses, divergences } = await blockErrors(original, changed, windows, {
      signal,
      onStep: (part) => meter.step(part),
    });
    return {
      ...{ variant: variant.label, tokens: windows.length * plan.context, blocks, output },
      perplexity: perplexity(losses),
      originalPerplexity: perplexity(divergences.baseLosses),
      divergence: mean(divergences.divergences),
      sameTopToken: share(divergences.sameTop),
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    await original.close();
    await changed.close();
  }
}
