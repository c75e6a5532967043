import type { Measurer, MissingCells } from '../../ampq/sensitivity';
import { CodeFinder, codesSeconds, optimisableType, usedCodes } from '../../exporter/codes/codeFinder';
import { outputErrors } from '../../exporter/codes/outputErrors';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import type { SensitivityParams } from '../../protocol/engine';
import type { EvidenceSettings } from '../../protocol/evidence';
import type { UsedCodes } from '../../protocol/plan';
import type { EvidenceSource } from '../../quant/evidence';
import type { JobContext } from '../job';
import { estimateEvidence, evidenceText, latestEvidence, obtainEvidence } from './obtainEvidence';

/** Optimised codes of a run that measures: over which text, and where what it says of inputs is kept. */
export interface PlannedCodes {
  readonly used: UsedCodes;
  readonly settings: EvidenceSettings;
  readonly evidenceDir: string;
}

/**
 * The codes that a request asks for; undefined where it does not.
 * @param gainsText the text that gains are measured over, which codes are found over, too, unless the request names another; undefined where
 * the model is not run over one.
 * @throws QuantscopeError REQUEST where there is no text; as `obtainEvidence` for one that cannot be used.
 */
export async function planCodes(
  model: Model,
  { optimised, device }: Pick<SensitivityParams, 'optimised' | 'device'>,
  gainsText: string | undefined,
  signal: AbortSignal,
): Promise<PlannedCodes | undefined> {
  if (!optimised) return undefined;
  const { evidenceDir, tokens, text = gainsText } = optimised;
  if (text === undefined) {
    const message = 'Optimised codes need a text that the model is run over.';
    throw new QuantscopeError('REQUEST', message, { file: model.description.path });
  }
  const settings = { text, needs: ['hessian'], device, ...(tokens === undefined ? {} : { tokens }) } as const;
  const used = usedCodes(await evidenceText(model, settings, evidenceDir, signal));
  return { used, settings, evidenceDir };
}

/** What finds the codes, after the pass over the text, if that was not made before. */
export async function codeFinderFor(
  model: Model,
  { settings, evidenceDir }: PlannedCodes,
  context: JobContext,
): Promise<CodeFinder> {
  return new CodeFinder(await obtainEvidence(model, settings, evidenceDir, context), context.signal);
}

/** Seconds that the pass over the text takes. */
export async function evidenceSeconds(
  model: Model,
  { settings, evidenceDir }: PlannedCodes,
  signal: AbortSignal,
): Promise<number> {
  return (await estimateEvidence(model, settings, evidenceDir, signal)).seconds;
}

/** Seconds that finding the codes of cells takes. */
export const missingCodesSeconds = (missing: readonly MissingCells[]): number =>
  missing.reduce((sum, { candidate: { converted }, formats }) => {
    const some = formats.filter(({ id }) => optimisableType(converted, id) !== undefined);
    return sum + some.length * codesSeconds(converted.shape);
  }, 0);

/** A measurer whose errors are those of the outputs with optimised codes, where the inputs of a tensor are known. */
export function optimisedMeasurer(finder: CodeFinder, plain: Measurer): Measurer {
  return {
    device: 'cpu',
    deviceFor: () => 'cpu',
    measure: async (reader, slab, format, range, options) =>
      (await outputErrors(finder, reader, slab, format, range, options)) ??
      plain.measure(reader, slab, format, range, options),
  };
}

/**
 * What was measured of the inputs over the text of a plan with optimised codes.
 * @throws QuantscopeError REQUEST where it is not kept.
 */
export async function evidenceOfPlan(
  model: Model,
  { text, hash, tokens }: UsedCodes,
  cacheDir: string | undefined,
): Promise<EvidenceSource> {
  const found = cacheDir === undefined ? undefined : await latestEvidence(model, ['hessian'], cacheDir, hash);
  if (found) return found;
  const message = `The plan was made for optimised codes over ${tokens.toLocaleString('en-US')} tokens of ${text}, and what was measured there is not kept. Export it with --codes optimised and this text (--calibration F --tokens ${tokens}), or with --codes reference.`;
  throw new QuantscopeError('REQUEST', message, { file: model.description.path });
}
