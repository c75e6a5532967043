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
}

export interface SolverBinding {
  accumulateGram(
    rows: Float32Array,
    columns: number,
    gram: Float64Array,
    cancel: Int32Array | undefined,
  ): Promise<void>;
}

export function solverFunctions(binding: SolverBinding): SolverFunctions {
  return {
    accumulateGram: (rows, columns, gram, signal) =>
      cancellable(signal, (cancel) => binding.accumulateGram(rows, columns, gram, cancel)),
  };
}
