import { loadNative, type GroupedMatrix, type GroupParameters, type TensorRange } from '../../native';
import type { Grid } from '../../protocol/grids';
import { BadWeightError } from '../badWeight';
import type { QuantizedRows } from '../quantized';
import { groupedMatrix, groupsOf } from './groups';
import { largestLevel } from './levels';
import { meanScale, nestScales, unnestScales } from './nested';

/** What rows need to know of the whole matrix. */
export interface OfMatrix {
  /** Needed by grids with one scale for the tensor, or a global one. */
  readonly range?: TensorRange | undefined;
  /** For double quantization; the rows are the whole matrix where it is absent. */
  readonly meanScale?: number | undefined;
}

/** Parameters of the groups of some rows, before scales are rounded where codes are found with exact ones. */
export interface FoundParameters extends GroupParameters {
  readonly matrix: GroupedMatrix;
}

/** Largest finite E4M3, the dtype of NVFP4's local scales. */
const largestScale = 448;

/** What scales are divided or multiplied by, so that the largest is the largest that its dtype has; undefined without one. */
function globalScaleOf(grid: Grid, range: TensorRange | undefined): number | undefined {
  if (!grid.global) return undefined;
  if (!range) throw new RangeError('a grid with a global scale needs the range of the tensor');
  const absmax = Math.max(Math.abs(range.min), Math.abs(range.max));
  if (absmax === 0) return 1;
  const levels = largestScale * largestLevel(grid.levels);
  if (grid.global === 'factor') return Math.fround(absmax / levels);
  // A number divided by a tensor is, in PyTorch, the reciprocal of the tensor times the number.
  const rounded = (value: number): number =>
    loadNative().storedScales(grid.arithmetic ?? 'F32', Float32Array.of(value))[0]!;
  return rounded(levels * rounded(1 / absmax));
}

/** A search for the range of each group. */
export interface Clip {
  /** The weight of the error of each column; all are equal where it is absent. */
  readonly importance?: Float32Array | undefined;
  /** What ranges are multiplied by. */
  readonly factors: Float32Array;
}

/** Ranges evenly from just below the whole one down to `smallest`; scales that are powers of two may also grow. */
export function clipFactors({ scale }: Grid, steps = 64, smallest = 0.3): Float32Array {
  if (scale === 'F8_E8M0') return Float32Array.of(2, 0.5);
  return Float32Array.from({ length: steps }, (_, i) => 1 - ((i + 1) / steps) * (1 - smallest));
}

/**
 * Scales and zero points of the groups of whole rows by the grid's rule.
 * @param values `[rows, columns]`, whole groups of rows (`wholeRows`).
 * @param clip shrinks the range of each group to where the error is least; not for one scale for the tensor.
 * @throws BadWeightError for the first weight that is not finite, if ranges are searched.
 */
export async function findParameters(
  grid: Grid,
  values: Float32Array,
  [rows, columns]: readonly [number, number],
  { range }: OfMatrix,
  signal?: AbortSignal,
  clip?: Clip,
): Promise<FoundParameters> {
  const matrix = groupedMatrix(grid.group, rows, columns);
  const count = groupsOf(matrix);
  const scales = new Float32Array(count);
  const zeros = grid.zero ? new Float32Array(count) : undefined;
  if (grid.group === 'tensor' && !range) throw new RangeError('one scale for the tensor needs its range');
  const inverses = grid.rounding?.by === 'inverse' ? new Float32Array(count) : undefined;
  const target = { scales, zeros, inverses, globalScale: globalScaleOf(grid, range) };
  if (clip) {
    const bad = await loadNative().clippedParameters(grid, values, matrix, target, clip, signal);
    if (bad) throw new BadWeightError(bad);
  } else {
    const given = grid.group === 'tensor' ? range : undefined;
    await loadNative().gridParameters(grid, values, matrix, target, given, signal);
  }
  return { ...target, matrix };
}

/**
 * The nearest codes, given the parameters of groups.
 * @throws BadWeightError for the first weight that is not finite.
 */
export async function roundWith(
  grid: Grid,
  values: Float32Array,
  [rows, columns]: readonly [number, number],
  parameters: FoundParameters,
  { meanScale: offset }: OfMatrix,
  signal?: AbortSignal,
): Promise<QuantizedRows> {
  const { matrix, scales, zeros, globalScale } = parameters;
  const codes = new Uint8Array(values.length);
  const bad = await loadNative().gridCodes(grid, values, matrix, parameters, codes, signal);
  if (bad) throw new BadWeightError(bad);
  const shared = {
    ...(zeros ? { zeros } : {}),
    ...(globalScale === undefined ? {} : { globalScale }),
  };
  if (!grid.double)
    return { grid, rows, columns, codes, scales: loadNative().storedScales(grid.scale, scales), ...shared };
  const { block } = grid.double;
  const nested = nestScales(scales, block, offset ?? meanScale(scales));
  return { grid, rows, columns, codes, scales: unnestScales(nested, block), nested, ...shared };
}

/** Rounds whole rows to the nearest codes. @see findParameters, roundWith. */
export async function roundToNearest(
  grid: Grid,
  values: Float32Array,
  shape: readonly [number, number],
  ofMatrix: OfMatrix = {},
  signal?: AbortSignal,
): Promise<QuantizedRows> {
  const parameters = await findParameters(grid, values, shape, ofMatrix, signal);
  return roundWith(grid, values, shape, parameters, ofMatrix, signal);
}

/** The weights that quantized rows stand for, `[rows, columns]` float32. */
export async function decodeRows(
  rows: QuantizedRows,
  signal?: AbortSignal,
): Promise<Float32Array<ArrayBuffer>> {
  const { grid, codes, outliers, columnScales, columns } = rows;
  const matrix = groupedMatrix(grid.group, rows.rows, columns);
  const target = new Float32Array(codes.length);
  await loadNative().gridWeights(grid, codes, matrix, rows, target, signal);
  if (columnScales)
    for (let at = 0; at < target.length; at++) target[at] = target[at]! / columnScales[at % columns]!;
  outliers?.columns.forEach((column, i) => {
    for (let row = 0; row < rows.rows; row++)
      target[row * columns + column] = outliers.values[row * outliers.columns.length + i]!;
  });
  return target;
}
