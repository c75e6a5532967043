import { bytesIn, isRowOf } from '../../ampq/candidates';
import {
  changesWeights,
  sourceDtype,
  sourcesOf,
  type ConvertedTensor,
} from '../../architectures/convertedTensor';
import type { ComputedTensor } from '../../architectures/description';
import type { ModelHeaders } from '../../architectures/ggufView';
import { ggmlType, isForeignType } from '../../model/dtypes';
import { QuantscopeError } from '../../model/errors';
import { importanceOf, type Imatrix } from '../../model/imatrix';
import { holdsWeights } from '../../model/roles';
import { factorOf, inBlocks, matrixOf } from '../../model/rows';
import type { ExportedTensor, ExportSettings } from '../../protocol/export';
import type { TensorDescriptor } from '../../protocol/model';
import { said } from '../../protocol/said';
import { suppliesImportance } from '../codes/codeFinder';
import { needsImportance, type FileType } from './fileTypes';
import { isMixed } from './mixed';
import type { MixedType } from './mixture';

/** One tensor of the file to be, and how it is made. */
export interface PlannedTensor extends ExportedTensor {
  /** Where it comes from; absent for one that is computed (`values`). */
  readonly converted?: ConvertedTensor;
  readonly values?: Float32Array;
  /** Importance of each column, of each expert one after the other. */
  readonly importance?: Float32Array;
}

/** A tensor under its name in the file, and the one it had before blocks were left out: that of plans and importance matrices. */
export interface NamedTensor {
  readonly converted: ConvertedTensor;
  readonly unprunedName: string;
}

/** What determines the types of all tensors. */
export interface TensorContext {
  readonly model: ModelHeaders;
  readonly target: Pick<ExportSettings, 'allowRequantize' | 'codes'>;
  readonly imatrix: Imatrix | undefined;
  /** Absent for a plan or a format. */
  readonly fileType: FileType | undefined;
  readonly isCopy: boolean;
}

/**
 * How a tensor of the file is made.
 * @param mixed the type that was chosen for it; without one it is kept.
 * @throws QuantscopeError UNSUPPORTED for a source that cannot be converted, REQUEST for a type that does not fit.
 */
export function planTensor(
  { converted: source, unprunedName }: NamedTensor,
  mixed: MixedType | undefined,
  context: TensorContext,
): PlannedTensor {
  const { name, shape } = source;
  const { type, cause, reason } = mixed ?? keptType(source, context);
  const repacked = blocksOf(source, type);
  const converted = repacked ?? source;
  const sources = sourcesOf(converted);
  if (sourceDtype(converted) !== type || movesWeights(converted))
    for (const source of sources) checkConvertible(source, type, context.target);
  const isForeign = isForeignType(type); // copied byte for byte
  const { columns } = matrixOf(shape);
  if (!isForeign && !isRowOf(type, columns))
    throw new QuantscopeError(
      'REQUEST',
      said`The row length (${columns}) is not a multiple of the block size of ${type}; choose another type for this tensor.`,
      { tensor: name },
    );
  const importance = importanceFor(converted, unprunedName, type, context);
  return {
    name,
    converted,
    source: sources[0]?.name ?? '',
    sources: sources.length,
    from: repacked ? type : [...new Set(sources.map(({ dtype }) => dtype))].join(', '),
    to: type,
    shape,
    bytes: isForeign ? sources.reduce((sum, { byteLength }) => sum + byteLength, 0) : bytesIn(type, shape),
    cause,
    reason: repacked ? said`${reason}, codes and scales as they are` : reason,
    ...(importance ? { importance } : {}),
  };
}

/** Whether weights of a row become those of other rows or columns: they cannot stay in blocks. */
const movesWeights = ({ unit }: ConvertedTensor): boolean =>
  unit !== undefined && unit.order !== 'interleave';

/** The same tensor for reads of blocks of a type; undefined where its sources do not all have the type's codes and scales. */
function blocksOf(converted: ConvertedTensor, type: string): ConvertedTensor | undefined {
  if (movesWeights(converted) || changesWeights(converted)) return undefined;
  const pieces: ConvertedTensor['pieces'][number][] = [];
  for (const piece of converted.pieces) {
    const tensor = piece.tensor.stored?.blocks === type ? inBlocks(piece.tensor) : undefined;
    if (!tensor || (tensor.stored?.hasFactor && !takesFactors(converted))) return undefined;
    pieces.push({ ...piece, tensor });
  }
  return pieces.length > 0 ? { ...converted, pieces } : undefined;
}

