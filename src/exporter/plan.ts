import { sourceDtype, sourcesOf, type ConvertedTensor } from '../architectures/convertedTensor';
import type { ComputedTensor } from '../architectures/description';
import { ggufView, type ModelHeaders } from '../architectures/ggufView';
import { dtypeNamed, ggmlRowBytes, ggmlType } from '../model/dtypes';
import { QuantscopeError } from '../model/errors';
import { imatrixKeyValues, importanceOf, selectImatrix, type Imatrix } from '../model/imatrix';
import type { KeyValue } from '../model/keyValue';
import { matrixOf } from '../model/rows';
import type { ExportedTensor, ExportSettings } from '../protocol/export';
import type { TensorDescriptor } from '../protocol/model';
import type { Plan } from '../protocol/plan';
import { parseKeyValueOverride } from './options/keyValueOverride';
import { prunedNames } from './options/pruneLayers';
import { fileTypeNamed, fileTypeOfMajority, needsImportance, type FileType } from './plan/fileTypes';
import { architectureOf, overrideArchitecture } from './plan/architecture';
import { mixTypes, type MixedType, type MixtureOptions } from './plan/mixture';
import { compareTensorNames } from './plan/order';
import { plannedTypes } from './plan/plannedTypes';
import { tensorTypeNamed } from './plan/tensorTypes';
import { warningsOf } from './plan/warnings';

/** What to write: the settings, with the files that they name read. */
export interface ExportTarget extends Omit<ExportSettings, 'planFile' | 'imatrix'> {
  readonly plan?: Plan;
  readonly imatrix?: Imatrix;
}

/** One tensor of the file to be, and how it is made. */
export interface PlannedTensor extends ExportedTensor {
  /** Where it comes from; absent for one that is computed (`values`). */
  readonly converted?: ConvertedTensor;
  readonly values?: Float32Array;
  /** Importance of each column, of each expert one after the other. */
  readonly importance?: Float32Array;
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
  /** 8 · dataBytes / parameters. */
  readonly bitsPerWeight: number;
  /** `dataBytes` of the file type without any option. */
  readonly presetBytes: number;
  /** Losses and oddities, as sentences. */
  readonly warnings: readonly string[];
}

/** Copies all tensors as they are; for splitting, pruning and overriding. */
export const copyType = 'COPY';

/**
 * Plans an export: which tensors the file will hold, in which type, in which order, and why.
 * @throws QuantscopeError UNSUPPORTED for an architecture or a type that cannot be exported, REQUEST for a plan or options that
 * do not fit the model, MODEL_FILE for a checkpoint that disagrees with itself.
 */
export function planExport(model: ModelHeaders, target: ExportTarget): ExportPlan {
  checkTarget(target);
  const overrides = (target.overrideKeyValues ?? []).map(parseKeyValueOverride);
  const source = ggufView(model);
  const architecture = overrideArchitecture(architectureOf(source), overrides);
  const named = prune(source.tensors, target.pruneLayers ?? []);
  const order = target.split?.kind === 'keep' ? sourceOrder(model) : byName;
  const kept = [...named].sort(order);
  const tensors = kept.map(({ converted }) => converted);
  const imatrix = selectedImatrix(target);
  const mixture = mixtureOptions(target, imatrix);
  const isCopy = target.type?.toUpperCase() === copyType;
  const stated = isCopy || target.type === undefined ? undefined : fileTypeNamed(target.type);
  const types = new Map(
    target.plan
      ? plannedTypes(target.plan, tensors, model.description, mixture)
      : stated && mixTypes(tensors, stated, architecture, mixture),
  );
  const context: TensorContext = { model, target, imatrix, fileType: stated, isCopy };
  const planned = [
    ...kept.map((tensor) => planTensor(tensor, types.get(tensor.converted.name), context)),
    ...source.computed.map(planComputed),
  ];
  if (target.split?.kind !== 'keep') planned.sort((a, b) => compareTensorNames(a.name, b.name));
  const fileType = stated ?? fileTypeOfMajority(majority(planned));
  const preset = isCopy
    ? new Map<string, MixedType>()
    : mixTypes(tensors, fileType, architecture, { hasImportance: imatrix !== undefined });
  const compared = planned.map((tensor) => withPreset(tensor, preset.get(tensor.name)?.type));
  const dataBytes = sum(compared.map(({ bytes }) => bytes));
  const parameters = sum(compared.map(({ shape }) => product(shape)));
  return {
    tensors: compared,
    fileType: isCopy ? copied(model, fileType) : fileType,
    architecture: source.architecture,
    keyValues: source.keyValues,
    overrides: [
      ...overrides,
      ...(imatrix ? imatrixKeyValues(imatrix) : []),
      ...prunedBlocks(source.architecture, named, target.pruneLayers ?? []),
    ],
    dataBytes,
    parameters,
    bitsPerWeight: (8 * dataBytes) / parameters,
    presetBytes: sum(compared.map(({ shape, to, presetType }) => bytesOf(shape, presetType ?? to))),
    warnings: [...source.notes, ...warningsOf(compared, target, imatrix)],
  };
}

