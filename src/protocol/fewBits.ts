import { perTable } from './perTable';
import type { SensitivityRow, SensitivityTable } from './plan';

/**
 * Bits per weight of a plan below which gains in the format for few bits are better. On the sample they save 3 % of the divergence on unseen text at
 * 2.9 bits, 7 % at 3.1 and 6 % at 3.6, and cost 4 % at 4.8.
 */
export const fewBits = 3.7;

/** The format that they are measured in: its errors are those of such plans. */
export const fewBitsFormat = 'Q2_K';

/** Whether a table has gains that those for plans of few bits may go with: of the model itself, by changing each tensor. */
export const takesFewBits = ({ gainsFrom }: Pick<SensitivityTable, 'gainsFrom'>): boolean =>
  gainsFrom !== undefined && gainsFrom.by === undefined && gainsFrom.model === undefined;

/** The row without its gain and where that comes from. */
export const withoutGain = ({
  gain: _,
  measured: __,
  isEstimated: ___,
  ...row
}: SensitivityRow): SensitivityRow => row;

const withFewBits = perTable((table): SensitivityTable => {
  if (!table.fewBits) return table;
  const { gainsFrom, gains } = table.fewBits;
  return { ...table, gainsFrom, rows: table.rows.map((row, i) => ({ ...withoutGain(row), ...gains[i] })) };
});

/** The table by which a plan of so many bits per weight is solved. */
export const tableFor = (table: SensitivityTable, bitsPerWeight: number): SensitivityTable =>
  bitsPerWeight < fewBits ? withFewBits(table) : table;

/** What is solved by the gains for the bits per weight that the usual ones lead to. */
export function solveByBits<T>(
  table: SensitivityTable,
  solve: (table: SensitivityTable) => T,
  bitsOf: (solved: T) => number,
): T {
  const usual = solve(table);
  const better = tableFor(table, bitsOf(usual));
  return better === table ? usual : solve(better);
}
