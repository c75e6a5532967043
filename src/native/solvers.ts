import { cancellable } from './cancellable';

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
   * How far differences of weights `[rows, columns]` move the outputs of a matrix: for each row and each group of consecutive columns, the
   * sum over all inputs `[tokens, columns]` of the squared products, in float64. One group of all columns gives the errors of the outputs.
   * @returns `[rows, groups]`.
   */
  outputErrors(
    differences: Float32Array,
    inputs: Float32Array,
    columns: number,
    group: number,
    signal?: AbortSignal,
  ): Promise<Float64Array>;
}

export interface SolverBinding {
  accumulateGram(
    rows: Float32Array,
    columns: number,
    gram: Float64Array,
    cancel: Int32Array | undefined,
  ): Promise<void>;
  outputErrors(
    differences: Float32Array,
    inputs: Float32Array,
    columns: number,
    group: number,
    errors: Float64Array,
    cancel: Int32Array | undefined,
  ): Promise<void>;
}

export function solverFunctions(binding: SolverBinding): SolverFunctions {
  return {
    accumulateGram: (rows, columns, gram, signal) =>
      cancellable(signal, (cancel) => binding.accumulateGram(rows, columns, gram, cancel)),
    async outputErrors(differences, inputs, columns, group, signal) {
      const errors = new Float64Array((differences.length / columns) * Math.ceil(columns / group));
      await cancellable(signal, (cancel) =>
        binding.outputErrors(differences, inputs, columns, group, errors, cancel),
      );
      return errors;
    },
  };
}
