import type { DigestManifest, Origin } from '../../files/digests/manifest';
import { QuantscopeError } from '../../model/errors';
import { literalPattern } from '../../model/literalPattern';
import { modelHash } from '../../model/identity';
import { imatrixHash, type Imatrix } from '../../model/imatrix';
import { isRecord } from '../../model/json';
import type { Model } from '../../model/model';
import { objectives, type Objective } from '../../protocol/export';
import type { ConvertSettings } from '../../protocol/convert';
import type { MmprojType } from '../../protocol/mmproj';
import { said } from '../../protocol/said';
import type { EvidenceSource } from '../../quant/evidence';
import { CodeOptimiser } from '../codes/optimisedCodes';
import { encodeTensors } from '../encodeTensor';
import { planMmproj } from '../mmproj/exportMmproj';
import { planConversion } from '../convert/planConversion';
import { tensorData } from '../convert/tensorData';
import { planExport, type ExportTarget } from '../plan';
import type { Remake } from './repairFile';

/** What a file was made by, besides the model. */
export interface RemakeInputs {
  readonly imatrix?: Imatrix | undefined;
  /** Of the text that optimised codes were found over. */
  readonly evidence?: EvidenceSource | undefined;
  readonly signal: AbortSignal;
}

const refuse = (message: string, file: string): QuantscopeError =>
  new QuantscopeError('REQUEST', message, { file });

/** @throws QuantscopeError REQUEST where a file was made of another model. */
export function checkSource(origin: Origin, { description }: Model, file: string): void {
  if (origin.source.hash === modelHash(description)) return;
  const message = said`The file was made of "${origin.source.name}" with the hash ${origin.source.hash.slice(0, 12)}…; ${description.path} has ${modelHash(description).slice(0, 12)}…. Give the model that it was made of.`;
  throw refuse(message, file);
}

/** Encodes tensors of a GGUF file again, as its list of digests says. @throws QuantscopeError REQUEST for another importance matrix. */
export function remakeGguf(
  model: Model,
  { tensors, origin }: DigestManifest,
  file: string,
  { imatrix, evidence, signal }: RemakeInputs,
): Remake {
  const settings = origin?.settings ?? {};
  checkImatrix(settings['imatrix'], imatrix, file);
  const objective = objectiveOf(settings);
  const optimiser = objective && evidence ? new CodeOptimiser(evidence, objective, signal) : undefined;
  return async (names, write) => {
    const types = new Map(tensors.map(({ name, dtype }) => [name, dtype]));
    const target = targetOf(
      settings,
      [...names].map((name) => [name, types.get(name)!] as const),
      imatrix,
    );
    const plan = await planExport(model, target, signal);
    const wanted = plan.tensors.filter(({ name }) => names.has(name));
    for await (const { tensor, bytes } of encodeTensors(model, wanted, { signal, optimiser }))
      await write(tensor.name, bytes);
  };
}

/** What optimised codes were found for; undefined for the codes of llama.cpp. */
export function objectiveOf(settings: Origin['settings']): Objective | undefined {
  const optimised = settings?.['optimised'];
  const objective = isRecord(optimised) ? optimised['objective'] : undefined;
  return objectives.find((known) => known === objective);
}

/** The settings of a file type are repeated; of a plan, the types of the tensors as the file has them. */
function targetOf(
  { plan, imatrix: _hash, optimised: _text, split: _split, ...settings }: NonNullable<Origin['settings']>,
  types: readonly (readonly [name: string, type: string])[],
  imatrix: Imatrix | undefined,
): ExportTarget {
  const given = imatrix ? { imatrix } : {};
  if (plan === undefined) return { ...settings, ...given };
  const tensorTypes = types.map(([name, type]) => ({ pattern: `^${literalPattern(name)}$`, type }));
  const { includeWeights, excludeWeights, pruneLayers, codes } = settings as ExportTarget;
  return {
    ...{ type: 'Q8_0', pure: true, tensorTypes, allowRequantize: true, ...given },
    ...(includeWeights ? { includeWeights } : {}),
    ...(excludeWeights ? { excludeWeights } : {}),
    ...(pruneLayers ? { pruneLayers } : {}),
    ...(codes ? { codes } : {}), // types that would need an importance matrix otherwise
  };
}

function checkImatrix(recorded: unknown, imatrix: Imatrix | undefined, file: string): void {
  if (!isRecord(recorded)) {
    if (imatrix) throw refuse(said`The file was made without an importance matrix.`, file);
    return;
  }
  const name = `${String(recorded['file'])} (${String(recorded['hash']).slice(0, 12)}…)`;
  if (!imatrix)
    throw refuse(said`The file was made with the importance matrix ${name}: give it (--imatrix FILE).`, file);
  if (imatrixHash(imatrix) !== recorded['hash'])
    throw refuse(said`The file was made with the importance matrix ${name}; this is another one.`, file);
}

/** Encodes tensors of a vision part again, as the list of digests says, whose settings were checked. @throws QuantscopeError as `exportMmproj`. */
export function remakeMmproj(model: Model, { origin }: DigestManifest, { signal }: RemakeInputs): Remake {
  const { type } = (origin?.settings ?? {}) as { type: MmprojType };
  return async (names, write) => {
    const { tensors } = await planMmproj(model, type, signal);
    const wanted = tensors.filter(({ name }) => names.has(name));
    for await (const { tensor, bytes } of encodeTensors(model, wanted, { signal }))
      await write(tensor.name, bytes);
  };
}

/** Converts tensors again, as the list of digests says, whose settings were checked. @throws QuantscopeError as `convertModel`. */
export function remakeConverted(model: Model, { origin }: DigestManifest, { signal }: RemakeInputs): Remake {
  const settings = (origin?.settings ?? {}) as ConvertSettings;
  return async (names, write) => {
    const { tensors } = await planConversion(model, settings, signal);
    for (const planned of tensors) {
      if (!names.has(planned.name)) continue;
      const { allowInfinity } = settings;
      for await (const bytes of tensorData(model, planned, { allowInfinity, signal }))
        await write(planned.name, bytes);
    }
  };
}
