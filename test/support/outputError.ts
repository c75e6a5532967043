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

/** tr(G·D·H·Dᵀ), D the errors of the decoded weights, `[rows, columns]`. Plain float64 sums. */
export function twoSidedError(
  covariance: Float64Array,
  hessian: Float64Array,
  weights: Float32Array,
  decoded: Float32Array,
): number {
  const [rows, columns] = [Math.sqrt(covariance.length), Math.sqrt(hessian.length)];
  const errors = Float64Array.from(decoded, (value, i) => value - weights[i]!);
  const products = new Float64Array(errors.length);
  for (let row = 0; row < rows; row++)
    for (let j = 0; j < columns; j++)
      for (let k = 0; k < columns; k++)
        products[row * columns + k]! += errors[row * columns + j]! * hessian[j * columns + k]!;
  let sum = 0;
  for (let i = 0; i < rows; i++)
    for (let r = 0; r < rows; r++)
      for (let k = 0; k < columns; k++)
        sum += covariance[i * rows + r]! * errors[i * columns + k]! * products[r * columns + k]!;
  return sum;
}
