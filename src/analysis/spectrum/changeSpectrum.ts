import { sourcesOf } from '../../architectures/convertedTensor';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import { shareCounts, type ChangeKind, type ChangeSpectrum } from '../../protocol/spectrum';
import { said } from '../../protocol/said';
import { sameShape, type TensorPair } from '../matchTensors';
import type { TensorWork } from '../tensorReader';
import { Differences, isRounded, type DifferenceSums } from './differences';
import { leastShare, singularValues, type Products } from './singularValues';

/** The largest singular value of noise is at most so much above its limit for large matrices. */
const edgeMargin = 1.1;
/** A rest of at most so many times the variance of rounding is explained by it. */
const roundingMargin = 3;
/** A rest below this share of the change is rounding of float32 in the computation itself. */
const leastRest = 1e-6;
/** A rank of more than this share of the smaller side is not a low one. */
const lowShare = 0.25;

/**
 * How the change of a matrix between two models is spread over its directions.
 * @param onProgress in passes over the matrix.
 * @throws QuantscopeError REQUEST for what is not a matrix on both sides, UNSUPPORTED for what cannot be decoded or is not finite, IO, CANCELLED.
 */
export async function changeSpectrum(
  a: Model,
  b: Model,
  pair: TensorPair,
  products: Products,
  { signal, onProgress }: TensorWork = {},
): Promise<ChangeSpectrum> {
  const reason = whyNot(pair);
  if (reason !== undefined) throw new QuantscopeError('REQUEST', reason, { tensor: pair.name });
  const { name } = pair;
  const sides = [pair.a!, pair.b!] as const;
  const dtypes = sides.map((side) => sourcesOf(side)[0]?.dtype ?? '?') as [string, string];
  const matrix = new Differences(a, b, { name, a: sides[0], b: sides[1], dtypes });
  const sums: DifferenceSums = { change: 0, base: 0, rounding: 0 };
  const { values, isComplete } = await singularValues(matrix, products, sums, {
    signal,
    ...(onProgress ? { onPass: onProgress } : {}),
  });
  const { rows, columns } = matrix;
  const found = { values, isComplete, rows, columns, sums, isRounded: dtypes.every(isRounded) };
  const norm = Math.sqrt(sums.change);
  return {
    ...{ name, rows, columns, norm, baseNorm: Math.sqrt(sums.base) },
    ...{ singularValues: [...values], isComplete, ...kindOf(found), dtypes },
    shares: shareCounts.map((count) => ({ count, share: shareOf(values, count, sums.change) })),
  };
}

/** Why a tensor has no spectrum; undefined where it has one. */
export function whyNot({ a, b }: TensorPair): string | undefined {
  if (!a || !b) return said`It is in one of the models only.`;
  if (!sameShape(a.shape, b.shape)) return said`Its shapes differ.`;
  const sizes = a.shape.filter((size) => size !== 1);
  if (sizes.length !== 2)
    return said`Its shape is [${a.shape.join(', ')}]: only matrices have singular values.`;
  return undefined;
}

const energyOf = (values: Float64Array, count: number): number =>
  values.subarray(0, count).reduce((sum, value) => sum + value * value, 0);

const shareOf = (values: Float64Array, count: number, total: number): number =>
  total === 0 ? 0 : Math.min(1, energyOf(values, count) / total);

interface Found {
  readonly values: Float64Array;
  readonly isComplete: boolean;
  readonly rows: number;
  readonly columns: number;
  readonly sums: DifferenceSums;
  readonly isRounded: boolean;
}

/**
 * Counts the singular values that are above what noise of the energy of the rest would have: √(rest / (rows · columns)) · (√rows + √columns), the
 * edge of the spectrum of a random matrix.
 * @see A. Edelman, Eigenvalues and condition numbers of random matrices (1988)
 */
export function kindOf({ values, isComplete, rows, columns, sums, isRounded }: Found): {
  kind: ChangeKind;
  rank: number;
} {
  if (sums.change === 0) return { kind: 'none', rank: 0 };
  const restAfter = (rank: number): number => Math.max(0, sums.change - energyOf(values, rank));
  const edgeAfter = (rank: number): number =>
    edgeMargin * Math.sqrt(restAfter(rank) / (rows * columns)) * (Math.sqrt(rows) + Math.sqrt(columns));
  const floor = leastShare * (values[0] ?? 0);
  const first = values.findIndex((value, rank) => value <= Math.max(edgeAfter(rank), floor));
  const rank = first >= 0 ? first : values.length;
  const isOpen = first < 0 && !isComplete;
  if (rank === 0) return { kind: 'spread', rank };
  if (isOpen || rank > lowShare * Math.min(rows, columns)) return { kind: 'full', rank };
  const rest = restAfter(rank);
  const isExplained =
    rest <= leastRest * sums.change || (isRounded && rest <= roundingMargin * sums.rounding);
  return { kind: isExplained ? 'low rank' : 'directions', rank };
}