/** @throws QuantscopeError REQUEST for settings that contradict each other. */
function checkTarget({ type, plan, pure, leaveOutput, outputType }: ExportTarget): void {
  const wrong = (message: string): QuantscopeError => new QuantscopeError('REQUEST', message);
  if ((type === undefined) === (plan === undefined))
    throw wrong('An export needs either a file type or a plan.');
  if (plan && pure) throw wrong('A plan says the type of each tensor; "pure" belongs to a file type.');
  if (leaveOutput && outputType !== undefined)
    throw wrong('The output tensor is either left as it is or gets a type, not both.');
}

function mixtureOptions(target: ExportTarget, imatrix: Imatrix | undefined): MixtureOptions {
  const named = (type: string | undefined): string | undefined => type && tensorTypeNamed(type);
  return {
    hasImportance: imatrix !== undefined,
    pure: target.pure,
    leaveOutput: target.leaveOutput,
    outputType: named(target.outputType),
    tokenEmbeddingType: named(target.tokenEmbeddingType),
    tensorTypes: target.tensorTypes,
  };
}

/** Undefined when nothing of the matrix is left, as if there were none. */
function selectedImatrix({ imatrix, includeWeights, excludeWeights }: ExportTarget): Imatrix | undefined {
  if (!imatrix) return undefined;
  const selected = selectImatrix(imatrix, { include: includeWeights ?? [], exclude: excludeWeights ?? [] });
  return selected.entries.size > 0 ? selected : undefined;
}

