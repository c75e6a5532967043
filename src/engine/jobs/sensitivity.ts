import { refuseWithoutImportance, type Candidates } from '../../ampq/candidates';
import { keepLatestCodes, latestCandidates } from '../../ampq/latestCodes';
import { withFewBits } from '../../ampq/fewBitsGains';
import { fewBitsProbe, probeFormat, withGains, type MeasuredDivergences } from '../../ampq/gains';
import { blocksOf, isSampled, sampleOfBlocks } from '../../ampq/interpolatedGains';
import {
  defaultCandidates,
  importanceCandidates,
  inFormats,
  latticeCandidates,
  missingCandidates,
  outputCandidates,
  smallBlockCandidates,
  runSensitivity,
  storedSensitivity,
} from '../../ampq/sensitivity';
import { candidatesOf } from '../../exporter/plan/candidates';
import { probeDevices } from '../../graph/probe';
import { readImatrix } from '../../model/imatrix';
import type { Model } from '../../model/model';
import type { SensitivityParams, StoredParams } from '../../protocol/sensitivityRun';
import type { Backend, SensitivityTable } from '../../protocol/plan';
import { said } from '../../protocol/said';
import type { QuantFormat } from '../../quant/format';
import { formatById } from '../../quant/catalogue';
import { errorSeconds, gainsCosts } from '../evaluation/gainsEstimate';
import { isRouted, refuseRouted } from '../evaluation/curvatureRun';
import { chooseGains, type GainsChosen } from '../evaluation/chooseGains';
import { addGains, keptGains } from '../evaluation/measureGains';
import { measurerFor } from '../evaluation/measurerFor';
import {
  codeFinderFor,
  evidenceSeconds,
  missingCodesSeconds,
  optimisedMeasurer,
  planCodes,
  type PlannedCodes,
} from '../evaluation/plannedCodes';
import { inputRoundings, keptRoundings, roundingSeconds, withRoundings } from '../evaluation/roundedInputs';
import { runDevice, type PlannedText } from '../evaluation/runPlan';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';

export function probeJob(): Job<'device/probe'> {
  return (params, { signal }) => {
    checkParams('device/probe', params, { device: 'device', refresh: 'boolean?' });
    return probeDevices(params.device, { refresh: params.refresh ?? false, signal });
  };
}

/** Parameters of a run. */
export const runKinds = {
  ...modelKinds,
  formats: 'strings?',
  device: 'device',
  cacheDir: 'path',
  text: 'path?',
  tokens: 'count?',
  context: 'count?',
  sampleBlocks: 'sampleBlocks?',
  imatrix: 'path?',
  keptGains: 'boolean?',
  gainsFile: 'path?',
  lattices: 'boolean?',
  curvature: 'boolean?',
  fewBits: 'boolean?',
  weightsOnly: 'boolean?',
  optimised: 'optimised?',
} as const;

/** What a request comes to. */
interface Run {
  readonly candidates: Candidates;
  readonly gains: GainsChosen;
  /** The text that remains to be run over; undefined where gains are kept from an earlier run over it, or not asked for. */
  readonly toRun: PlannedText | undefined;
  /** The blocks whose gains are measured, where these are not all. */
  readonly sampled: readonly number[] | undefined;
  /** Gains that were measured before and are asked for. */
  readonly measured: MeasuredDivergences | undefined;
  /** Gains of another text that are kept, where a request for kept ones would get them: not in the format for few bits. */
  readonly offered: MeasuredDivergences | undefined;
  /** The formats of the table. */
  readonly formats: readonly QuantFormat[];
  /** Those that errors are measured in: of the table, and the one that gains are measured in. */
  readonly measuredFormats: readonly QuantFormat[];
  /** Optimised codes, where they are asked for. */
  readonly codes: PlannedCodes | undefined;
}

