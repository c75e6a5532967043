/** Σ (ŵ − w)ᵀ H (ŵ − w) over the rows: by how much the outputs of a matrix differ. Plain float64 sums. */
export function outputError(hessian: Float64Array, weights: Float32Array, decoded: Float32Array): number {
  const columns = Math.sqrt(hessian.length);
  let sum = 0;
  for (let row = 0; row < weights.length; row += columns) {
    for (let i = 0; i < columns; i++) {
      const error = decoded[row + i]! - weights[row + i]!;
      for (let j = 0; j < columns; j++)
        sum += error * hessian[i * columns + j]! * (decoded[row + j]! - weights[row + j]!);
    }
  }
  return sum;
}
