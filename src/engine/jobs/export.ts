import { codesEvidence } from '../../exporter/codes/codeFinder';
import { exportGguf, previewGguf } from '../../exporter/exportGguf';
import type { ExportTarget } from '../../exporter/plan';
import { encodableTypes, fileTypeNeedsImportance, fileTypes } from '../../exporter/plan/fileTypes';
import { inputsOf } from '../../files/inputs';
import { withThreads } from '../../graph/threads';
import { QuantscopeError } from '../../model/errors';
import { readImatrix } from '../../model/imatrix';
import type { Model } from '../../model/model';
import type { ExportParams } from '../../protocol/export';
import { usualObjective, type ExportSettings } from '../../protocol/export';
import type { Plan } from '../../protocol/plan';
import { said } from '../../protocol/said';
import type { EvidenceSource } from '../../quant/evidence';
import { evidenceForCodes, evidenceOfPlan } from '../evaluation/plannedCodes';
import { obtainEvidence } from '../evaluation/obtainEvidence';
import { readPlan } from '../evaluation/weightVariant';
import { checkParams, modelKinds, type Job, type JobContext } from '../job';
import type { OpenModels } from '../models';

/** Settings that determine the bytes of a file and are not files. */
export const ownSettingKinds = {
  type: 'string?',
  includeWeights: 'strings?',
  excludeWeights: 'strings?',
  pure: 'boolean?',
  leaveOutput: 'boolean?',
  outputType: 'string?',
  tokenEmbeddingType: 'string?',
  tensorTypes: 'tensorTypes?',
  allowRequantize: 'boolean?',
  pruneLayers: 'blocks?',
  overrideKeyValues: 'strings?',
  split: 'split?',
  codes: 'codes?',
} as const;

const settingKinds = {
  ...ownSettingKinds,
  planFile: 'path?',
  imatrix: 'path?',
  objective: 'objective?',
  calibration: 'calibration?',
} as const;

const exportKinds = {
  ...modelKinds,
  out: 'path',
  threads: 'count?',
  cacheDir: 'path?',
  device: 'device?',
  ...settingKinds,
} as const;

/** What can be exported. */
export function fileTypesJob(): Job<'export/fileTypes'> {
  return () =>
    Promise.resolve({
      fileTypes: fileTypes.map((fileType) => ({
        name: fileType.name,
        label: fileType.label,
        needsImportance: fileTypeNeedsImportance(fileType),
      })),
      tensorTypes: [...encodableTypes],
    });
}

/** Dry run. */
export function previewJob(models: OpenModels): Job<'export/preview'> {
  return async (params, { signal }) => {
    checkParams('export/preview', params, { ...modelKinds, out: 'path?', ...settingKinds });
    const target = await readTarget(params, signal);
    const alsoRead = [params.planFile, params.imatrix, params.calibration?.text];
    return models.use(params, signal, (model) =>
      previewGguf(model, target, params.out, { signal, alsoRead }),
    );
  };
}

export function exportJob(models: OpenModels): Job<'export/gguf'> {
  return async (params, { signal, progress }) => {
    checkParams('export/gguf', params, exportKinds);
    const target = await readTarget(params, signal);
    const { out, threads, planFile, imatrix, calibration } = params;
    return withThreads(threads, () =>
      models.use(params, signal, async (model) => {
        const inputs = await inputsOf(model.description, planFile, imatrix, calibration?.text);
        // What the export would reject is rejected before minutes of calibration.
        if (calibration) await previewGguf(model, target, out, { signal, inputs });
        const evidence = await evidenceFor(model, params, target, { signal, progress });
        return exportGguf(model, target, out, { signal, evidence, onProgress: progress, inputs });
      }),
    );
  };
}

/**
 * What is known of the inputs of a model's matrices, from a pass over the text of the settings or from an earlier one: over the text of the
 * plan, where that has one.
 */
async function evidenceFor(
  model: Model,
  { calibration, cacheDir, device = 'auto' }: ExportParams,
  { codes, plan, objective }: ExportTarget,
  context: JobContext,
): Promise<EvidenceSource | undefined> {
  if (codes !== 'optimised' || cacheDir === undefined) return undefined;
  if (!calibration)
    return plan?.codes
      ? evidenceOfPlan(model, plan.codes, cacheDir, objective)
      : evidenceForCodes(model, objective, cacheDir);
  const needs = [codesEvidence(objective ?? usualObjective)];
  const evidence = await obtainEvidence(model, { ...calibration, needs, device }, cacheDir, context);
  if (!plan?.codes || plan.codes.hash === evidence.text.hash) return evidence;
  const other = said`The plan was made for codes over ${plan.codes.text}, in another text or number of tokens: its figures are not those of the file.`;
  return { ...evidence, notes: [...evidence.notes, other] };
}

/** @throws QuantscopeError REQUEST for what only optimised codes have where those of llama.cpp are written. */
function refuseForReference({ objective, calibration }: ExportSettings, plan: Plan | undefined): void {
  const name = objective === undefined ? calibration && said`A text to calibrate on` : said`An objective`;
  if (name === undefined) return;
  const why =
    plan && !plan.codes
      ? said`the plan was made for the codes of llama.cpp`
      : said`these are the codes of llama.cpp`;
  throw new QuantscopeError('REQUEST', said`${name} is for optimised codes, and ${why}.`);
}

/** The settings with the files that they name read. */
async function readTarget(settings: ExportSettings, signal: AbortSignal): Promise<ExportTarget> {
  const { planFile, imatrix, ...rest } = settings;
  const plan = planFile === undefined ? undefined : await readPlan(planFile);
  // A plan that was made for optimised codes is written with them.
  const codes = rest.codes ?? (plan?.codes ? 'optimised' : undefined);
  if (codes !== 'optimised') refuseForReference(settings, plan);
  const objective = rest.objective ?? (codes === 'optimised' ? plan?.codes?.objective : undefined);
  return {
    ...rest,
    ...(codes ? { codes } : {}),
    ...(objective ? { objective } : {}),
    ...(plan ? { plan } : {}),
    ...(imatrix === undefined ? {} : { imatrix: await readImatrix(imatrix, signal) }),
  };
}
