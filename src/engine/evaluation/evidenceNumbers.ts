import { join } from 'node:path';
import { triangle, type OutputSize, type OwnSize } from '../../evaluation/evidence';
import type { OutputGradients } from '../../evaluation/gradientSums';
import { readSealed, writeSealed } from '../../files/sealedFile';
import type { InputStatistics } from '../../graph/transformer/tapSums';
import type { OutputCovariance, OwnInputs } from '../../quant/methods/method';

/** A measured input as the index lists it; its numbers are in files named after its place in the index. */
export interface KeptInput extends Pick<InputStatistics, 'tensors' | 'expert' | 'rows'> {
  readonly columns: number;
  /** Rows of it that are kept. */
  readonly samples: number;
}

/** An output whose gradients were measured, as the index lists it; its numbers are in a file named after its place in the index. */
export type KeptOutput = Pick<OutputGradients, 'tensor' | 'expert'> & OutputSize;

type What = 'sums' | 'hessian' | 'rows' | 'gradients' | 'inputs' | 'starts' | 'tokens' | 'weights';
const fileOf = (folder: string, input: number, what: What): string => join(folder, `${input}.${what}`);

/** Rows of a triangle that are written at a time (entries). */
const piece = 1 << 18;

/** Writes what was measured of an input. */
export async function writeInput(folder: string, at: number, input: InputStatistics): Promise<KeptInput> {
  const { tensors, expert, rows, squares, sums, largest, gram, samples } = input;
  const columns = squares.length;
  const means = (values: Float64Array): Float64Array => values.map((value) => value / rows);
  await writeSealed(fileOf(folder, at, 'sums'), async (append) => {
    for (const values of [means(squares), means(sums), largest]) await append(values);
  });
  if (gram)
    await writeSealed(fileOf(folder, at, 'hessian'), (append) => writeTriangle(gram, columns, rows, append));
  if (samples) await writeSealed(fileOf(folder, at, 'rows'), (append) => append(samples));
  return {
    ...{ tensors, rows, columns, samples: (samples?.length ?? 0) / columns },
    ...(expert === undefined ? {} : { expert }),
  };
}

/** Writes the covariance of gradients at an output, or its diagonal. */
export async function writeOutput(folder: string, at: number, output: OutputGradients): Promise<KeptOutput> {
  const { tensor, expert, tokens, diagonal, covariance, own } = output;
  const rows = diagonal.length;
  await writeSealed(fileOf(folder, at, 'gradients'), (append) =>
    covariance
      ? writeTriangle(covariance, rows, tokens, append)
      : append(Float32Array.from(diagonal, (sum) => sum / tokens)),
  );
  if (own) await writeOwn(folder, at, own);
  return {
    ...{ tensor, rows, covariance: covariance !== undefined },
    ...(expert === undefined ? {} : { expert }),
    ...(own ? { own: sizeOf(own) } : {}),
  };
}

type Own = NonNullable<OutputGradients['own']>;

const sizeOf = ({ tokens, inputs }: Own): OwnSize => ({
  ...{ tokens: inputs.tokens, columns: inputs.columns, samples: tokens.length },
});

async function writeOwn(folder: string, at: number, { inputs, ...entries }: Own): Promise<void> {
  await writeSealed(fileOf(folder, at, 'inputs'), async (append) => {
    for (const { piece } of inputs.pieces()) await append(piece);
  });
  for (const what of ['starts', 'tokens', 'weights'] as const)
    await writeSealed(fileOf(folder, at, what), (append) => append(entries[what]));
}

/** XᵀX / rows on and below its diagonal, row by row, in float32: its relative error of 6e-8 is far below what dampening adds. */
async function writeTriangle(
  gram: Float64Array,
  columns: number,
  rows: number,
  append: (values: Float32Array) => Promise<void>,
): Promise<void> {
  const buffer = new Float32Array(piece + columns);
  let used = 0;
  for (let row = 0; row < columns; row++) {
    for (let column = 0; column <= row; column++) buffer[used++] = gram[row * columns + column]! / rows;
    if (used < piece) continue;
    await append(buffer.subarray(0, used));
    used = 0;
  }
  await append(buffer.subarray(0, used));
}

/** The kept numbers of an input or an output; undefined where they are damaged or missing. */
export const keptNumbers = {
  /** Mean of x², mean of x, max|x|. */
  async sums(folder: string, at: number, { columns }: KeptInput) {
    const values = new Float64Array(3 * columns);
    if (!(await readSealed(fileOf(folder, at, 'sums'), values))) return undefined;
    const part = (index: number): Float64Array => values.subarray(index * columns, (index + 1) * columns);
    return { squares: part(0), means: part(1), largest: part(2) };
  },
  /** Adds XᵀX / rows, times a weight, to `[columns, columns]`. */
  async addHessian(folder: string, at: number, { columns }: KeptInput, weight: number, target: Float64Array) {
    const values = new Float32Array(triangle(columns));
    if (!(await readSealed(fileOf(folder, at, 'hessian'), values))) return undefined;
    addTriangle(values, columns, weight, target);
    return target;
  },
  /** Means over the tokens. */
  async gradients(
    folder: string,
    at: number,
    { rows, covariance: isMatrix, own }: KeptOutput,
  ): Promise<OutputCovariance | undefined> {
    const values = new Float32Array(isMatrix ? triangle(rows) : rows);
    if (!(await readSealed(fileOf(folder, at, 'gradients'), values))) return undefined;
    if (!isMatrix) {
      const inputs = own && (await readOwn(folder, at, rows, own));
      if (own && !inputs) return undefined;
      return { diagonal: Float64Array.from(values), ...(inputs ? { own: inputs } : {}) };
    }
    const covariance = new Float64Array(rows * rows);
    addTriangle(values, rows, 1, covariance);
    return {
      diagonal: Float64Array.from({ length: rows }, (_, i) => covariance[i * (rows + 1)]!),
      covariance,
    };
  },
  /** `[samples, columns]`. */
  async rows(folder: string, at: number, { columns, samples }: KeptInput) {
    const values = new Float32Array(samples * columns);
    return (await readSealed(fileOf(folder, at, 'rows'), values)) ? values : undefined;
  },
};

async function readOwn(
  folder: string,
  at: number,
  rows: number,
  { tokens, columns, samples }: OwnSize,
): Promise<OwnInputs | undefined> {
  const own = {
    inputs: new Float32Array(tokens * columns),
    starts: new Int32Array(rows + 1),
    tokens: new Int32Array(samples),
    weights: new Float32Array(samples),
  };
  for (const what of ['inputs', 'starts', 'tokens', 'weights'] as const)
    if (!(await readSealed(fileOf(folder, at, what), own[what]))) return undefined;
  return own;
}

/** Adds a symmetric matrix, given on and below its diagonal, times a weight. */
function addTriangle(values: Float32Array, columns: number, weight: number, target: Float64Array): void {
  let next = 0;
  for (let row = 0; row < columns; row++)
    for (let column = 0; column <= row; column++) {
      const value = weight * values[next++]!;
      target[row * columns + column]! += value;
      if (column < row) target[column * columns + row]! += value;
    }
}
