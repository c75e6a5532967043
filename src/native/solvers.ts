import { cancellable } from './cancellable';

/** Rows of a matrix, and what they become: `others`, each column divided by its scale where there are scales. */
export interface Replacement {
  readonly weights: Float32Array;
  readonly others: Float32Array;
  readonly scales?: Float32Array | undefined;
}

/** Sums of products of inputs, and methods that use them. */
export interface SolverFunctions {
  /**
   * Adds XᵀX of rows X `[tokens, columns]` to `gram` `[columns, columns]`, both triangles. Products are exact and added one by one in
   * float64, in the order of the rows: how these are cut into calls makes no difference. After a cancelled call, `gram` is invalid.
   */
  accumulateGram(
    rows: Float32Array,
    columns: number,
    gram: Float64Array,
    signal?: AbortSignal,
  ): Promise<void>;
  /**
   * How far other weights move the outputs of a matrix: for each row and each group of consecutive columns, the sum over all inputs
   * `[tokens, columns]` of the squared products with what is changed, in float64. One group of all columns gives the errors of the outputs.
   * @returns `[rows, groups]`.
   */
  outputErrors(
    replacement: Replacement,
    inputs: Float32Array,
    columns: number,
    group: number,
    signal?: AbortSignal,
  ): Promise<Float64Array>;
  /** The largest magnitude of each group of consecutive columns of rows `[rows, columns]`; the last may be shorter. @returns `[rows, groups]`. */
  groupLimits(
    values: Float32Array,
    columns: number,
    group: number,
    signal?: AbortSignal,
  ): Promise<Float32Array>;
  /** The rows `[rows, columns]` with each weight no further from 0 than the limit of its group. @param limits as `groupLimits` gives them. */
  limitGroups(
    values: Float32Array,
    columns: number,
    group: number,
    limits: Float32Array,
    signal?: AbortSignal,
  ): Promise<Float32Array>;
  /** The rows `[rows, columns]` with each column times its scale, in float32. */
  scaleColumns(
    source: Float32Array,
    scales: Float32Array,
    signal?: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>>;
}

export interface SolverBinding {
  accumulateGram(
    rows: Float32Array,
    columns: number,
    gram: Float64Array,
    cancel: Int32Array | undefined,
  ): Promise<void>;
  outputErrors(
    weights: Float32Array,
    others: Float32Array,
    scales: Float32Array | undefined,
    inputs: Float32Array,
    columns: number,
    group: number,
    errors: Float64Array,
    cancel: Int32Array | undefined,
  ): Promise<void>;
  groupLimits(
    values: Float32Array,
    columns: number,
    group: number,
    limits: Float32Array,
    cancel: Int32Array | undefined,
  ): Promise<void>;
  limitGroups(
    values: Float32Array,
    columns: number,
    group: number,
    limits: Float32Array,
    target: Float32Array,
    cancel: Int32Array | undefined,
  ): Promise<void>;
  scaleColumns(
    source: Float32Array,
    scales: Float32Array,
    target: Float32Array,
    cancel: Int32Array | undefined,
  ): Promise<void>;
}

export function solverFunctions(binding: SolverBinding): SolverFunctions {
  return {
    accumulateGram: (rows, columns, gram, signal) =>
      cancellable(signal, (cancel) => binding.accumulateGram(rows, columns, gram, cancel)),
    async outputErrors({ weights, others, scales }, inputs, columns, group, signal) {
      const errors = new Float64Array((weights.length / columns) * Math.ceil(columns / group));
      await cancellable(signal, (cancel) =>
        binding.outputErrors(weights, others, scales, inputs, columns, group, errors, cancel),
      );
      return errors;
    },
    async groupLimits(values, columns, group, signal) {
      const limits = new Float32Array((values.length / columns) * Math.ceil(columns / group));
      await cancellable(signal, (cancel) => binding.groupLimits(values, columns, group, limits, cancel));
      return limits;
    },
    async limitGroups(values, columns, group, limits, signal) {
      const target = new Float32Array(values.length);
      await cancellable(signal, (cancel) =>
        binding.limitGroups(values, columns, group, limits, target, cancel),
      );
      return target;
    },
    async scaleColumns(source, scales, signal) {
      const target = new Float32Array(source.length);
      await cancellable(signal, (cancel) => binding.scaleColumns(source, scales, target, cancel));
      return target;
    },
  };
}
