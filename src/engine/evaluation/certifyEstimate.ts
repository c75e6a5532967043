import type { MissingCells } from '../../ampq/sensitivity';
import { gainsWork, secondsOf } from '../../evaluation/passWork';
import { openDecoder } from '../../graph/transformer/openDecoder';
import type { Model } from '../../model/model';
import type { CertifyEstimate } from '../../protocol/certificate';
import type { CertifyParams } from '../../protocol/evaluation';
import { findFormat } from '../../quant/catalogue';
import { comparedPresets } from './certifyPlan';
import { setUp, type CertifiedModels, type Certification } from './certifySetup';
import { blockSeconds, errorSeconds, outputSeconds, plannedGains } from './gainsEstimate';
import { mostRounds, mostSwaps, sampledWindows } from './improvePlan';
import { scoredTokens } from './jointRuns';
import { missingCodesSeconds } from './plannedCodes';
import { statesRoom } from './runPlan';

/**
 * What measuring a plan would take where nothing is kept of earlier runs, from running the first block and the output matrix over a window or two and
 * encoding a few rows.
 * @throws QuantscopeError as `setUp`.
 */
export async function estimateCertify(
  models: CertifiedModels,
  params: CertifyParams,
  signal: AbortSignal,
): Promise<CertifyEstimate> {
  const { model } = models;
  const certification = await setUp(models, params, signal);
  const { text, theirs } = certification;
  const presets = await comparedPresets(model, certification);
  const compared = presets.length + (theirs ? 2 : 1); // and a random assignment
  const { run, around } = await costs(model, certification, signal);
  const estimate = { windows: text.windows.length, compared, seconds: (2 + compared) * run }; // with the original
  if (params.improveFrom === undefined) return estimate;
  const swaps = mostRounds * mostSwaps;
  const improvement = { swaps, seconds: around, mostSeconds: mostRounds * around + swaps * run };
  return { ...estimate, improvement };
}

/** Seconds of a run of changed weights over the text, and of the gains around a plan. */
async function costs(
  model: Model,
  { plan, candidates, text, where }: Certification,
  signal: AbortSignal,
): Promise<{ readonly run: number; readonly around: number }> {
  const formats = new Map(plan.assignments.map(({ tensor, format }) => [tensor, findFormat(format)]));
  const cells = candidates.tensors.flatMap((candidate): MissingCells[] => {
    const format = formats.get(candidate.converted.name);
    return format ? [{ candidate, formats: [format] }] : [];
  });
  const ofCodes = plan.codes ? missingCodesSeconds(cells, plan.codes.objective) : 0;
  const encoding = ofCodes + (await errorSeconds(cells, signal));
  const options = { device: where.device, length: text.plan.context, keep: false };
  const decoder = await openDecoder(model, options);
  try {
    const each = {
      ...(await blockSeconds(decoder, { signal })),
      output: await outputSeconds(decoder, signal),
    };
    const blocks = decoder.shape.blocks.length;
    const { length } = text.windows;
    const pass = { windows: blocks * length, loads: blocks, outputs: length };
    const names = cells.map(({ candidate }) => candidate.converted.name);
    const sampled = sampledWindows(scoredTokens(text)).length;
    const gains = gainsWork({ ...plannedGains(decoder, names, sampled, statesRoom()), isAround: true });
    return {
      run: encoding + secondsOf(pass, each),
      around: encoding + secondsOf(gains, each),
    };
  } finally {
    await decoder.close();
  }
}
