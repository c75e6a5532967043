import { sourcesOf, type ConvertedTensor } from '../architectures/convertedTensor';
import { errorMetrics } from '../analysis/metrics';
import { modelHash } from '../model/identity';
import { matrixOf } from '../model/rows';
import type { ModelDescription } from '../protocol/model';
import type { SensitivityCell, SensitivityRow, SensitivityTable } from '../protocol/plan';
import { formatById } from '../quant/catalogue';
import { isPossible, type Candidate, type Candidates } from './candidates';
import type { MeasuredCell } from './store';

/**
 * The table of the candidates with their cells, smallest first; those of other tensors of the same name are left out.
 * @param notKept why cells are not kept.
 */
export function tableOf(
  description: ModelDescription,
  candidates: Candidates,
  measured: readonly MeasuredCell[],
  notKept?: string,
): SensitivityTable {
  const cells = new Map<string, MeasuredCell[]>();
  for (const cell of measured) {
    const known = cells.get(cell.tensor);
    if (known) known.push(cell);
    else cells.set(cell.tensor, [cell]);
  }
  const rows = candidates.tensors.map((candidate) =>
    rowOf(candidate, cells.get(candidate.converted.name) ?? []),
  );
  const {
    fixedBytes,
    fixedParameters,
    presets,
    notExportable,
    skipped = [],
    imatrix,
    codes,
    unmeasuredPresets,
  } = candidates;
  return {
    modelHash: modelHash(description),
    modelName: description.name,
    parameters: rows.reduce((sum, { weights }) => sum + weights, fixedParameters),
    ...{ fixedBytes, fixedParameters },
    ...(notExportable === undefined ? {} : { notExportable }),
    ...(skipped.length === 0 ? {} : { skipped }),
    ...(imatrix ? { imatrix } : {}),
    ...(codes ? { codes } : {}),
    ...(notKept === undefined ? {} : { notKept }),
    ...{ rows, presets },
    ...(unmeasuredPresets ? { unmeasuredPresets } : {}),
  };
}

function rowOf(candidate: Candidate, measured: readonly MeasuredCell[]): SensitivityRow {
  const { converted, lossless, roleFactor } = candidate;
  return {
    tensor: converted.name,
    sources: sourcesOf(converted).map(({ name }) => name),
    shape: converted.shape,
    weights: weightsOf(converted),
    ...{ lossless, roleFactor },
    cells: measured
      .filter((cell) => isCellOf(candidate, cell))
      .map((cell) => cellOf(converted, cell))
      .sort((a, b) => a.bytes - b.bytes),
  };
}

/** Whether a kept cell belongs to this tensor, and not to another one of the same name, in a format that it can be exported in. */
export const isCellOf = (candidate: Candidate, { format, sums }: MeasuredCell): boolean =>
  sums.count === weightsOf(candidate.converted) && isPossible(candidate, formatById(format));

function cellOf({ shape }: ConvertedTensor, { format: id, device, sums }: MeasuredCell): SensitivityCell {
  const { relativeSquaredError, sqnr, maxError } = errorMetrics(sums);
  const format = formatById(id);
  return {
    format: id,
    bytes: format.bytes(shape),
    bitsPerWeight: format.bitsPerWeight(shape),
    ...{ relativeSquaredError, sqnr, maxError, device },
  };
}

/** Weights of a tensor. */
export function weightsOf({ shape }: ConvertedTensor): number {
  const { rows, columns } = matrixOf(shape);
  return rows * columns;
}
