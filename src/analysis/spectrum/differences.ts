import type { ConvertedTensor } from '../../architectures/convertedTensor';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import { TensorReader } from '../tensorReader';
import { together } from '../together';
import { said } from '../../protocol/said';

/** Some rows of B − A. */
export interface DifferenceRows {
  readonly first: number;
  readonly rows: number;
  /** `[rows, columns]`. */
  readonly values: Float32Array<ArrayBuffer>;
}

/** Σ (B − A)², Σ A², and Σ of the variances of rounding both sides to their dtypes, in float64. */
export interface DifferenceSums {
  change: number;
  base: number;
  rounding: number;
}

/** A matrix of two models, and how each side is stored. */
export interface MatrixPair {
  readonly name: string;
  readonly a: ConvertedTensor;
  readonly b: ConvertedTensor;
  readonly dtypes: readonly [string, string];
}

/** Weights of a chunk of whole rows, at most, except where one row has more. */
const chunkWeights = 1 << 22;

/** The rows of B − A, as often as they are requested; each side is read once where it is at most 128 MiB. */
export class Differences {
  readonly rows: number;
  readonly columns: number;
  private readonly readers: readonly [TensorReader, TensorReader];

  /** @throws QuantscopeError UNSUPPORTED for a tensor that cannot be decoded. */
  constructor(
    a: Model,
    b: Model,
    private readonly pair: MatrixPair,
  ) {
    this.readers = [new TensorReader(a, pair.a), new TensorReader(b, pair.b)];
    this.rows = this.readers[0].rows;
    this.columns = this.readers[0].columns;
  }

  /** @param sums are added to, where they are given. @throws QuantscopeError UNSUPPORTED for what is not finite, IO, CANCELLED. */
  async *chunks(signal?: AbortSignal, sums?: DifferenceSums): AsyncGenerator<DifferenceRows> {
    const variances = this.pair.dtypes.map(roundingVariances);
    const most = Math.max(1, Math.floor(chunkWeights / this.columns));
    let first = 0;
    let values = this.emptyChunk(first, most);
    let filled = 0;
    const [a, b] = this.readers;
    for await (const [left, right] of together(a.values(signal), b.values(signal))) {
      if (sums) addSums(sums, left, right, variances);
      for (let at = 0; at < left.length;) {
        const count = Math.min(left.length - at, values.length - filled);
        for (let i = 0; i < count; i++) values[filled + i] = right[at + i]! - left[at + i]!;
        at += count;
        filled += count;
        if (filled < values.length) continue;
        const rows = values.length / this.columns;
        yield { first, rows, values };
        first += rows;
        values = this.emptyChunk(first, most);
        filled = 0;
      }
    }
    if (sums && !Number.isFinite(sums.change))
      throw new QuantscopeError('UNSUPPORTED', said`A side holds NaN or infinities.`, {
        tensor: this.pair.name,
      });
  }

  private emptyChunk(first: number, most: number): Float32Array<ArrayBuffer> {
    return new Float32Array(Math.min(most, this.rows - first) * this.columns);
  }
}

/** Significant bits with the hidden one, and the least exponent, of dtypes that weights are rounded to. */
const significands: Readonly<Record<string, readonly [bits: number, leastExponent: number]>> = {
  ...{ F64: [24, -126], F32: [24, -126], BF16: [8, -126], F16: [11, -14] },
};

/** Whether the rounding of a dtype is known: others, such as blocks, do more than round. */
export const isRounded = (dtype: string): boolean => dtype in significands;

/** The variance of rounding a weight by the exponent in its float32: ulp² / 12. Zero for dtypes that do more than round. */
function roundingVariances(dtype: string): Float64Array {
  const [bits, least] = significands[dtype] ?? [0, 0];
  return Float64Array.from({ length: 256 }, (_, exponent) =>
    bits === 0 ? 0 : 2 ** (2 * (Math.max(least, exponent - 127) - bits + 1)) / 12,
  );
}

function addSums(
  sums: DifferenceSums,
  left: Float32Array,
  right: Float32Array,
  variances: readonly Float64Array[],
): void {
  const [ofLeft, ofRight] = variances as [Float64Array, Float64Array];
  const [leftBits, rightBits] = [bitsOf(left), bitsOf(right)];
  for (let i = 0; i < left.length; i++) {
    const value = left[i]!;
    const change = right[i]! - value;
    sums.change += change * change;
    sums.base += value * value;
    sums.rounding += ofLeft[(leftBits[i]! >>> 23) & 255]! + ofRight[(rightBits[i]! >>> 23) & 255]!;
  }
}

const bitsOf = ({ buffer, byteOffset, length }: Float32Array): Uint32Array =>
  new Uint32Array(buffer, byteOffset, length);
