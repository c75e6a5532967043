import { sourceDtype, unchanged, type ConvertedTensor } from '../architectures/convertedTensor';
import { ggmlRowBytes, ggmlType } from '../model/dtypes';
import type { Model } from '../model/model';
import { holdsWeights, isQuantizable, tensorRole } from '../model/roles';
import { matrixOf } from '../model/rows';
import type { TensorDescriptor } from '../protocol/model';
import type { SensitivityRow, SkippedTensor, TablePreset } from '../protocol/plan';
import { formatById } from '../quant/catalogue';
import { fits, fittingType } from '../quant/fittingType';
import type { QuantFormat } from '../quant/format';

/** A tensor of the exported file that a plan can give a format. */
export interface Candidate {
  readonly converted: ConvertedTensor;
  readonly lossless: SensitivityRow['lossless'];
  readonly roleFactor: number;
}

/** What a plan chooses formats for, and what else the file holds. */
export interface Candidates {
  readonly tensors: readonly Candidate[];
  /** Of the tensors that no format can be chosen for, as they will be written. */
  readonly fixedBytes: number;
  readonly fixedParameters: number;
  /** Types of the tensors in the file types of llama.cpp, in their order. */
  readonly presets: readonly TablePreset[];
  /** Why the model cannot be exported as GGUF; then the tensors are its own. */
  readonly notExportable?: string;
  /** Matrices of such a model that no format can be chosen for. */
  readonly skipped?: readonly SkippedTensor[];
}

/** The candidates of a model that cannot be exported as GGUF: its own matrices; everything else counts as float32. */
export function ownCandidates(
  { description }: Pick<Model, 'description'>,
  notExportable: string,
): Candidates {
  const { tensors } = description;
  const fixed = tensors.filter((tensor) => !isQuantizable(tensor));
  const fixedParameters = fixed.reduce((sum, { elements }) => sum + elements, 0);
  return {
    tensors: tensors.filter(isQuantizable).map((tensor) => candidateOf(unchanged(tensor), 1)),
    ...{ fixedBytes: 4 * fixedParameters, fixedParameters, presets: [], notExportable },
    skipped: fixed.flatMap(skippedOf),
  };
}

/** Of norms, biases and vectors nobody expects a format; of every other tensor it is said why it has none. */
function skippedOf(tensor: TensorDescriptor): SkippedTensor[] {
  const { name, shape, dtype, readable, unreadableReason } = tensor;
  if (shape.length < 2 || /bias$/.test(name) || tensorRole(name).role === 'norm') return [];
  if (!readable) return [{ tensor: name, reason: unreadableReason ?? 'it cannot be read' }];
  if (!holdsWeights(tensor)) return [{ tensor: name, reason: `${dtype} values, not weights` }];
  return [{ tensor: name, reason: 'its name does not end in "weight"' }];
}

export function candidateOf(converted: ConvertedTensor, roleFactor: number): Candidate {
  const dtype = sourceDtype(converted);
  const format = dtype !== undefined && ggmlType(dtype) ? dtype : 'F32';
  return { converted, lossless: { format, bytes: bytesIn(format, converted.shape) }, roleFactor };
}

/** Bytes of a tensor of this shape in a ggml type or a format of the catalogue. @throws QuantscopeError REQUEST for anything else. */
export function bytesIn(format: string, shape: readonly number[]): number {
  const { rows, columns } = matrixOf(shape);
  return ggmlType(format) ? rows * ggmlRowBytes(format, columns) : formatById(format).bytes(shape);
}

/** Whether rows of this many weights can be stored in a ggml type or a format of the catalogue. */
export const isRowOf = (format: string, columns: number): boolean =>
  ggmlType(format) ? fits(format, columns) : columns % formatById(format).rowMultiple === 0;

/**
 * The formats that a tensor is measured in: those wanted, where its rows are not whole blocks of one the type that is written
 * instead; without those that cannot encode it.
 */
export function formatsFor(
  { shape }: Pick<ConvertedTensor, 'shape'>,
  wanted: readonly QuantFormat[],
): QuantFormat[] {
  const columns = shape[shape.length - 1] ?? 1;
  const fitting = wanted.map((format) =>
    format.scheme.kind === 'ggml' ? formatById(fittingType(format.scheme.type, columns)) : format,
  );
  return [...new Set(fitting)].filter((format) => format.refuse(shape) === undefined);
}
