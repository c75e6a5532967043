import { Random } from './random';

/** XᵀX / tokens of inputs with a few common directions and channels of different sizes, as those of layers are. */
export function correlatedHessian(columns: number, tokens: number, seed = 5): Float64Array {
  const random = new Random(seed);
  const directions = Array.from({ length: 4 }, () => random.fill(columns, () => random.normal()));
  const sizes = random.fill(columns, () => Math.exp(random.normal() * 0.7));
  const sums = new Float64Array(columns * columns);
  for (let t = 0; t < tokens; t++) {
    const shares = directions.map(() => random.normal());
    const x = sizes.map(
      (size, i) =>
        size * (random.normal() + directions.reduce((sum, own, d) => sum + shares[d]! * own[i]!, 0)),
    );
    for (let i = 0; i < columns; i++) {
      for (let j = 0; j < columns; j++) sums[i * columns + j]! += (x[i]! * x[j]!) / tokens;
    }
  }
  return sums;
}

/**
 * XᵀX of independent inputs, but for the first and the last: without damping, an error of the first column asks for 1e40 times as much of the
 * last one, which float32 cannot hold.
 */
export function steepHessian(columns: number): Float64Array {
  const hessian = new Float64Array(columns * columns);
  for (let i = 0; i < columns; i++) hessian[i * (columns + 1)] = 1;
  const last = columns * columns - 1;
  [hessian[0], hessian[last]] = [1e22, 1e-60];
  [hessian[columns - 1], hessian[last - columns + 1]] = [1e-20, 1e-20];
  return hessian;
}
