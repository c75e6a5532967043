import type { ErrorKind } from '../../ampq/gainsFile';
import type { Measurer, MissingCells } from '../../ampq/sensitivity';
import {
  codesEvidence,
  CodeFinder,
  codesSeconds,
  optimisableType,
  usedCodes,
} from '../../exporter/codes/codeFinder';
import { outputErrors } from '../../exporter/codes/outputErrors';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import type { SensitivityParams } from '../../protocol/sensitivityRun';
import type { EvidenceSettings } from '../../protocol/evidence';
import { objectives, usualObjective, type Objective } from '../../protocol/export';
import type { UsedCodes } from '../../protocol/plan';
import type { EvidenceKind } from '../../protocol/recipe';
import { said } from '../../protocol/said';
import type { EvidenceSource } from '../../quant/evidence';
import type { JobContext } from '../job';
import type { GainsChosen } from './chooseGains';
import { estimateEvidence, evidenceText, latestEvidence, obtainEvidence } from './obtainEvidence';

/** Optimised codes of a run that measures, and where what they are found from is kept. */
export interface PlannedCodes {
  readonly used: UsedCodes;
  /** What is needed of the inputs. */
  readonly needs: readonly EvidenceKind[];
  /** The pass over a text that they need; absent for those of an earlier run. */
  readonly settings?: EvidenceSettings;
  readonly evidenceDir: string;
}

/**
 * The codes that a request asks for; undefined where it does not, or where the model is not run over a text.
 * @param gains where these come from: codes are found over their text, too, unless the request names another.
 * @param latest of the latest run, whose codes go with its gains.
 * @throws QuantscopeError REQUEST where codes are required and the model is not run; as `obtainEvidence` for a text that cannot be used.
 */
export async function planCodes(
  model: Model,
  {
    optimised,
    device,
    imatrix,
    gainsFile,
  }: Pick<SensitivityParams, 'optimised' | 'device' | 'imatrix' | 'gainsFile'>,
  gains: GainsChosen,
  latest: UsedCodes | undefined,
  signal: AbortSignal,
): Promise<PlannedCodes | undefined> {
  if ('errors' in gains) checkErrors(gains.errors, { optimised, imatrix }, gainsFile!);
  if (!optimised) return undefined;
  const { evidenceDir, isRequired, objective = usualObjective, backend = 'cpu' } = optimised;
  const sampled = backend === 'cpu' ? (['activations'] as const) : [];
  if ('errors' in gains) return gains.errors === 'outputs' ? codesOver(optimised.text!) : undefined;
  if ('measured' in gains) {
    const used = latest && { ...latest, objective: optimised.objective ?? latest.objective };
    return used && { used, needs: [codesEvidence('one-sided'), ...sampled], evidenceDir };
  }
  if ('weightsOnly' in gains) {
    if (!isRequired) return undefined;
    const message = said`Optimised codes need a text that the model is run over: ${gains.weightsOnly}`;
    throw new QuantscopeError('REQUEST', message, { file: model.description.path });
  }
  return codesOver(optimised.text ?? gains.planned.file);

  async function codesOver(text: string): Promise<PlannedCodes> {
    const { tokens } = optimised!;
    const needs = [codesEvidence(objective), ...sampled];
    const settings = { text, needs, device, ...(tokens === undefined ? {} : { tokens }) };
    const used = usedCodes(await evidenceText(model, settings, evidenceDir, signal), objective);
    return { used, needs, settings, evidenceDir };
  }
}

/** @throws QuantscopeError REQUEST where gains of a file are asked for with errors of another kind. */
function checkErrors(
  kind: ErrorKind,
  { optimised, imatrix }: { readonly [K in 'optimised' | 'imatrix']: SensitivityParams[K] | undefined },
  file: string,
): void {
  const refuse = (message: string): QuantscopeError => new QuantscopeError('REQUEST', message, { file });
  if (kind === 'outputs' && optimised?.text === undefined)
    throw refuse(
      said`These gains are for the errors of outputs with optimised codes: name the text that codes are found over (--calibration F).`,
    );
  if (kind !== 'outputs' && optimised?.isRequired)
    throw refuse(
      said`These gains are for the errors of weights with the codes of llama.cpp, not for optimised codes.`,
    );
  if (kind === 'importance' && imatrix === undefined)
    throw refuse(said`These gains are for errors that an importance matrix weights: give one.`);
  if (kind === 'weights' && imatrix !== undefined)
    throw refuse(said`These gains are for plain errors, not for errors that an importance matrix weights.`);
}

