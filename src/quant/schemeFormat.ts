import { matrixOf, maxRowWeights, partWeights } from '../model/rows';
import { loadNative, type EncodeOptions, type TensorRange } from '../native';
import type { FormatFamily, Scheme } from '../protocol/formats';
import type { GgmlQuantType } from '../protocol/ggmlTypes';
import type { Grid } from '../protocol/grids';
import { BadWeightError } from './badWeight';
import type { QuantFormat } from './format';
import { decodeRows, roundToNearest } from './grids/roundToNearest';
import { groupLength, rowLayout, rowMultiple, schemeBytes } from './layout';
import type { BlockRows, EncodedRows } from './quantized';

/** What a row of the catalogue says; everything else follows from the scheme. */
export interface SchemeEntry {
  readonly id: string;
  readonly label: string;
  readonly family: FormatFamily;
  readonly description: string;
  readonly scheme: Scheme;
  /** Set for a type whose encoder needs importance weights. */
  readonly needsImportance?: true;
}

/** The matrix on which a format's nominal bits per weight are stated. */
const nominalShape = [4096, 4096];

/** A format that rounds weights to the nearest codes of its grid, or encodes them as its ggml type does. */
export function schemeFormat(entry: SchemeEntry): QuantFormat {
  const { scheme } = entry;
  const bitsPerWeight = (shape: readonly number[]): number => {
    const { rows, columns } = matrixOf(shape);
    return (8 * schemeBytes(scheme, shape)) / (rows * columns);
  };
  return {
    ...entry,
    rowMultiple: rowMultiple(scheme),
    needsRange: scheme.kind === 'grid' && needsRange(scheme.grid),
    nominalBitsPerWeight: bitsPerWeight(nominalShape),
    bytes: (shape) => schemeBytes(scheme, shape),
    bitsPerWeight,
    refuse: (shape, hasImportance = false) =>
      entry.needsImportance && !hasImportance
        ? `${entry.id} needs importance weights (an imatrix).`
        : refuseShape(entry.id, scheme, shape),
    encode: (values, columns, range, options) =>
      scheme.kind === 'ggml'
        ? encodeBlocks(scheme.type, values, columns, options)
        : encodeGrid(scheme.grid, values, columns, range, options),
    decode: (encoded, signal) =>
      'grid' in encoded ? decodeRows(encoded, signal) : decodeBlocks(encoded, signal),
  };
}

const needsRange = ({ group, global }: Grid): boolean => group === 'tensor' || global !== undefined;

/** Why rows in a grid cannot be encoded on their own, as formats are; undefined where they can. */
export function refuseGrid({ group, double, outliers }: Grid): string | undefined {
  if (outliers) return 'has columns in half precision, which are found by the inputs of a matrix';
  if (double) return 'has scales that are quantized across rows';
  return typeof group === 'object' && 'rows' in group ? 'has groups of several rows' : undefined;
}

/** Why a tensor of this shape cannot be encoded; undefined where it can. @param id that the reason names. */
export function refuseShape(id: string, scheme: Scheme, shape: readonly number[]): string | undefined {
  const { rows, columns } = matrixOf(shape);
  if (rows * columns === 0) return 'The tensor has no weights.';
  const multiple = rowMultiple(scheme);
  if (columns % multiple !== 0)
    return `${id} needs rows whose length is a multiple of ${multiple}; these have ${columns} weights.`;
  return columns > maxRowWeights && scheme.kind === 'grid'
    ? refuseParts(id, scheme.grid, columns)
    : undefined;
}

/** Long rows are processed in parts, which no group may cross. */
function refuseParts(id: string, grid: Grid, columns: number): string | undefined {
  if (grid.group === 'tensor') return undefined;
  if (grid.group === 'row')
    return `${id} has one scale per row, and rows of ${columns} weights are longer than the ${maxRowWeights} that can be processed together.`;
  const length = groupLength(grid, columns);
  if (partWeights % length === 0) return undefined;
  return `${id} has groups of ${length} weights, and rows of ${columns} weights are processed in parts of ${partWeights}, which is not a multiple of that.`;
}

function encodeGrid(
  grid: Grid,
  values: Float32Array,
  columns: number,
  range: TensorRange,
  { signal }: EncodeOptions = {},
): Promise<EncodedRows> {
  const ofMatrix = needsRange(grid) ? { range } : {};
  return roundToNearest(grid, values, [values.length / columns, columns], ofMatrix, signal);
}

/**
 * Whole rows as blocks of a ggml type.
 * @throws BadWeightError for the first weight that is not finite.
 */
export async function encodeBlocks(
  type: GgmlQuantType,
  values: Float32Array,
  columns: number,
  options: EncodeOptions = {},
): Promise<BlockRows> {
  const rows = values.length / columns;
  const codes = new Uint8Array(rows * rowLayout({ kind: 'ggml', type }, columns).codeBytes);
  const bad = await loadNative().encodeRows(type, values, columns, codes, options);
  if (bad) throw new BadWeightError(bad);
  return { type, columns, codes };
}

async function decodeBlocks(
  { type, columns, codes }: BlockRows,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const rows = codes.length / rowLayout({ kind: 'ggml', type }, columns).codeBytes;
  const values = new Float32Array(rows * columns);
  await loadNative().decode(type, codes, values, signal);
  return values;
}