/** A tensor under its name in the file, and the one it had before blocks were left out: that of the importance matrix. */
interface NamedTensor {
  readonly converted: ConvertedTensor;
  readonly unprunedName: string;
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

/** A model without some blocks says how many are left. */
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
    throw new QuantscopeError('REQUEST', 'Only the parts of a split GGUF model can be kept.', {
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

interface TensorContext {
  readonly model: ModelHeaders;
  readonly target: ExportTarget;
  readonly imatrix: Imatrix | undefined;
  /** Absent for a plan. */
  readonly fileType: FileType | undefined;
  readonly isCopy: boolean;
}

function planTensor(
  { converted, unprunedName }: NamedTensor,
  mixed: MixedType | undefined,
  context: TensorContext,
): PlannedTensor {
  const { name, shape } = converted;
  const sources = sourcesOf(converted);
  const { type, cause, reason } = mixed && converted.add === undefined ? mixed : keptType(converted, context);
  if (sourceDtype(converted) !== type || converted.unit?.order === 'transpose')
    for (const source of sources) checkConvertible(source, type, context.target);
  const { columns } = matrixOf(shape);
  if (!fitsRow(type, columns))
    throw new QuantscopeError(
      'REQUEST',
      `Rows of ${columns} weights are not whole blocks of ${type}; choose another type for this tensor.`,
      { tensor: name },
    );
  const importance = importanceFor(name, unprunedName, shape, type, context);
  return {
    name,
    converted,
    source: sources[0]?.name ?? '',
    sources: sources.length,
    from: [...new Set(sources.map(({ dtype }) => dtype))].join(', '),
    to: type,
    shape,
    bytes: bytesOf(shape, type),
    cause,
    reason,
    ...(importance ? { importance } : {}),
  };
}

/** Type of a tensor that the file type does not apply to. */
function keptType(converted: ConvertedTensor, { model, target, isCopy }: TensorContext): MixedType {
  const dtype = sourceDtype(converted);
  const leave = isCopy || (target.leaveOutput && converted.name === 'output.weight');
  if (dtype !== undefined && (model.gguf || (leave && ggmlType(dtype) && converted.add === undefined)))
    return { type: dtype, cause: 'kept', reason: 'copied unchanged' };
  return { type: 'F32', cause: 'kept', reason: 'kept in full precision' };
}

/**
 * @throws QuantscopeError REQUEST when the type needs importance weights and there are none for this tensor.
 */
function importanceFor(
  name: string,
  unprunedName: string,
  shape: readonly number[],
  type: string,
  { imatrix, fileType, isCopy }: TensorContext,
): Float32Array | undefined {
  if (isCopy || !isQuantized(type)) return undefined;
  const { columns } = matrixOf(shape);
  const experts = shape.length > 2 ? (shape[shape.length - 3] ?? 1) : 1;
  const found = imatrix && importanceOf(imatrix, unprunedName, columns, experts);
  if (found || !needsImportance(type, name, fileType?.name)) return found;
  const message = imatrix
    ? `${type} needs importance weights, and the importance matrix has none for this tensor.`
    : `${type} needs an importance matrix (imatrix): without one the model would be of little use.`;
  throw new QuantscopeError('REQUEST', message, { tensor: name });
}

function planComputed({ to, values, reason }: ComputedTensor): PlannedTensor {
  return {
    name: to,
    values,
    source: 'config.json',
    sources: 0,
    from: 'F32',
    to: 'F32',
    shape: [values.length],
    bytes: values.byteLength,
    cause: 'computed',
    reason,
  };
}

/** Notes the preset's type where it is another. */
function withPreset(tensor: PlannedTensor, presetType: string | undefined): PlannedTensor {
  return presetType === undefined || presetType === tensor.to ? tensor : { ...tensor, presetType };
}

/** A tensor that keeps its type is copied, whatever it is; any other must be decoded and encoded. */
function checkConvertible(tensor: TensorDescriptor, to: string, { allowRequantize }: ExportTarget): void {
  const unsupported = (message: string): QuantscopeError =>
    new QuantscopeError('UNSUPPORTED', message, { file: tensor.file, tensor: tensor.name });
  if (isQuantized(tensor.dtype) && !allowRequantize)
    throw unsupported(
      `The tensor is already quantized to ${tensor.dtype}; requantizing it to ${to} would add up errors. Export from an F16, BF16 or F32 file, or allow requantizing.`,
    );
  if (!tensor.readable || dtypeNamed(tensor.dtype)?.float !== true)
    throw unsupported(
      tensor.unreadableReason ?? `${tensor.dtype} does not hold weights that can be converted.`,
    );
}

export const isQuantized = (dtype: string): boolean => (ggmlType(dtype)?.block ?? 1) > 1;

const fitsRow = (type: string, columns: number): boolean => columns % (ggmlType(type)?.block ?? 1) === 0;

function bytesOf(shape: readonly number[], type: string): number {
  const { rows, columns } = matrixOf(shape);
  return rows * ggmlRowBytes(type, columns);
}

/** The file type that a GGUF file says it has stays. */
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
