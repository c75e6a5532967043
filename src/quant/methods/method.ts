import type { TensorRange } from '../../native';
import type { GgmlQuantType } from '../../protocol/ggmlTypes';
import type { Grid } from '../../protocol/grids';
import type { EvidenceKind, MethodDescription, MethodOptions } from '../../protocol/recipe';
import type { QuantizedRows } from '../quantized';

/** What a calibration pass measured of the inputs X `[tokens, columns]` of a matrix. Everything is optional: a method says what it needs. */
export interface Evidence {
  /** Mean x² of each input channel. */
  readonly importance?: Float32Array;
  /** Mean x of each input channel. */
  readonly mean?: Float32Array;
  /** max|x| of each input channel. */
  readonly largest?: Float32Array;
  /** XᵀX / tokens, `[columns, columns]`. */
  readonly hessian?: Float64Array;
  /** Some rows of X, `[samples, columns]`. */
  readonly inputs?: Float32Array;
  /** Of the KL divergence at the outputs of the matrix. */
  readonly gradients?: OutputCovariance;
}

/** Second moments of the gradients at the outputs of a matrix, means over the tokens that went through it. */
export interface OutputCovariance {
  /** Mean g² of each row. */
  readonly diagonal: Float64Array;
  /** Mean g gᵀ, `[rows, rows]`; absent for matrices of more rows than are kept as a matrix, and for the output matrix. */
  readonly covariance?: Float64Array;
  /** Of the output matrix, whose rows do not depend on each other but have inputs of their own. */
  readonly own?: OwnInputs;
}

/** Inputs of a matrix that count for single rows, each by a weight. */
export interface OwnInputs {
  /** `[tokens, columns]`. */
  readonly inputs: Float32Array;
  /** `[rows + 1]`: where the entries of each row begin in `tokens` and `weights`. */
  readonly starts: Int32Array;
  /** Rows of `inputs`. */
  readonly tokens: Int32Array;
  readonly weights: Float32Array;
}

/** A matrix that a method is applied to. */
export interface MatrixTask {
  /** Of the tensor, for messages. */
  readonly name?: string;
  readonly grid: Grid;
  /** `[out, in]`, leading dimensions flattened. */
  readonly shape: readonly [rows: number, columns: number];
  /** Of the whole matrix; needed by grids with one scale for the tensor, or a global one. */
  readonly range?: TensorRange;
  /** Mean scale of the matrix (`meanScale` of `quant/grids`), for double quantization; the rows are the whole matrix where it is absent. */
  readonly meanScale?: number;
  readonly evidence: Evidence;
  readonly options: MethodOptions;
  /** All rows in order, in slabs `[rows, columns]`, for methods that search over the whole matrix when they are opened. */
  readonly weights?: (signal?: AbortSignal) => AsyncIterable<Float32Array>;
  /**
   * The matrix is part of a model that is quantized as a whole: its columns were scaled as far as they can be (`columnScales`), and its layout
   * has no place for further scales. The evidence is that of the scaled matrix.
   */
  readonly scalesFolded?: true;
}

/** A matrix whose columns are to be scaled together with those of others that have the same input. */
export interface ScaledMatrix {
  readonly grid: Grid;
  readonly columns: number;
  /** All rows in order, in slabs of whole groups of rows. */
  readonly weights: (signal?: AbortSignal) => AsyncIterable<Float32Array>;
  /** Some inputs, `[samples, columns]`. */
  readonly inputs: Float32Array;
}

/** Quantizes the rows of one matrix, in order. What all rows share (a factorised Hessian, a search) was done when it was opened. */
export interface RowQuantizer {
  /**
   * @param values `[rows, columns]`, whole groups of rows; may be overwritten.
   * @throws RangeError naming the first weight that is not finite. QuantscopeError CANCELLED.
   */
  quantize(values: Float32Array, signal?: AbortSignal): Promise<QuantizedRows>;
}

/** A matrix that a method is applied to in a ggml type, whose blocks hold codes and scales. */
export interface BlockTask extends Pick<MatrixTask, 'name' | 'shape' | 'evidence' | 'options'> {
  readonly type: GgmlQuantType;
}

/** Quantizes rows of one matrix; what all rows share was done when it was opened. */
export interface BlockQuantizer {
  /** What it uses of the evidence, where the method leaves out some that there is. */
  readonly evidence?: EvidenceKind;
  /**
   * Whole blocks of the type, row after row.
   * @param values `[rows, columns]`; may be overwritten.
   * @param firstRow which row of the matrix comes first; 0 where it is absent. Rows that are given together may depend on each other.
   * @throws as `RowQuantizer`.
   */
  quantize(values: Float32Array, firstRow?: number, signal?: AbortSignal): Promise<Uint8Array>;
}

/** Methods that find the codes of ggml types too. */
export interface BlockMethod {
  /** Why it cannot be applied (the type, the shape, an option); undefined when it can. */
  refuse(task: Pick<BlockTask, 'type' | 'shape' | 'options'>): string | undefined;
  /** @throws QuantscopeError REQUEST when evidence that it needs is absent. */
  open(task: BlockTask, signal?: AbortSignal): Promise<BlockQuantizer>;
}

/** How codes are found. One file of this folder for each, listed in `methods.ts`. */
export interface Method extends MethodDescription {
  /** Raised when the same matrix and evidence give other codes or scales; see `algorithms.ts`. */
  readonly version: number;
  /** The evidence that it needs with these options, where that depends on them; `evidence` is that of the defaults. */
  readonly evidenceOf?: (options: MethodOptions) => EvidenceKind;
  /** Why it cannot be applied (the grid, the shape, an option); undefined when it can. */
  refuse(task: Pick<MatrixTask, 'grid' | 'shape' | 'options'>): string | undefined;
  /** About how many seconds of one core a matrix takes (`speeds.ts`), column scales included. */
  coreSeconds(
    shape: MatrixTask['shape'],
    task?: { readonly type?: GgmlQuantType; readonly options?: MethodOptions },
  ): number;
  /** @throws QuantscopeError REQUEST when evidence that it needs is absent. */
  open(task: MatrixTask, signal?: AbortSignal): Promise<RowQuantizer>;
  /** Whether groups are columns that do not follow each other, so that files must hold the group of each; never where it is absent. */
  permutes?(task: Pick<MatrixTask, 'grid' | 'shape' | 'options'>): boolean;
  /**
   * Factors of the columns of matrices with the same input, for methods that scale them before they quantize. They are folded into the
   * weights before the matrices, so that the model computes the same.
   */
  readonly columnScales?: (
    matrices: readonly ScaledMatrix[],
    options: MethodOptions,
    signal?: AbortSignal,
  ) => Promise<Float32Array>;
  /** Absent where it takes grids only. */
  readonly blocks?: BlockMethod;
}
