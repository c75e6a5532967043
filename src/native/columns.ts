import type { GgmlQuantType } from '../protocol/ggmlTypes';
import type { Grid, Levels } from '../protocol/grids';
import { cancellable } from './cancellable';

/** How columns are cut into blocks that are worked on together. */
export interface ColumnBlocks {
  readonly columns: number;
  /** Columns of a block; the last may have fewer. */
  readonly block: number;
}

/** A Hessian factorized: H + damping · I = R·Rᵀ with R upper triangular. */
export interface HessianFactor extends ColumnBlocks {
  /** R[j, k] / R[k, k], of `factorSize` numbers. */
  readonly factor: Float32Array;
  /** R[k, k]. */
  readonly pivots: Float64Array;
  /** Column at each position; as they are where it is absent. */
  readonly order?: Int32Array | undefined;
  readonly damping: number;
}

/** A matrix that is being quantized column by column, and how far that has come. Positions are those of columns in their order. */
export interface ColumnState extends HessianFactor {
  /** `[rows, columns]`. */
  readonly weights: Float32Array;
  /** weight − decoded of the positions so far, `[⌈rows / 64⌉, columns, 64]`. */
  readonly errors: Float32Array;
  /** Of the block that was started, `[⌈rows / 64⌉, block rounded up to 4, 64]`. */
  readonly sums: Float32Array;
  /** (ŵ − w)ᵀ H (ŵ − w) of each row over the positions so far. */
  readonly losses: Float64Array;
}

/** Scales of a matrix: that of a weight is at ⌊row / groupRows⌋ · across + groups[column]; with `flat`, at ⌊index / flat⌋. */
export interface ColumnParameters {
  readonly scales: Float32Array;
  readonly zeros?: Float32Array | undefined;
  readonly globalScale: number;
  readonly groupRows: number;
  readonly across: number;
  readonly flat: number;
  readonly groups?: Int32Array | undefined;
}

/** A grid whose parameters are known; also with the uneven table of ggml's IQ4 types. */
export interface ColumnGrid extends Omit<Grid, 'levels'> {
  readonly levels: Levels | { readonly kind: 'table'; readonly table: 'iq4' };
}

/** H + damping · I in float32, as the addon's descent reads it: `[columns / group, columns / 4, group, 4]`. */
export interface HessianTiles {
  readonly tiles: Float32Array;
  readonly columns: number;
  readonly damping: number;
}

/** A matrix in blocks of a type, which are improved. */
export interface BlockDescent {
  readonly type: GgmlQuantType;
  /** The levels of the type's codes; absent for lattice types (IQ1, IQ2, IQ3). */
  readonly grid?: ColumnGrid | undefined;
  /** In tiles of a group of the grid, or of 8 columns for lattice types. */
  readonly hessian: HessianTiles;
  /** `[rows, columns]`. */
  readonly weights: Float32Array;
  readonly blocks: Uint8Array;
  /** Over all columns, at most. */
  readonly rounds: number;
}

/** A symmetric matrix, and what is added to its diagonal. */
export interface DampedMatrix {
  readonly values: Float64Array;
  readonly damping: number;
}

/** As `BlockDescent`, errors being weighted on both sides of the matrix. */
export interface TwoSidedDescent extends BlockDescent {
  /** Mean g gᵀ of the gradients at the outputs, `[rows, rows]`. */
  readonly covariance: DampedMatrix;
}

/** As `BlockDescent`, each row having a Hessian of its own: (1 − share) · H + share · c · YᵀY of its inputs Y, both parts of the same trace. */
export interface OwnHessiansDescent extends Omit<BlockDescent, 'grid' | 'hessian'> {
  readonly grid: ColumnGrid;
  /** Of all rows, `[columns, columns]`. */
  readonly hessian: DampedMatrix;
  /** From 0 to 1. */
  readonly share: number;
  /** `[all, columns]`: those of the first row, then those of the second, … */
  readonly inputs: Float32Array;
  /** `[rows + 1]`: where those of each row begin. */
  readonly starts: Int32Array;
}

