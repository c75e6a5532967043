import type { Grid, ScaleDtype } from '../protocol/grids';
import { cancellable } from './cancellable';
import type { BadWeight, TensorRange } from './codecs';

/** A matrix whose groups are rectangles, numbered row by row; those at its right and lower ends may be smaller. */
export interface GroupedMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly groupRows: number;
  readonly groupColumns: number;
}

/** What the weights of each group share. */
export interface GroupParameters {
  /** One per group. */
  readonly scales: Float32Array;
  /** One per group, where the grid has zero points. */
  readonly zeros?: Float32Array | undefined;
  /** What weights are multiplied by to give codes, one per group, for grids that do so with a number of which the scale is the reciprocal. */
  readonly inverses?: Float32Array | undefined;
  readonly globalScale?: number | undefined;
}

/** Grids: parameters of groups, codes, weights. Whole groups only; `quant/grids` cuts matrices into them. */
export interface GridFunctions {
  /**
   * Scales and zero points by the grid's rule into `target`, scales rounded to their dtype unless codes are found with exact ones.
   * @param range of the whole tensor, where it is one group.
   * @throws Error for members of a grid that cannot be, or lengths that do not match.
   */
  gridParameters(
    grid: Grid,
    source: Float32Array,
    matrix: GroupedMatrix,
    target: GroupParameters,
    range?: TensorRange,
    signal?: AbortSignal,
  ): Promise<void>;
  /**
   * The same with each group's range shrunk to where the squared error of its weights is least, which is never larger than without; zero
   * points that are not integers are moved so that the mean error of a group is 0. The result is the first weight that is not finite, if any.
   * @param clip `importance`: the weight of the error of each column; `factors`: what ranges are multiplied by, at most 256.
   */
  clippedParameters(
    grid: Grid,
    source: Float32Array,
    matrix: GroupedMatrix,
    target: GroupParameters,
    clip: { readonly importance?: Float32Array | undefined; readonly factors: Float32Array },
    signal?: AbortSignal,
  ): Promise<BadWeight | undefined>;
  /** The nearest codes, one byte each, given the groups' parameters. The result is the first weight that is not finite, if any. */
  gridCodes(
    grid: Grid,
    source: Float32Array,
    matrix: GroupedMatrix,
    parameters: GroupParameters,
    codes: Uint8Array,
    signal?: AbortSignal,
  ): Promise<BadWeight | undefined>;
  /** Weights from codes. `groupOfColumn` has the group of each column where these are not consecutive. */
  gridWeights(
    grid: Grid,
    codes: Uint8Array,
    matrix: GroupedMatrix,
    parameters: GroupParameters & { readonly groupOfColumn?: Int32Array | undefined },
    target: Float32Array,
    signal?: AbortSignal,
  ): Promise<void>;
  /** Scales as their dtype stores them, in another array: E8M0 up to a power of two, the others to the nearest, ties to even; E4M3 saturates. */
  storedScales(dtype: ScaleDtype, scales: Float32Array): Float32Array<ArrayBuffer>;
}

type Cancel = Int32Array | undefined;
type Matrix = [rows: number, columns: number, groupRows: number, groupColumns: number];
type Parameters = [scales: Float32Array, zeros: Float32Array | undefined, globalScale: number];
type Inverses = Float32Array | undefined;

export interface GridBinding {
  gridParameters(
    ...parameters: [
      ...[grid: Grid, source: Float32Array, ...Matrix, ...Parameters],
      ...[min: number | undefined, max: number | undefined, cancel: Cancel, inverses: Inverses],
    ]
  ): Promise<void>;
  clippedParameters(
    ...parameters: [
      ...[grid: Grid, source: Float32Array, ...Matrix, ...Parameters],
      ...[importance: Float32Array | undefined, factors: Float32Array, cancel: Cancel, inverses: Inverses],
    ]
  ): Promise<BadWeight | undefined>;
  gridCodes(
    ...parameters: [
      ...[grid: Grid, source: Float32Array, ...Matrix, ...Parameters],
      ...[codes: Uint8Array, cancel: Cancel, inverses: Inverses],
    ]
  ): Promise<BadWeight | undefined>;
  gridWeights(
    ...parameters: [
      ...[grid: Grid, codes: Uint8Array, ...Matrix, ...Parameters],
      ...[groupOfColumn: Int32Array | undefined, target: Float32Array, cancel: Cancel],
    ]
  ): Promise<void>;
  storedScales(dtype: ScaleDtype, scales: Float32Array): Float32Array<ArrayBuffer>;
}

const sizes = ({ rows, columns, groupRows, groupColumns }: GroupedMatrix): Matrix => [
  rows,
  columns,
  groupRows,
  groupColumns,
];
const shared = ({ scales, zeros, globalScale = 0 }: GroupParameters): Parameters => [
  scales,
  zeros,
  globalScale,
];

export function gridFunctions(binding: GridBinding): GridFunctions {
  return {
    gridParameters: (grid, source, matrix, target, range, signal) =>
      cancellable(signal, (cancel) =>
        binding.gridParameters(
          grid,
          source,
          ...sizes(matrix),
          ...shared(target),
          range?.min,
          range?.max,
          cancel,
          target.inverses,
        ),
      ),
    clippedParameters: (grid, source, matrix, target, { importance, factors }, signal) =>
      cancellable(signal, (cancel) =>
        binding.clippedParameters(
          grid,
          source,
          ...sizes(matrix),
          ...shared(target),
          importance,
          factors,
          cancel,
          target.inverses,
        ),
      ),
    gridCodes: (grid, source, matrix, parameters, codes, signal) =>
      cancellable(signal, (cancel) =>
        binding.gridCodes(
          grid,
          source,
          ...sizes(matrix),
          ...shared(parameters),
          codes,
          cancel,
          parameters.inverses,
        ),
      ),
    gridWeights: (grid, codes, matrix, parameters, target, signal) =>
      cancellable(signal, (cancel) =>
        binding.gridWeights(
          grid,
          codes,
          ...sizes(matrix),
          ...shared(parameters),
          parameters.groupOfColumn,
          target,
          cancel,
        ),
      ),
    storedScales: (dtype, scales) => binding.storedScales(dtype, scales),
  };
}
