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