/** Quantization column by column. */
export interface ColumnFunctions {
  factorSize(blocks: ColumnBlocks): number;
  /**
   * Fills the factor of a Hessian `[columns, columns]`, in float64; a column of zeros gets 1 on the diagonal. Returns the column at which it
   * fails because the matrix is not positive definite, if any.
   */
  factorHessian(
    hessian: Float64Array,
    target: HessianFactor,
    signal?: AbortSignal,
  ): Promise<number | undefined>;
  /** Sums of what the errors of the blocks before add to the columns of this one. */
  startBlock(state: ColumnState, block: number, signal?: AbortSignal): Promise<void>;
  /**
   * The weights that positions of the block should have, were those from `first` on not quantized: `[rows, count]` into `targets`. All
   * before `first` have to be quantized, and the block started.
   */
  predictColumns(
    state: ColumnState,
    first: number,
    count: number,
    targets: Float32Array,
    signal?: AbortSignal,
  ): Promise<void>;
  /** The nearest codes of positions of the block, at their columns of `codes` `[rows, columns]`. */
  quantizeColumns(
    state: ColumnState,
    grid: ColumnGrid,
    parameters: ColumnParameters,
    first: number,
    count: number,
    codes: Uint8Array,
    signal?: AbortSignal,
  ): Promise<void>;
  /** As quantizeColumns for weights `[rows, columns]` that were quantized and decoded in another way: for their losses. */
  followColumns(
    state: ColumnState,
    decoded: Float32Array,
    first: number,
    count: number,
    signal?: AbortSignal,
  ): Promise<void>;
  /** Scales and zeros of the groups of ggml blocks, whose weights are level · scale + zero. Throws for types without codes of single weights. */
  blockParameters(
    type: GgmlQuantType,
    blocks: Uint8Array,
    scales: Float32Array,
    zeros: Float32Array | undefined,
  ): Promise<void>;
  /** Replaces the codes of ggml blocks: one byte for each weight, as `quantizeColumns` gives them in the type's grid. */
  setBlockCodes(type: GgmlQuantType, blocks: Uint8Array, codes: Uint8Array): Promise<void>;
  /** A Hessian `[columns, columns]` in tiles for a type whose groups have `group` weights; a column of zeros gets 1 on the diagonal. */
  tileHessian(
    hessian: Float64Array,
    damping: number,
    group: number,
    signal?: AbortSignal,
  ): Promise<HessianTiles>;
  /**
   * Improves codes (or points, signs and shifts of lattice types), scales and zeros of blocks by coordinate descent on the output error with the
   * Hessian. Rows that do not improve keep their blocks. Throws for types without codes.
   * @returns d·H·dᵀ of each row d of decoded − weight, without damping.
   */
  descendBlocks(descent: BlockDescent, signal?: AbortSignal): Promise<Float64Array>;
  /**
   * As descendBlocks on tr(G·D·H·Dᵀ), D decoded − weights, G the covariance and H the Hessian, both damped. All blocks stay as they are where it
   * does not become smaller.
   */
  descendBothSides(descent: TwoSidedDescent, signal?: AbortSignal): Promise<void>;
  /**
   * As quantizeColumns for a lattice type whose scales are known: whole blocks `first … first + count` of positions get their points and signs, eight
   * weights at a time. @param blocks of whole rows.
   */
  quantizeLattices(
    state: ColumnState,
    type: GgmlQuantType,
    first: number,
    count: number,
    blocks: Uint8Array,
    signal?: AbortSignal,
  ): Promise<void>;
  /**
   * Improves codes, scales and zeros of blocks by coordinate descent on d·H·dᵀ of each row d with its own Hessian. Rows without inputs of their
   * own, and those that do not improve, keep their blocks. Throws for types without codes of single weights.
   */
  descendOwnHessians(descent: OwnHessiansDescent, signal?: AbortSignal): Promise<void>;
}

type Cancel = Int32Array | undefined;

