import { matrixOf, maxRowWeights, partWeights } from '../model/rows';
import type { FormatFamily, Scheme } from '../protocol/formats';
import type { Grid } from '../protocol/grids';
import { said } from '../protocol/said';
import type { QuantFormat } from './format';
import { groupLength, rowMultiple, schemeBytes } from './layout';

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
        ? said`${entry.id} needs importance weights (an imatrix).`
        : refuseShape(entry.id, scheme, shape),
  };
}

/** Whether scales come from the range of the whole tensor. */
export const needsRange = ({ group, global }: Grid): boolean => group === 'tensor' || global !== undefined;

/** Why rows in a grid cannot be encoded on their own, as formats are; undefined where they can. */
export function refuseGrid({ group, double, outliers }: Grid): string | undefined {
  if (outliers) return said`has columns in half precision, which are found by the inputs of a matrix`;
  if (double) return said`has scales that are quantized across rows`;
  return typeof group === 'object' && 'rows' in group ? 'has groups of several rows' : undefined;
}

/** Why a tensor of this shape cannot be encoded; undefined where it can. @param id that the reason names. */
export function refuseShape(id: string, scheme: Scheme, shape: readonly number[]): string | undefined {
  const { rows, columns } = matrixOf(shape);
  if (rows * columns === 0) return said`The tensor has no weights.`;
  const multiple = rowMultiple(scheme);
  if (columns % multiple !== 0)
    return said`${id} needs rows whose length is a multiple of ${multiple}; these have ${columns} weights.`;
  return columns > maxRowWeights && scheme.kind === 'grid'
    ? refuseParts(id, scheme.grid, columns)
    : undefined;
}

/** Long rows are processed in parts, which no group may cross. */
function refuseParts(id: string, grid: Grid, columns: number): string | undefined {
  if (grid.group === 'tensor') return undefined;
  if (grid.group === 'row')
    return said`${id} has one scale per row, and rows of ${columns} weights are longer than the ${maxRowWeights} that can be processed together.`;
  const length = groupLength(grid, columns);
  if (partWeights % length === 0) return undefined;
  return said`${id} has groups of ${length} weights, and rows of ${columns} weights are processed in parts of ${partWeights}, which is not a multiple of that.`;
}