/** Matrices whose products llama.cpp multiplies by a factor; those of experts by one for each. */
const multiplied = /^blk\.\d+\.(attn_(q|k|v|qkv|output)|ffn_(gate|up|down)(_exps|_shexp)?)\.weight$/;

const takesFactors = ({ name, shape, pieces }: ConvertedTensor): boolean =>
  multiplied.test(name) && pieces.length === (shape.length > 2 ? shape[0] : 1);

/** The tensor of factors that goes with one in blocks, if these have any: one number for the matrix, or for that of each expert. */
export function planFactors({ name, converted }: PlannedTensor): PlannedTensor[] {
  const factors = converted?.pieces.flatMap(({ tensor }) => factorOf(tensor) ?? []) ?? [];
  if (factors.length === 0 || converted?.pieces[0]?.tensor.stored?.reads !== 'blocks') return [];
  const own = name.replace(/weight$/, 'scale');
  const shape = [factors.length];
  const pieces = factors.map((tensor) => ({ tensor, firstRow: 0, rows: 1 }));
  return [
    {
      ...{ name: own, shape, converted: { name: own, shape, columns: 1, pieces } },
      ...{ source: factors[0]!.name, sources: factors.length, from: 'F32', to: 'F32' },
      ...{ bytes: bytesIn('F32', shape), cause: 'kept', reason: said`what its blocks are multiplied by` },
    },
  ];
}

/** Type of a tensor that got none: a matrix stays as it is, whatever it is; of vectors and the like llama.cpp needs float32. */
function keptType(converted: ConvertedTensor, { model }: TensorContext): MixedType {
  const dtype = sourceDtype(converted);
  const leave = isMixed(converted);
  const blocks = converted.pieces[0]?.tensor.stored?.blocks;
  if (leave && blocks !== undefined && blocksOf(converted, blocks))
    return { type: blocks, cause: 'kept', reason: 'copied' };
  if (dtype !== undefined && (model.gguf || (leave && ggmlType(dtype) && !changesWeights(converted))))
    return { type: dtype, cause: 'kept', reason: said`copied unchanged` };
  return { type: 'F32', cause: 'kept', reason: said`kept in full precision` };
}

/**
 * @throws QuantscopeError REQUEST when the type needs importance weights, and neither the matrix nor the calibration of optimised codes has any
 * for this tensor.
 */
function importanceFor(
  converted: ConvertedTensor,
  unprunedName: string,
  type: string,
  { target: { codes }, imatrix, fileType, isCopy }: TensorContext,
): Float32Array | undefined {
  const { name, shape } = converted;
  if (isCopy || !isQuantized(type)) return undefined;
  const { columns } = matrixOf(shape);
  const experts = shape[shape.length - 3] ?? 1;
  const found = imatrix && importanceOf(imatrix, unprunedName, columns, experts);
  if (found || !needsImportance(type, name, fileType?.name)) return found;
  if (codes === 'optimised' && suppliesImportance(converted, type)) return undefined;
  const message = imatrix
    ? said`${type} needs importance weights, and the importance matrix has none for this tensor.`
    : said`${type} needs an importance matrix (imatrix): without one the model would be nearly unusable. Compute one from a text (“Compute Importance Matrix…”, or quantscope imatrix) and choose it for the export, or let the codes be optimised.`;
  throw new QuantscopeError('REQUEST', message, { tensor: name });
}

export function planComputed({ to, values, reason }: ComputedTensor): PlannedTensor {
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
function checkConvertible(
  tensor: TensorDescriptor,
  to: string,
  { allowRequantize }: TensorContext['target'],
): void {
  const unsupported = (message: string): QuantscopeError =>
    new QuantscopeError('UNSUPPORTED', message, { file: tensor.file, tensor: tensor.name });
  if (isQuantized(tensor.dtype) && !allowRequantize)
    throw unsupported(
      said`The tensor is already quantized to ${tensor.dtype}; requantizing it to ${to} would add to its error. Export from an F16, BF16 or F32 file, or allow requantizing.`,
    );
  if (!tensor.readable || !holdsWeights(tensor))
    throw unsupported(
      tensor.unreadableReason ?? said`${tensor.dtype} does not hold weights that can be converted.`,
    );
}

const isQuantized = (dtype: string): boolean => (ggmlType(dtype)?.block ?? 1) > 1;
