import { bytesIn } from '../ampq/candidates';
import { checkNames, checkPlanImatrix, checkPlanModel } from '../ampq/bindPlan';
import { sourcesOf, type ConvertedTensor } from '../architectures/convertedTensor';
import { ggufView, type GgufView, type ModelHeaders } from '../architectures/ggufView';
import { suggestion } from '../model/closest';
import { QuantscopeError } from '../model/errors';
import { imatrixKeyValues, selectImatrix, type Imatrix } from '../model/imatrix';
import type { KeyValue } from '../model/keyValue';
import type { ExportSettings } from '../protocol/export';
import type { Plan } from '../protocol/plan';
import { said } from '../protocol/said';
import type { QuantFormat } from '../quant/format';
import { parseKeyValueOverride } from './options/keyValueOverride';
import { prunedNames } from './options/pruneLayers';
import { architectureOf, overrideArchitecture, type Architecture } from './plan/architecture';
import {
  encodableTypes,
  fileTypeNamed,
  fileTypeNeedsImportance,
  fileTypeOfMajority,
  type FileType,
} from './plan/fileTypes';
import { formatTypes } from './plan/formatTypes';
import { isMixed } from './plan/mixed';
import { mixTypes, type MixedType, type MixtureOptions } from './plan/mixture';
import { compareTensorNames } from './plan/order';
import { plannedTypes } from './plan/plannedTypes';
import {
  planComputed,
  planFactors,
  planTensor,
  type NamedTensor,
  type PlannedTensor,
  type TensorContext,
} from './plan/tensor';
import { tensorTypeNamed } from './plan/tensorTypes';
import { warningsOf } from './plan/warnings';

/** What to write: the settings, with the files that they name read. */
export interface ExportTarget extends Omit<ExportSettings, 'planFile' | 'imatrix'> {
  readonly plan?: Plan;
  readonly imatrix?: Imatrix;
}

/** What weights become: as an export target says, or in one format of the catalogue wherever it fits a matrix of the blocks. */
export interface WeightTarget extends ExportTarget {
  readonly format?: QuantFormat;
}

/** Everything about an export that is known before a byte is read. */
export interface ExportPlan {
  /** In the order of the output. */
  readonly tensors: readonly PlannedTensor[];
  /** Says `general.file_type`; for a plan the one of the type that most weights get. */
  readonly fileType: FileType;
  /** `general.architecture`. */
  readonly architecture: string;
  /** Hyper-parameters of a checkpoint; none for a GGUF file, which brings its own. */
  readonly keyValues: readonly KeyValue[];
  /** Key-values that replace others of the same key. */
  readonly overrides: readonly KeyValue[];
  /** Sum of the tensors' bytes, without header and padding. */
  readonly dataBytes: number;
  readonly parameters: number;
  /** 8 × `dataBytes` / `parameters`; absent for a model without weights. */
  readonly bitsPerWeight?: number;
  /** `dataBytes` of the file type without any option. */
  readonly presetBytes: number;
  /** Losses and irregularities, as sentences. */
  readonly warnings: readonly string[];
}

/** Copies all tensors unchanged; for splitting, pruning and overriding. */
export const copyType = 'COPY';

/**
 * Plans an export: which tensors the file will hold, in which type, in which order, and why.
 * @throws QuantscopeError as `planWeights`, and REQUEST for a format that GGUF does not have.
 */
export async function planExport(
  model: ModelHeaders,
  target: ExportTarget,
  signal?: AbortSignal,
): Promise<ExportPlan> {
  const plan = await planWeights(model, target, signal);
  const foreign = plan.tensors.find(({ to, cause }) => cause !== 'kept' && !encodableTypes.has(to));
  if (!foreign) return plan;
  const message = said`The plan's format "${foreign.to}" does not exist in GGUF.${suggestion(foreign.to, encodableTypes)} The types are: ${[...encodableTypes].join(', ')}.`;
  throw new QuantscopeError('REQUEST', message, { tensor: foreign.name });
}

/**
 * The same for weights that are evaluated and not written, so that both agree on every tensor: formats that GGUF does not have may be
 * among them.
 * @throws QuantscopeError UNSUPPORTED for an architecture or a type that cannot be exported, REQUEST for a plan or options that
 * do not fit the model, MODEL_FILE for an inconsistent checkpoint.
 */
