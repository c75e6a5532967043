import type { Candidates } from '../../ampq/candidates';
import type { CodeFinder } from '../../exporter/codes/codeFinder';
import { roundingErrors } from '../../exporter/codes/inputRounding';
import { roundingFor } from '../../graph/transformer/rounding';
import type { Model } from '../../model/model';
import type { SensitivityCell, SensitivityTable } from '../../protocol/plan';

/**
 * The table with what llama.cpp's CPU kernels add to the errors of the outputs by rounding inputs to 8 bits: types in super-blocks have coarser steps
 * than those in blocks of 32. Both errors are independent, so their squares add up. Gains stay as they are.
 */
export async function withRoundedInputs(
  model: Model,
  table: SensitivityTable,
  { tensors }: Candidates,
  finder: CodeFinder,
  signal: AbortSignal,
): Promise<SensitivityTable> {
  const converted = new Map(tensors.map((candidate) => [candidate.converted.name, candidate.converted]));
  const rows: SensitivityTable['rows'][number][] = [];
  for (const row of table.rows) {
    const errors = await roundingErrors(model, converted.get(row.tensor)!, finder, signal);
    const added = (format: string): number => errors?.[roundingFor(format)!] ?? 0;
    rows.push({ ...row, cells: row.cells.map((cell) => withError(cell, added(cell.format))) });
  }
  return { ...table, rows, roundsActivations: true };
}

function withError(cell: SensitivityCell, added: number): SensitivityCell {
  const relativeSquaredError = cell.relativeSquaredError + added;
  return {
    ...cell,
    relativeSquaredError,
    sqnr: added === 0 ? cell.sqnr : -10 * Math.log10(relativeSquaredError),
  };
}
