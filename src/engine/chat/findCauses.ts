import { QuantscopeError } from '../../model/errors';
import type { CausesParams, CausesResult } from '../../protocol/chat';
import { said } from '../../protocol/said';
import { tokenCauses } from '../../refinement/tokenCauses';
import { StepMeter } from '../evaluation/progress';
import { contextLengthOf, runDevice, stepsOf } from '../evaluation/runPlan';
import { backwardSteps } from '../evaluation/obtainEvidence';
import type { JobContext } from '../job';
import { openPair, type PairedModels } from './openPair';

/**
 * The tensors whose errors moved the distribution of the token after some others, from one forward and one backward pass.
 * @throws QuantscopeError as `openPair` and `tokenCauses`; REQUEST for tokens that the model does not have, or too many.
 */
export async function findCauses(
  models: PairedModels,
  params: CausesParams,
  context: JobContext,
): Promise<CausesResult> {
  const started = performance.now();
  const { model } = models;
  const { signal, progress } = context;
  const { device } = await runDevice(params.device, signal);
  const { length } = params.tokens;
  const contextLength = await contextLengthOf(model, signal);
  const pair = await openPair(
    models,
    { ...params, where: device, length, memory: 'streamed', unrounded: true },
    context,
  );
  try {
    const { original, variant } = pair.decoders;
    refuseTokens(
      params.tokens,
      { vocabulary: original.shape.vocabulary, contextLength },
      model.description.path,
    );
    const meter = new StepMeter(stepsOf(original, 1, 0) + backwardSteps(variant, 1), 1, device, progress);
    const { divergence, effects } = await tokenCauses(pair.decoders, Int32Array.from(params.tokens), {
      ...{ mayDiffer: pair.mayDiffer, signal },
      onStep: (part) => meter.step(part),
    });
    const sum = [...effects.values()].reduce((total, effect) => total + effect, 0);
    const tensors = [...effects].map(([tensor, effect]) => ({
      ...{ tensor, effect },
      share: sum === 0 ? 0 : effect / sum,
    }));
    return {
      ...{ divergence, sum, tensors: tensors.sort((a, b) => b.effect - a.effect) },
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    await pair.close();
  }
}

function refuseTokens(
  tokens: readonly number[],
  { vocabulary, contextLength }: { readonly vocabulary: number; readonly contextLength: number },
  file: string,
): void {
  const wrong = tokens.find((id) => !Number.isSafeInteger(id) || id < 0 || id >= vocabulary);
  const why =
    wrong !== undefined
      ? said`${wrong} is not a token; the vocabulary has ${vocabulary}.`
      : tokens.length > contextLength
        ? said`There are ${tokens.length} tokens, and the context of the model ends at ${contextLength}.`
        : undefined;
  if (why !== undefined) throw new QuantscopeError('REQUEST', why, { file });
}