export async function planWeights(
  model: ModelHeaders,
  target: WeightTarget,
  signal?: AbortSignal,
): Promise<ExportPlan> {
  checkTarget(target);
  const overrides = (target.overrideKeyValues ?? []).map(parseKeyValueOverride);
  const source = await ggufView(model, signal);
  const architecture = overrideArchitecture(architectureOf(source), overrides);
  const named = prune(source.tensors, target.pruneLayers ?? []);
  const kept = [...named].sort(target.split?.kind === 'keep' ? sourceOrder(model) : byName);
  const imatrix = selectedImatrix(target);
  const isCopy = target.type?.toUpperCase() === copyType;
  const fileType = isCopy || target.type === undefined ? undefined : fileTypeNamed(target.type);
  const types = typesOf(kept, { model, source, target, architecture, fileType, imatrix });
  const context: TensorContext = { model, target, imatrix, fileType, isCopy };
  const planned = [
    ...kept.flatMap((tensor) => {
      const own = planTensor(tensor, types.get(tensor.converted.name), context);
      return [own, ...planFactors(own)];
    }),
    ...source.computed.map(planComputed),
  ];
  if (target.split?.kind !== 'keep') planned.sort((a, b) => compareTensorNames(a.name, b.name));
  const shown = fileType ?? fileTypeOfMajority(majority(planned));
  const tensors = isCopy
    ? planned
    : withPresets(planned, kept, shown, architecture, mixesByImportance(target, shown, imatrix));
  return {
    ...{ tensors, fileType: isCopy ? copied(model, shown) : shown, ...sizesOf(tensors) },
    ...{ architecture: source.architecture, keyValues: source.keyValues },
    overrides: [
      ...overrides,
      ...(imatrix ? imatrixKeyValues(imatrix) : []),
      ...prunedBlocks(source.architecture, named, target.pruneLayers ?? []),
    ],
    warnings: [...source.notes, ...warningsOf(tensors, target, imatrix)],
  };
}

type Sizes = Pick<ExportPlan, 'dataBytes' | 'parameters' | 'bitsPerWeight' | 'presetBytes'>;

function sizesOf(tensors: readonly PlannedTensor[]): Sizes {
  const dataBytes = sum(tensors.map(({ bytes }) => bytes));
  const parameters = sum(tensors.map(({ shape }) => product(shape)));
  const preset = tensors.map(({ shape, bytes, presetType }) =>
    presetType === undefined ? bytes : bytesIn(presetType, shape),
  );
  return {
    ...{ dataBytes, parameters, presetBytes: sum(preset) },
    ...(parameters === 0 ? {} : { bitsPerWeight: (8 * dataBytes) / parameters }),
  };
}

interface TypeSources {
  readonly model: ModelHeaders;
  readonly source: GgufView;
  readonly target: WeightTarget;
  readonly architecture: Architecture;
  readonly fileType: FileType | undefined;
  readonly imatrix: Imatrix | undefined;
}

/** The types of all tensors that get one, by name; the others are kept. */
function typesOf(
  tensors: readonly NamedTensor[],
  { model, source, target, architecture, fileType, imatrix }: TypeSources,
): ReadonlyMap<string, MixedType> {
  const mixture = mixtureOptions(target, mixesByImportance(target, fileType, imatrix));
  const converted = tensors.map((tensor) => tensor.converted);
  if (target.plan) {
    checkPlanModel(target.plan, model.description);
    checkPlanImatrix(target.plan, imatrix, model.description.path);
    checkNames(target.plan, source.tensors.filter(isMixed), model.description.path);
    return plannedTypes(target.plan, tensors, model.description.path, mixture);
  }
  if (target.format) return formatTypes(target.format, tensors, imatrix);
  return fileType ? mixTypes(converted, fileType, architecture, mixture) : new Map();
}

/** @throws QuantscopeError REQUEST for settings that contradict each other. */
function checkTarget({ type, plan, format, pure, leaveOutput, outputType }: WeightTarget): void {
  const wrong = (message: string): QuantscopeError => new QuantscopeError('REQUEST', message);
  if ([type, plan, format].filter((item) => item !== undefined).length !== 1)
    throw wrong(said`An export needs either a file type or a plan.`);
  if (plan && pure)
    throw wrong(said`A plan defines the type of each tensor; "pure" applies only to a file type.`);
  if (leaveOutput && outputType !== undefined)
    throw wrong(said`The output tensor can be left unchanged or given a type, but not both.`);
}

