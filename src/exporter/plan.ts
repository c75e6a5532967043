import { sourceDtype, sourcesOf, type ConvertedTensor } from '../architectures/convertedTensor';
import type { ComputedTensor } from '../architectures/description';
import { dtypeNamed, ggmlRowBytes, ggmlType } from '../model/dtypes';
import { QuantscopeError } from '../model/errors';
import type { KeyValue } from '../model/keyValue';
import { matrixOf } from '../model/rows';
import type { ExportedTensor } from '../protocol/export';
import type { TensorDescriptor } from '../protocol/model';
import type { Plan } from '../protocol/plan';
import {
  encodableTypes,
  fileTypeIdOfMajority,
  fileTypeNamed,
  fileTypes,
  type FileType,
} from './plan/fileTypes';
import { mixTypes, type MixedType } from './plan/mixture';
import { compareTensorNames } from './plan/order';
import { plannedTypes } from './plan/plannedTypes';
import { sourceOf, type GgufSource, type ModelHeaders } from './source';

/** A file type by name ("Q4_K_M"), or a plan. */
export type ExportTarget = { readonly type: string } | { readonly plan: Plan };

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

/**
 * Plans an export: which tensors the file will hold, in which type, in which order, and why.
 * @throws QuantscopeError UNSUPPORTED for an architecture or a type that cannot be exported, REQUEST for a plan that does
 * not fit the model, MODEL_FILE for a checkpoint that disagrees with itself.
 */
export function planExport(model: ModelHeaders, target: ExportTarget): ExportPlan {
  const source = sourceOf(model);
  const sorted = [...source.tensors].sort((a, b) => compareTensorNames(a.name, b.name));
  const types = typesOf(sorted, source, target, model);
  const tensors = [
    ...sorted.map((tensor) => planTensor(tensor, types.get(tensor.name), model.gguf !== undefined)),
    ...source.computed.map(planComputed),
  ].sort((a, b) => compareTensorNames(a.name, b.name));
  const dataBytes = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  const parameters = tensors.reduce((sum, { shape }) => sum + product(shape), 0);
  return {
    tensors,
    fileType: 'plan' in target ? fileTypeOfMajority(tensors) : fileTypeNamed(target.type),
    architecture: source.architecture.name,
    keyValues: source.keyValues,
    dataBytes,
    parameters,
    bitsPerWeight: (8 * dataBytes) / parameters,
    presetBytes: dataBytes,
    warnings: [],
  };
}

function typesOf(
  tensors: readonly ConvertedTensor[],
  { architecture }: GgufSource,
  target: ExportTarget,
  model: ModelHeaders,
): ReadonlyMap<string, MixedType> {
  if ('plan' in target) return plannedTypes(target.plan, tensors, model.description);
  return mixTypes(tensors, fileTypeNamed(target.type), architecture);
}

function planTensor(
  converted: ConvertedTensor,
  mixed: MixedType | undefined,
  isGguf: boolean,
): PlannedTensor {
  const { name, shape } = converted;
  const sources = sourcesOf(converted);
  const kept: MixedType = isGguf
    ? { type: sources[0]?.dtype ?? 'F32', cause: 'kept', reason: 'copied unchanged' }
    : { type: 'F32', cause: 'kept', reason: 'kept in full precision' };
  const { type, cause, reason } = converted.add === undefined ? (mixed ?? kept) : kept;
  if (sourceDtype(converted) !== type || converted.unit?.order === 'transpose')
    for (const source of sources) checkConvertible(source, type);
  const { rows, columns } = matrixOf(shape);
  return {
    name,
    converted,
    source: sources[0]?.name ?? '',
    sources: sources.length,
    from: [...new Set(sources.map(({ dtype }) => dtype))].join(', '),
    to: type,
    shape,
    bytes: rows * ggmlRowBytes(type, columns),
    cause: cause ?? 'default',
    reason,
  };
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

/** A tensor that keeps its type is copied, whatever it is; any other must be decoded and encoded. */
function checkConvertible(tensor: TensorDescriptor, to: string): void {
  const unsupported = (message: string): QuantscopeError =>
    new QuantscopeError('UNSUPPORTED', message, { file: tensor.file, tensor: tensor.name });
  if (isQuantized(tensor.dtype))
    throw unsupported(
      `The tensor is already quantized to ${tensor.dtype}; requantizing it to ${to} would add up errors. Export from an F16, BF16 or F32 file.`,
    );
  if (!tensor.readable || dtypeNamed(tensor.dtype)?.float !== true)
    throw unsupported(
      tensor.unreadableReason ?? `${tensor.dtype} does not hold weights that can be converted.`,
    );
  if (!encodableTypes.has(to))
    throw unsupported(`The tensor would need the type ${to}, which cannot be encoded yet.`);
}

export const isQuantized = (dtype: string): boolean => (ggmlType(dtype)?.block ?? 1) > 1;

/** The file type of the type that most weights get. */
function fileTypeOfMajority(tensors: readonly PlannedTensor[]): FileType {
  const weights = new Map<string, number>();
  for (const { to, shape } of tensors) weights.set(to, (weights.get(to) ?? 0) + product(shape));
  const [type] = [...weights].reduce((most, entry) => (entry[1] > most[1] ? entry : most), ['F32', 0]);
  const id = fileTypeIdOfMajority(type);
  return fileTypes.find((candidate) => candidate.id === id) ?? { name: type, id, base: type, label: type };
}

const product = (shape: readonly number[]): number => shape.reduce((value, size) => value * size, 1);
