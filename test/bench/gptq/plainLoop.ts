/** GPTQ as plain loops of one thread, in the order in which its description reads: what the addon is timed against. */

/** The lower triangle of the Cholesky decomposition of H + damping · I, columns in the opposite order. */
export function plainCholesky(hessian: Float64Array, columns: number, damping: number): Float64Array {
  const lower = new Float64Array(columns * columns);
  const last = columns - 1;
  for (let i = 0; i < columns; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = hessian[(last - i) * columns + last - j]! + (i === j ? damping : 0);
      for (let t = 0; t < j; t++) sum -= lower[i * columns + t]! * lower[j * columns + t]!;
      lower[i * columns + j] = i === j ? Math.sqrt(sum) : sum / lower[j * columns + j]!;
    }
  }
  return lower;
}

/** What a unit of error of each column adds to the columns after it, `[columns, columns]`. */
export function plainFactor(lower: Float64Array, columns: number): Float32Array {
  const factor = new Float32Array(columns * columns);
  const last = columns - 1;
  for (let j = 0; j < columns; j++) {
    for (let k = j + 1; k < columns; k++) {
      factor[j * columns + k] =
        lower[(last - j) * columns + last - k]! / lower[(last - k) * columns + last - k]!;
    }
  }
  return factor;
}

/** Codes of rows to `bits` bits with zero points, in groups of `group` columns whose scales are those of the weights as they are. */
export function plainRows(
  weights: Float32Array,
  factor: Float32Array,
  columns: number,
  { bits, group }: { readonly bits: number; readonly group: number },
): Uint8Array {
  const most = 2 ** bits - 1;
  const codes = new Uint8Array(weights.length);
  const sums = new Float32Array(columns);
  let [scale, zero] = [0, 0];
  for (let start = 0; start < weights.length; start += columns) {
    sums.fill(0);
    for (let column = 0; column < columns; column++) {
      if (column % group === 0) {
        let [min, max] = [0, 0];
        for (let k = column; k < column + group; k++) {
          min = Math.min(min, weights[start + k]!);
          max = Math.max(max, weights[start + k]!);
        }
        scale = (max - min) / most;
        zero = Math.round(-min / scale);
      }
      const weight = weights[start + column]!;
      const code = Math.min(most, Math.max(0, Math.round((weight + sums[column]!) / scale) + zero));
      codes[start + column] = code;
      const error = weight - (code - zero) * scale;
      const row = column * columns;
      for (let k = column + 1; k < columns; k++) sums[k]! += error * factor[row + k]!;
    }
  }
  return codes;
}