/** Whether a file type is mixed as with an importance matrix: optimised codes stand in for one where it would need one. */
const mixesByImportance = (
  { codes }: WeightTarget,
  fileType: FileType | undefined,
  imatrix: Imatrix | undefined,
): boolean =>
  imatrix !== undefined ||
  (codes === 'optimised' && fileType !== undefined && fileTypeNeedsImportance(fileType));

function mixtureOptions(target: ExportTarget, hasImportance: boolean): MixtureOptions {
  const named = (type: string | undefined): string | undefined => type && tensorTypeNamed(type);
  return {
    hasImportance,
    pure: target.pure,
    leaveOutput: target.leaveOutput,
    outputType: named(target.outputType),
    tokenEmbeddingType: named(target.tokenEmbeddingType),
    tensorTypes: target.tensorTypes,
  };
}

/** Undefined when nothing of the matrix remains, as if there were none. */
function selectedImatrix({ imatrix, includeWeights, excludeWeights }: ExportTarget): Imatrix | undefined {
  if (!imatrix) return undefined;
  const selected = selectImatrix(imatrix, { include: includeWeights ?? [], exclude: excludeWeights ?? [] });
  return selected.entries.size > 0 ? selected : undefined;
}

function prune(tensors: readonly ConvertedTensor[], pruned: readonly number[]): NamedTensor[] {
  if (pruned.length === 0) return tensors.map((converted) => ({ converted, unprunedName: converted.name }));
  const names = prunedNames(
    tensors.map(({ name }) => name),
    pruned,
  );
  return tensors.flatMap((converted) => {
    const name = names.get(converted.name);
    return name === undefined ? [] : [{ converted: { ...converted, name }, unprunedName: converted.name }];
  });
}

/** A pruned model states its remaining number of blocks. */
function prunedBlocks(
  architecture: string,
  tensors: readonly NamedTensor[],
  pruned: readonly number[],
): KeyValue[] {
  if (pruned.length === 0) return [];
  const blocks = new Set(tensors.map(({ converted }) => /^blk\.\d+\./.exec(converted.name)?.[0]));
  blocks.delete(undefined);
  return [{ key: `${architecture}.block_count`, type: 'u32', value: blocks.size }];
}

type Order = (a: NamedTensor, b: NamedTensor) => number;

const byName: Order = (a, b) => compareTensorNames(a.converted.name, b.converted.name);

/** That of the files: what keeps the parts of a split model. */
function sourceOrder({ description, gguf }: ModelHeaders): Order {
  if (!gguf)
    throw new QuantscopeError('REQUEST', said`Only the parts of a split GGUF model can be kept.`, {
      file: description.path,
    });
  const files = description.files.map(({ path }) => path);
  const place = ({ converted }: NamedTensor): readonly [number, number] => {
    const [tensor] = sourcesOf(converted);
    return [files.indexOf(tensor?.file ?? ''), tensor?.offset ?? 0];
  };
  return (a, b) => {
    const [[fileA, offsetA], [fileB, offsetB]] = [place(a), place(b)];
    return fileA - fileB || offsetA - offsetB;
  };
}

/** Records the type that the file type gives without any option, where it differs. */
function withPresets(
  planned: readonly PlannedTensor[],
  tensors: readonly NamedTensor[],
  fileType: FileType,
  architecture: Architecture,
  hasImportance: boolean,
): PlannedTensor[] {
  const converted = tensors.map((tensor) => tensor.converted);
  const preset = mixTypes(converted, fileType, architecture, { hasImportance });
  return planned.map((tensor) => {
    const presetType = preset.get(tensor.name)?.type;
    return presetType === undefined || presetType === tensor.to ? tensor : { ...tensor, presetType };
  });
}

/** The file type that a GGUF file states is kept. */
function copied({ gguf }: ModelHeaders, fallback: FileType): FileType {
  const stated = gguf?.metadata.get('general.file_type')?.scalar;
  return { ...fallback, name: copyType, ...(stated === undefined ? {} : { id: Number(stated) }) };
}

/** The type that most weights get. */
function majority(tensors: readonly PlannedTensor[]): string {
  const weights = new Map<string, number>();
  for (const { to, shape } of tensors) weights.set(to, (weights.get(to) ?? 0) + product(shape));
  return [...weights].reduce((most, entry) => (entry[1] > most[1] ? entry : most), ['F32', 0])[0];
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const product = (shape: readonly number[]): number => shape.reduce((value, size) => value * size, 1);