/** @throws QuantscopeError REQUEST for what cannot be measured, before anything is. */
async function planRun(model: Model, params: SensitivityParams, signal: AbortSignal): Promise<Run> {
  const encoded = await encodedCandidates(model, params, params.optimised !== undefined, signal);
  const named = params.formats?.map(formatById);
  const probe = probeFor(params);
  const keptOf = (candidates: Candidates) => keptGains(model, candidates, params.cacheDir, probe);
  const latest = params.optimised ? await latestCandidates(model, encoded, params.cacheDir) : encoded;
  const earlier = await keptOf(latest);
  const gains = await chooseGains(model, params, { kept: earlier, candidates: encoded }, signal);
  const planned = 'planned' in gains ? gains.planned : undefined;
  if (planned && params.curvature) refuseRouted(encoded, model.description.path);
  const codes = await planCodes(model, params, gains, latest.codes, signal);
  const candidates = codes
    ? { ...encoded, codes: codes.used }
    : await encodedCandidates(model, params, false, signal);
  refuseWithoutImportance(candidates, named ?? [], model.description.path);
  const kept = await keptOf(candidates);
  const names = candidates.tensors.map(({ converted: { name } }) => name);
  const sampled = params.sampleBlocks === undefined ? undefined : sampleOfBlocks(names, params.sampleBlocks);
  const isKept = planned !== undefined && planned.hash === kept?.text.hash && answers(kept, sampled, params);
  const measured = 'measured' in gains ? gains.measured : isKept ? kept : undefined;
  const formats = [...new Set(named ?? usualFormats(candidates, gains, params).map(formatById))];
  const toRun = isKept ? undefined : planned;
  return {
    ...{ candidates, gains, toRun, sampled, measured, formats, codes },
    offered: measured || params.fewBits ? undefined : (kept ?? earlier),
    measuredFormats: toRun ? [...new Set([...formats, probe])] : formats,
  };
}

/**
 * Whether kept gains are those that are asked for, or better: measured in all blocks of a sample, or in all of the model where there is none; measured
 * ones serve where the curvature is asked for.
 */
const answers = (
  { sampled: kept, by }: MeasuredDivergences,
  sampled: readonly number[] | undefined,
  { curvature }: SensitivityParams,
): boolean =>
  (kept === undefined || (sampled?.every((block) => kept.includes(block)) ?? false)) &&
  (by === undefined || curvature === true);

/** Gains for plans of few bits that an earlier run measured. */
const keptFewBits = (model: Model, candidates: Candidates, cacheDir: string) =>
  keptGains(model, candidates, cacheDir, fewBitsProbe);

/** The format that gains are measured in. */
const probeFor = ({ fewBits }: SensitivityParams): QuantFormat =>
  fewBits === true ? fewBitsProbe : probeFormat;

async function encodedCandidates(
  model: Model,
  { imatrix }: Pick<SensitivityParams, 'imatrix'>,
  isOptimised: boolean,
  signal: AbortSignal,
): Promise<Candidates> {
  const read = imatrix === undefined ? undefined : await readImatrix(imatrix, signal);
  return candidatesOf(model, { signal, imatrix: read, isOptimised });
}

/** Whether errors of optimised codes include the rounding of inputs by llama.cpp's CPU kernels: unless the file is for a GPU. */
const isForCpu = ({ backend = 'cpu' }: { readonly backend?: Backend }): boolean => backend === 'cpu';

function usualFormats(
  { imatrix }: Candidates,
  gains: GainsChosen,
  { optimised, lattices = false }: SensitivityParams,
): readonly string[] {
  if (imatrix) return importanceCandidates;
  if ('weightsOnly' in gains) return defaultCandidates;
  return [
    ...(lattices && optimised ? latticeCandidates : []),
    ...outputCandidates,
    ...(optimised && isForCpu(optimised) ? smallBlockCandidates : []),
  ];
}

export function sensitivityJob(models: OpenModels): Job<'sensitivity/run'> {
  return async (params, { signal, progress }) => {
    checkParams('sensitivity/run', params, runKinds);
    const { cacheDir } = params;
    const { chosen } = await probeDevices(params.device, { signal });
    const { measurer, close } = measurerFor(chosen);
    try {
      return await models.useUnchanged(params, signal, async (model) => {
        const run = await planRun(model, params, signal);
        const { candidates, gains, toRun, sampled, measured, formats, measuredFormats, codes } = run;
        // Results are then not kept either, and the run says so.
        await keepLatestCodes(model, candidates, cacheDir).catch(() => undefined);
        const finder = codes && codeFinderFor(model, codes, { signal, progress });
        const table = await runSensitivity(model, candidates, {
          ...{ formats: measuredFormats, signal, cacheDir },
          measurer: finder ? optimisedMeasurer(finder, measurer) : measurer,
          exactDevice: params.device !== 'auto',
          onProgress: progress,
        });
        if ('weightsOnly' in gains) return { ...table, weightsOnly: gains.weightsOnly };
        const rounded = async (found: SensitivityTable): Promise<SensitivityTable> =>
          finder && isForCpu(params.optimised!)
            ? withRoundings(
                found,
                await inputRoundings(model, candidates, {
                  ...{ cacheDir, signal },
                  finder: codes.settings && finder,
                }),
              )
            : found;
        const few = params.fewBits === true ? undefined : await keptFewBits(model, candidates, cacheDir);
        if (!toRun) return rounded(withFewBits(withGains(table, measured!), few));
        const { device } = await runDevice(params.device, signal);
        const by = params.curvature === true ? { by: 'curvature' as const } : {};
        const probe = probeFor(params);
        const where = { ...by, probe, device, cacheDir, sampled, finder: await finder?.() };
        const found = await addGains(model, table, candidates, toRun, where, { signal, progress });
        return rounded(withFewBits(inFormats(found, formats), few));
      });
    } finally {
      await close();
    }
  };
}