/**
 * What finds the codes of cells, after the pass over the text, if that was not made before: when it is asked for, as a run whose results are all kept
 * needs none.
 */
export function codeFinderFor(
  model: Model,
  { used, needs, settings, evidenceDir }: PlannedCodes,
  context: JobContext,
): () => Promise<CodeFinder> {
  const open = async (): Promise<CodeFinder> => {
    const evidence = settings
      ? await obtainEvidence(model, settings, evidenceDir, context)
      : await evidenceOfRun(model, used, needs, evidenceDir);
    return new CodeFinder(evidence, 'one-sided', context.signal);
  };
  let finder: Promise<CodeFinder> | undefined;
  return () => (finder ??= open());
}

/** @throws QuantscopeError REQUEST where it is not kept. */
async function evidenceOfRun(
  model: Model,
  { text, hash, tokens }: UsedCodes,
  needs: readonly EvidenceKind[],
  evidenceDir: string,
): Promise<EvidenceSource> {
  const found = await latestEvidence(model, needs, evidenceDir, hash);
  if (found) return found;
  const message = said`Codes of the latest run were optimised over ${tokens.toLocaleString('en-US')} tokens of ${text}, and what was measured there (${needs.join(' and ')}) is not kept: run the model over a text again.`;
  throw new QuantscopeError('REQUEST', message, { file: model.description.path });
}

/** Seconds that the pass over the text takes. */
export async function evidenceSeconds(
  model: Model,
  { settings, evidenceDir }: PlannedCodes,
  signal: AbortSignal,
): Promise<number> {
  return settings ? (await estimateEvidence(model, settings, evidenceDir, signal)).seconds : 0;
}

/** Seconds that finding the codes of cells takes. @param objective of the codes; errors of cells are those of one-sided ones. */
export const missingCodesSeconds = (
  missing: readonly MissingCells[],
  objective: Objective = 'one-sided',
): number =>
  missing.reduce((sum, { candidate: { converted }, formats }) => {
    const types = formats.flatMap(({ id }) => optimisableType(converted, id) ?? []);
    return types.reduce((seconds, type) => seconds + codesSeconds(converted.shape, type, objective), sum);
  }, 0);

/** A measurer whose errors are those of the outputs with optimised codes, where the inputs of a tensor are known. */
export function optimisedMeasurer(finder: () => Promise<CodeFinder>, plain: Measurer): Measurer {
  return {
    device: 'cpu',
    deviceFor: () => 'cpu',
    measure: async (reader, slab, format, range, options) =>
      (await outputErrors(await finder(), reader, slab, format, range, options)) ??
      plain.measure(reader, slab, format, range, options),
  };
}

/**
 * The latest kept evidence that codes can be found from, with gradients where some are kept and no objective is named.
 * @param hash of the text, where no other will do.
 */
export async function evidenceForCodes(
  model: Model,
  objective: Objective | undefined,
  cacheDir: string,
  hash?: string,
): Promise<EvidenceSource | undefined> {
  for (const one of objective ? [objective] : objectives.toReversed()) {
    const found = await latestEvidence(model, [codesEvidence(one)], cacheDir, hash);
    if (found) return found;
  }
  return undefined;
}

/**
 * What was measured of the inputs over the text of a plan with optimised codes.
 * @throws QuantscopeError REQUEST where it is not kept.
 */
export async function evidenceOfPlan(
  model: Model,
  { text, hash, tokens, objective: own }: UsedCodes,
  cacheDir: string | undefined,
  objective = own,
): Promise<EvidenceSource> {
  const found = cacheDir === undefined ? undefined : await evidenceForCodes(model, objective, cacheDir, hash);
  if (found) return found;
  const message = said`The plan was made for optimised codes over ${tokens.toLocaleString('en-US')} tokens of ${text}, and what was measured there is not kept. Export it with --codes optimised, the objective ${objective} and this text (--calibration F --tokens ${tokens}), or with --codes reference.`;
  throw new QuantscopeError('REQUEST', message, { file: model.description.path });
}
