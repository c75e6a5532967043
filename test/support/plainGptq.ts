/** GPTQ as plain loops over one row after the other, in the addon's order of sums: what the addon's codes are held against. */

const { fround } = Math;

/** R of H + damping · I = R·Rᵀ, upper triangular, as rows R[j, k] / R[k, k] in float32. */
export function plainFactor(hessian: Float64Array, damping: number): Float32Array[] {
  const columns = Math.sqrt(hessian.length);
  const at = (i: number, j: number): number =>
    hessian[(columns - 1 - i) * columns + columns - 1 - j]! + (i === j ? damping : 0);
  const lower: Float64Array[] = [];
  for (let i = 0; i < columns; i++) {
    lower.push(new Float64Array(i + 1));
    for (let j = 0; j <= i; j++) {
      let sum = at(i, j);
      for (let t = 0; t < j; t++) sum -= lower[i]![t]! * lower[j]![t]!;
      lower[i]![j] = i === j ? Math.sqrt(sum) : sum / lower[j]![j]!;
    }
  }
  return Array.from({ length: columns }, (_, j) =>
    Float32Array.from({ length: columns }, (_, k) => {
      const pivot = lower[columns - 1 - k]![columns - 1 - k]!;
      return k <= j ? 0 : lower[columns - 1 - j]![columns - 1 - k]! / pivot;
    }),
  );
}

export interface PlainOptions {
  readonly bits: number;
  readonly group: number;
  /** Columns whose scales are found at a time, from the weights as all columns before them correct them. */
  readonly step: number;
}

const halfToEven = (value: number): number => {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
};

/** Unsigned codes of a row, with zero points; the range of a group includes 0. */
export function plainRow(
  weights: Float32Array,
  factor: readonly Float32Array[],
  { bits, group, step }: PlainOptions,
): Uint8Array {
  const columns = weights.length;
  const most = 2 ** bits - 1;
  const sums = new Float32Array(columns);
  const codes = new Uint8Array(columns);
  const scales = new Float32Array(Math.ceil(columns / group));
  const zeros = new Float32Array(scales.length);
  const feed = (to: Float32Array, column: number, error: number, end: number): void => {
    for (let k = column + 1; k < end; k++) to[k] = fround(to[k]! + fround(error * factor[column]![k]!));
  };
  for (let column = 0; column < columns; column++) {
    if (column % step === 0) {
      const end = Math.min(column + step, columns);
      const [wanted, own] = [weights.slice(), sums.slice()];
      for (let k = column; k < end; k++) {
        wanted[k] = fround(weights[k]! + own[k]!);
        feed(own, k, fround(weights[k]! - wanted[k]!), end);
      }
      for (let first = column; first < end; first += group) {
        const some = wanted.subarray(first, Math.min(first + group, end));
        const min = Math.min(0, ...some);
        const max = Math.max(0, ...some);
        scales[first / group] = fround(fround(max - min) / most);
        zeros[first / group] = halfToEven(fround(-min / scales[first / group]!));
      }
    }
    const [scale, zero] = [scales[Math.floor(column / group)]!, zeros[Math.floor(column / group)]!];
    const target = fround(weights[column]! + sums[column]!);
    const code = Math.min(most, Math.max(0, halfToEven(fround(target / scale)) + zero));
    codes[column] = code;
    feed(sums, column, fround(weights[column]! - fround(fround(code - zero) * scale)), columns);
  }
  return codes;
}