/** What a run would do and its estimated time; a second or two of it is run for the estimate. */
export function estimateJob(models: OpenModels): Job<'sensitivity/estimate'> {
  return (params, { signal }) => {
    checkParams('sensitivity/estimate', params, runKinds);
    return models.use(params, signal, async (model) => {
      const run = await planRun(model, params, signal);
      const { candidates, gains, toRun, sampled, measured, offered, formats, measuredFormats, codes } = run;
      const left = await missingCandidates(model, candidates, params.cacheDir, measuredFormats);
      const ofRounding =
        codes?.settings && isForCpu(params.optimised!) && !('weightsOnly' in gains)
          ? await roundingSeconds(model, candidates, params.cacheDir, signal)
          : 0;
      const isMissing =
        toRun !== undefined || ofRounding > 0 || left.some(({ formats: some }) => some.length > 0);
      const ofCodes =
        codes && isMissing ? missingCodesSeconds(left) + (await evidenceSeconds(model, codes, signal)) : 0;
      const errors = ofCodes + ofRounding + (await errorSeconds(left, signal));
      const estimate = {
        ...{ tensors: candidates.tensors.length, formats: formats.map(({ id }) => id) },
        ...(codes ? { codes: codes.used } : {}),
        ...(offered ? { offered: { file: offered.text.path, tokens: offered.text.tokens } } : {}),
      };
      if ('weightsOnly' in gains) return { ...estimate, weightsOnly: gains.weightsOnly, seconds: errors };
      if (!toRun) {
        const { path: file, tokens } = measured!.text;
        return { ...estimate, text: { file, tokens, isKept: true }, seconds: errors };
      }
      const text = { file: toRun.file, tokens: toRun.plan.scoredTokens };
      const { device } = await runDevice(params.device, signal);
      const names = candidates.tensors.map(({ converted: { name } }) => name);
      const changed = names.filter((name) => isSampled(name, sampled));
      const costs = await gainsCosts(model, toRun, changed, device, signal);
      const { seconds, ...cost } = params.curvature === true ? costs.curvature : costs.measured;
      const sample = sampled && { measured: sampled.length, blocks: blocksOf(names).length };
      const times = isRouted(candidates) ? {} : { curvatureSeconds: errors + costs.curvature.seconds };
      return {
        ...estimate,
        ...cost,
        seconds: errors + seconds,
        ...times,
        text,
        ...(sample ? { sample } : {}),
      };
    });
  };
}

/** How the measurements of a model are named. */
export const storedKinds = {
  ...modelKinds,
  cacheDir: 'path',
  imatrix: 'path?',
  backend: 'backend?',
} as const;

export function storedSensitivityJob(models: OpenModels): Job<'sensitivity/stored'> {
  return (params, { signal }) => {
    checkParams('sensitivity/stored', params, storedKinds);
    return models.use(params, signal, (model) => readStoredTable(model, params, signal));
  };
}

/** What the latest run of a model with the same importance matrix, or without one, and earlier ones with its codes measured; undefined when nothing. */
export async function readStoredTable(
  model: Model,
  params: StoredParams,
  signal: AbortSignal,
): Promise<SensitivityTable | undefined> {
  const plain = await encodedCandidates(model, params, false, signal);
  const { codes } = await latestCandidates(model, plain, params.cacheDir);
  const candidates = codes ? { ...(await encodedCandidates(model, params, true, signal)), codes } : plain;
  const table = await storedSensitivity(model, candidates, params.cacheDir);
  if (!table) return undefined;
  const measured = await keptGains(model, candidates, params.cacheDir);
  const roundings = isForCpu(params) ? await keptRoundings(model, candidates, params.cacheDir) : undefined;
  if (measured) {
    const few = await keptFewBits(model, candidates, params.cacheDir);
    return withRoundings(withFewBits(withGains(table, measured), few), roundings);
  }
  return { ...table, weightsOnly: said`the model was not run over a text.` };
}
