import { sourceDtype, unchanged, type ConvertedTensor } from '../architectures/convertedTensor';
import { ggmlRowBytes, ggmlType } from '../model/dtypes';
import { QuantscopeError } from '../model/errors';
import type { Model } from '../model/model';
import { holdsWeights, isQuantizable, tensorRole } from '../model/roles';
import { matrixOf } from '../model/rows';
import type { TensorDescriptor } from '../protocol/model';
import type {
  SensitivityRow,
  SkippedTensor,
  TablePreset,
  UnmeasuredPreset,
  UsedCodes,
  UsedImatrix,
} from '../protocol/plan';
import { said } from '../protocol/said';
import { formatById } from '../quant/catalogue';
import { fits, fittingType } from '../quant/fittingType';
import type { QuantFormat } from '../quant/format';

/** A tensor of the exported file that a plan can give a format. */
export interface Candidate {
  readonly converted: ConvertedTensor;
  readonly lossless: SensitivityRow['lossless'];
  readonly roleFactor: number;
  /** Importance of each column, expert after expert; where there is an importance matrix and it has the tensor. */
  readonly importance?: Float32Array;
  /** Whether its codes are found by its inputs over a text, so that formats that need importance weights need no others. */
  readonly hasInputs?: boolean;
  /** Formats that an export would refuse for this tensor, as they need importance weights and there are none. */
  readonly unavailable?: ReadonlySet<string>;
}

/** What a plan chooses formats for, and what else the file holds. */
export interface Candidates {
  readonly tensors: readonly Candidate[];
  /** Of the tensors that no format can be chosen for, as they will be written. */
  readonly fixedBytes: number;
  readonly fixedParameters: number;
  /** The importance matrix that the candidates are encoded with. */
  readonly imatrix?: UsedImatrix;
  /** Optimised codes that they get; errors are then those of the outputs. */
  readonly codes?: UsedCodes;
  /** Types of the tensors in the file types of llama.cpp, in their order. */
  readonly presets: readonly TablePreset[];
  /** File types that need an importance matrix where there is none. */
  readonly unmeasuredPresets?: readonly UnmeasuredPreset[];
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
  if (!readable) return [{ tensor: name, reason: unreadableReason ?? said`it cannot be read` }];
  if (!holdsWeights(tensor)) return [{ tensor: name, reason: said`${dtype} values, not weights` }];
  return [{ tensor: name, reason: said`its name does not end in "weight"` }];
}

export function candidateOf(
  converted: ConvertedTensor,
  roleFactor: number,
  importance: Pick<Candidate, 'importance' | 'hasInputs' | 'unavailable'> = {},
): Candidate {
  const dtype = sourceDtype(converted);
  const format = dtype !== undefined && ggmlType(dtype) ? dtype : 'F32';
  return {
    converted,
    lossless: { format, bytes: bytesIn(format, converted.shape) },
    roleFactor,
    ...importance,
  };
}

/** Bytes of a tensor of this shape in a ggml type or a format of the catalogue. @throws QuantscopeError REQUEST for anything else. */
export function bytesIn(format: string, shape: readonly number[]): number {
  const { rows, columns } = matrixOf(shape);
  return ggmlType(format) ? rows * ggmlRowBytes(format, columns) : formatById(format).bytes(shape);
}

/** A matrix that no plan lists is written as F16; one that is quantized already is copied. */
export function unlistedBytes({ converted, lossless }: Candidate): number {
  return (ggmlType(lossless.format)?.block ?? 1) > 1 ? lossless.bytes : bytesIn('F16', converted.shape);
}

export function weightsOf({ converted }: Candidate): number {
  const { rows, columns } = matrixOf(converted.shape);
  return rows * columns;
}

/** Whether rows of this many weights can be stored in a ggml type or a format of the catalogue. */
export const isRowOf = (format: string, columns: number): boolean =>
  ggmlType(format) ? fits(format, columns) : columns % formatById(format).rowMultiple === 0;

/** The formats that rows of this shape get where some are wanted: where they are not whole blocks of one, the type that is written instead. */
export function formatsFor(
  { shape }: { readonly shape: readonly number[] },
  wanted: readonly QuantFormat[],
): QuantFormat[] {
  const columns = shape[shape.length - 1] ?? 1;
  const fitting = wanted.map((format) =>
    format.scheme.kind === 'ggml' ? formatById(fittingType(format.scheme.type, columns)) : format,
  );
  return [...new Set(fitting)];
}

/** Whether a candidate can be encoded in a format, and an export would write it. */
export const isPossible = (
  { converted, importance, hasInputs = false, unavailable }: Candidate,
  format: QuantFormat,
): boolean =>
  format.refuse(converted.shape, hasInputs || importance !== undefined) === undefined &&
  unavailable?.has(format.id) !== true;

/** The formats that a candidate is measured in. */
export const candidateFormats = (candidate: Candidate, wanted: readonly QuantFormat[]): QuantFormat[] =>
  formatsFor(candidate.converted, wanted).filter((format) => isPossible(candidate, format));

/**
 * @throws QuantscopeError REQUEST for a wanted format that needs importance weights where there are none, or that no tensor has any for.
 */
export function refuseWithoutImportance(
  { tensors, imatrix }: Candidates,
  wanted: readonly QuantFormat[],
  file: string,
): void {
  const lacking = ({ unavailable }: Candidate, { id }: QuantFormat): boolean => unavailable?.has(id) === true;
  const refused = wanted.filter((format) =>
    imatrix || tensors.some(({ hasInputs }) => hasInputs)
      ? tensors.length > 0 && tensors.every((candidate) => lacking(candidate, format))
      : tensors.some((candidate) => lacking(candidate, format)),
  );
  if (refused.length === 0) return;
  const names = refused.map(({ id }) => id).join(', ');
  const isOne = refused.length === 1;
  const needs = isOne ? said`${names} needs importance weights` : said`${names} need importance weights`;
  const message = imatrix
    ? said`${needs}, and the importance matrix ${imatrix.file} has none for the tensors of this model.`
    : isOne
      ? said`${needs}: an export would refuse a plan with it. Compute an importance matrix from a text (quantscope imatrix) and pass it, or leave this format out.`
      : said`${needs}: an export would refuse a plan with them. Compute an importance matrix from a text (quantscope imatrix) and pass it, or leave these formats out.`;
  throw new QuantscopeError('REQUEST', message, { file });
}
