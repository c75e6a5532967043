import { normals } from '../analysis/normals';
import { loadNative, type ErrorSums } from '../native';
import type { ModelDescription } from '../protocol/model';
import type { SensitivityRow, SensitivityTable } from '../protocol/plan';
import { decodeEncoded, encodeIn } from '../quant/codec';
import type { QuantFormat } from '../quant/format';
import { candidateFormats, type Candidate, type Candidates } from './candidates';
import type { MeasuredCell } from './store';
import { tableOf, weightsOf } from './tableOf';

/** Shape of the sample: whole super-blocks, enough of them that errors vary by less than a hundredth. */
const sample = { rows: 32, columns: 2048 } as const;

/** Errors of the sample by format: measured once for a process. */
const known = new Map<string, Promise<ErrorSums>>();

/** Error sums of standard normal weights in a format, over a sample of 65,536. */
export function normalErrors(format: QuantFormat): Promise<ErrorSums> {
  const sums = known.get(format.id) ?? measure(format);
  known.set(format.id, sums);
  return sums;
}

async function measure(format: QuantFormat): Promise<ErrorSums> {
  const values = normals(sample.rows * sample.columns);
  let [min, max] = [Infinity, -Infinity];
  for (const value of values) [min, max] = [Math.min(min, value), Math.max(max, value)];
  const encoded = await encodeIn(format, values, sample.columns, { min, max });
  return loadNative().errorSums(values, await decodeEncoded(encoded));
}

/**
 * A table of errors that are expected from headers alone: those of normally distributed weights, as large relatively as the sample's. What
 * it tells tensors apart by are their roles and sizes. Formats that are no smaller than what a tensor has are left out; it can stay as it is.
 * @param formats that tensors could get, ids of the catalogue.
 */
export async function estimatedTable(
  description: ModelDescription,
  candidates: Candidates,
  formats: readonly QuantFormat[],
): Promise<SensitivityTable> {
  const cells = await Promise.all(
    candidates.tensors.flatMap((candidate) =>
      candidateFormats(candidate, formats).map((format) => expectedCell(candidate, format)),
    ),
  );
  const table = tableOf(description, candidates, cells);
  return { ...table, rows: table.rows.map(withLossless) };
}

async function expectedCell({ converted }: Candidate, format: QuantFormat): Promise<MeasuredCell> {
  const { count, source, decoded, error, maxError } = await normalErrors(format);
  const weights = weightsOf(converted);
  const scale = weights / count;
  return {
    ...{ tensor: converted.name, format: format.id, device: 'cpu' },
    sums: {
      count: weights,
      source: source * scale,
      decoded: decoded * scale,
      error: error * scale,
      maxError,
    },
  };
}

function withLossless(row: SensitivityRow): SensitivityRow {
  const { lossless, weights, cells } = row;
  const exact = { relativeSquaredError: 0, sqnr: Infinity, maxError: 0, device: 'cpu' } as const;
  const kept = { ...lossless, bitsPerWeight: (8 * lossless.bytes) / weights, ...exact };
  return { ...row, cells: [...cells.filter(({ bytes }) => bytes < lossless.bytes), kept] };
}
