import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { printPlan } from '../ampq/planFile';
import type { Origin } from '../files/digests/manifest';
import { modelHash } from '../model/identity';
import { imatrixHash } from '../model/imatrix';
import type { Model } from '../model/model';
import type { Recipe } from '../protocol/recipe';
import type { EvidenceSource } from '../quant/evidence';
import { codesMethodName, objectiveOver } from './codes/codeFinder';
import type { ExportTarget } from './plan';

/** Where files that are made of a model say that they come from. */
export function originOf(
  { description }: Pick<Model, 'description'>,
  action: Origin['action'],
  settings?: Origin['settings'],
): Origin {
  const source = { name: description.name, hash: modelHash(description) };
  return { source, action, ...(settings ? { settings } : {}) };
}

/** Settings of an export that determine its bytes and are not files. */
const ownSettings = [
  ...(['type', 'includeWeights', 'excludeWeights', 'pure', 'leaveOutput', 'outputType'] as const),
  ...(['tokenEmbeddingType', 'tensorTypes', 'allowRequantize', 'pruneLayers'] as const),
  ...(['overrideKeyValues', 'split', 'codes'] as const),
];

/** What a GGUF file was made by. Files that the settings name are stated by their base names and digests. */
export function ggufOrigin(
  model: Pick<Model, 'description'>,
  target: ExportTarget,
  evidence: EvidenceSource | undefined,
): Origin {
  const { plan, imatrix, codes } = target;
  const objective = evidence && objectiveOver(evidence, target.objective);
  const own = ownSettings
    .filter((key) => target[key] !== undefined)
    .map((key) => [key, target[key]] as const);
  return originOf(model, 'gguf', {
    ...Object.fromEntries(own),
    ...(plan ? { plan: { hash: planHash(plan) } } : {}),
    ...(imatrix ? { imatrix: { file: basename(imatrix.path), hash: imatrixHash(imatrix) } } : {}),
    ...(codes === 'optimised' && evidence
      ? { optimised: { method: codesMethodName, objective, text: evidence.text.hash } }
      : {}),
  });
}

/** What a checkpoint was made by. The text of its calibration is stated by the hash of its tokens. */
export function checkpointOrigin(
  model: Pick<Model, 'description'>,
  { calibration: _path, ...recipe }: Recipe,
  evidence: EvidenceSource | undefined,
): Origin {
  return originOf(model, 'checkpoint', { recipe, ...(evidence ? { text: evidence.text.hash } : {}) });
}

/** SHA-256 of a plan as its file is written, in hexadecimal digits. */
export const planHash = (plan: NonNullable<ExportTarget['plan']>): string =>
  createHash('sha256').update(printPlan(plan)).digest('hex');
