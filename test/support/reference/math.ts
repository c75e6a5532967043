/** Vectors of weights and activations; arithmetic is that of JavaScript, float64. */
export type Vector = Float64Array;

/** A tensor of a checkpoint. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Vector;
}

/** W x, with W [out, in]. */
export function multiply({ shape: [rows = 0, columns = 0], data }: Tensor, x: Vector): Vector {
  const y = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    for (let i = 0; i < columns; i++) sum += data[row * columns + i]! * x[i]!;
    y[row] = sum;
  }
  return y;
}

export const add = (a: Vector, b: Vector): Vector => a.map((value, i) => value + b[i]!);
export const times = (a: Vector, b: Vector): Vector => a.map((value, i) => value * b[i]!);
export const scale = (a: Vector, factor: number): Vector => a.map((value) => value * factor);

/** Vectors one behind the other. */
export const joined = (vectors: readonly Vector[]): Vector =>
  Float64Array.from(vectors.flatMap((vector) => [...vector]));

/** Rows `first` to `first + count` of a matrix or a vector. */
export function rowsOf({ shape, data }: Tensor, first: number, count: number): Tensor {
  const rest = shape.slice(1);
  const size = rest.reduce((product, n) => product * n, 1);
  return { shape: [count, ...rest], data: data.slice(first * size, (first + count) * size) };
}

export function transposed({ shape: [rows = 0, columns = 0], data }: Tensor): Tensor {
  const result = new Float64Array(data.length);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) result[j * rows + i] = data[i * columns + j]!;
  return { shape: [columns, rows], data: result };
}

/** x / rms(x) · (weight + offset). */
export function rmsNorm(x: Vector, weight: Vector, epsilon: number, offset = 0): Vector {
  const square = x.reduce((sum, value) => sum + value * value, 0) / x.length;
  const factor = 1 / Math.sqrt(square + epsilon);
  return x.map((value, i) => value * factor * (weight[i]! + offset));
}

export function layerNorm(x: Vector, weight: Vector, bias: Vector | undefined, epsilon: number): Vector {
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
  const factor = 1 / Math.sqrt(variance + epsilon);
  return x.map((value, i) => (value - mean) * factor * weight[i]! + (bias?.[i] ?? 0));
}

export function softmax(x: Vector): Vector {
  const most = Math.max(...x);
  const powers = x.map((value) => Math.exp(value - most));
  const sum = powers.reduce((total, value) => total + value, 0);
  return powers.map((value) => value / sum);
}

const silu = (x: number): number => x / (1 + Math.exp(-x));
const geluTanh = (x: number): number =>
  0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
/** Error function to 1e-8 by its Taylor series, whose terms cancel each other more the larger x is; 1 − erf(4.5) is 2e-10. */
function erf(x: number): number {
  if (x < 0) return -erf(-x);
  if (x > 4.5) return 1;
  let term = x;
  let sum = x;
  for (let n = 1; n < 200; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}
const gelu = (x: number): number => 0.5 * x * (1 + erf(x / Math.SQRT2));

const quickGelu = (x: number): number => x / (1 + Math.exp(-1.702 * x));

const relu2 = (x: number): number => Math.max(x, 0) ** 2;

export const activations = {
  ...{ silu, gelu, gelu_new: geluTanh, gelu_pytorch_tanh: geluTanh, relu2, quick_gelu: quickGelu },
} as const;
export type Activation = keyof typeof activations;

/** Indexes of the `count` largest, the largest first. */
export function largest(x: Vector, count: number): number[] {
  return [...x.keys()].sort((a, b) => x[b]! - x[a]! || a - b).slice(0, count);
}