export interface ColumnBinding {
  factorSize(columns: number, block: number): number;
  factorHessian(
    ...parameters: [
      ...[hessian: Float64Array, order: Int32Array | undefined, damping: number],
      ...[columns: number, block: number, factor: Float32Array, pivots: Float64Array, cancel: Cancel],
    ]
  ): Promise<number | undefined>;
  startBlock(state: ColumnState, block: number, cancel: Cancel): Promise<void>;
  predictColumns(
    state: ColumnState,
    first: number,
    count: number,
    targets: Float32Array,
    cancel: Cancel,
  ): Promise<void>;
  quantizeColumns(
    ...parameters: [
      ...[state: ColumnState, grid: ColumnGrid, parameters: ColumnParameters],
      ...[first: number, count: number, codes: Uint8Array, cancel: Cancel],
    ]
  ): Promise<void>;
  followColumns(
    state: ColumnState,
    decoded: Float32Array,
    first: number,
    count: number,
    cancel: Cancel,
  ): Promise<void>;
  blockParameters(
    type: string,
    blocks: Uint8Array,
    scales: Float32Array,
    zeros: Float32Array | undefined,
  ): Promise<void>;
  setBlockCodes(type: string, blocks: Uint8Array, codes: Uint8Array): Promise<void>;
  tileHessian(
    ...parameters: [
      ...[hessian: Float64Array, damping: number, group: number],
      ...[columns: number, tiles: Float32Array, cancel: Cancel],
    ]
  ): Promise<void>;
  descendBlocks(
    ...parameters: [
      ...[type: string, grid: ColumnGrid | undefined, hessian: HessianTiles, weights: Float32Array],
      ...[blocks: Uint8Array, rounds: number, losses: Float64Array, cancel: Cancel],
    ]
  ): Promise<void>;
  descendBothSides(
    ...parameters: [
      ...[type: string, grid: ColumnGrid | undefined, hessian: HessianTiles, covariance: Float64Array],
      ...[damping: number, weights: Float32Array, blocks: Uint8Array, rounds: number, cancel: Cancel],
    ]
  ): Promise<void>;
  quantizeLattices(
    ...parameters: [
      ...[state: ColumnState, type: string, first: number, count: number],
      ...[blocks: Uint8Array, cancel: Cancel],
    ]
  ): Promise<void>;
  descendOwnHessians(
    ...parameters: [
      ...[type: string, grid: ColumnGrid, hessian: Float64Array, numbers: readonly number[]],
      ...[inputs: Float32Array, starts: Int32Array, weights: Float32Array, blocks: Uint8Array],
      ...[rounds: number, cancel: Cancel],
    ]
  ): Promise<void>;
}

export function columnFunctions(binding: ColumnBinding): ColumnFunctions {
  return {
    factorSize: ({ columns, block }) => binding.factorSize(columns, block),
    factorHessian: (hessian, { order, damping, columns, block, factor, pivots }, signal) =>
      cancellable(signal, (cancel) =>
        binding.factorHessian(hessian, order, damping, columns, block, factor, pivots, cancel),
      ),
    startBlock: (state, block, signal) =>
      cancellable(signal, (cancel) => binding.startBlock(state, block, cancel)),
    predictColumns: (state, first, count, targets, signal) =>
      cancellable(signal, (cancel) => binding.predictColumns(state, first, count, targets, cancel)),
    quantizeColumns: (state, grid, parameters, first, count, codes, signal) =>
      cancellable(signal, (cancel) =>
        binding.quantizeColumns(state, grid, parameters, first, count, codes, cancel),
      ),
    followColumns: (state, decoded, first, count, signal) =>
      cancellable(signal, (cancel) => binding.followColumns(state, decoded, first, count, cancel)),
    blockParameters: async (type, blocks, scales, zeros) =>
      binding.blockParameters(type, blocks, scales, zeros),
    setBlockCodes: async (type, blocks, codes) => binding.setBlockCodes(type, blocks, codes),
    async tileHessian(hessian, damping, group, signal) {
      const columns = Math.round(Math.sqrt(hessian.length));
      const tiles = new Float32Array(hessian.length);
      await cancellable(signal, (cancel) =>
        binding.tileHessian(hessian, damping, group, columns, tiles, cancel),
      );
      return { tiles, columns, damping };
    },
    async descendBlocks({ type, grid, hessian, weights, blocks, rounds }, signal) {
      const losses = new Float64Array(weights.length / hessian.columns);
      await cancellable(signal, (cancel) =>
        binding.descendBlocks(type, grid, hessian, weights, blocks, rounds, losses, cancel),
      );
      return losses;
    },
    descendBothSides: ({ type, grid, hessian, covariance, weights, blocks, rounds }, signal) =>
      cancellable(signal, (cancel) =>
        binding.descendBothSides(
          ...([type, grid, hessian, covariance.values, covariance.damping] as const),
          ...([weights, blocks, rounds, cancel] as const),
        ),
      ),
    quantizeLattices: (state, type, first, count, blocks, signal) =>
      cancellable(signal, (cancel) => binding.quantizeLattices(state, type, first, count, blocks, cancel)),
    descendOwnHessians: ({ type, grid, hessian, share, inputs, starts, weights, blocks, rounds }, signal) =>
      cancellable(signal, (cancel) =>
        binding.descendOwnHessians(
          ...([type, grid, hessian.values, [hessian.damping, share], inputs, starts] as const),
          ...([weights, blocks, rounds, cancel] as const),
        ),
      ),
  };
}
