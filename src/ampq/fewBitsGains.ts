import { takesFewBits } from '../protocol/fewBits';
import type { SensitivityRow, SensitivityTable } from '../protocol/plan';
import { withGains, type MeasuredDivergences } from './gains';

/** The table with gains for plans of few bits beside its own, where they were measured in the same way over the same text. */
export function withFewBits(
  table: SensitivityTable,
  measured: MeasuredDivergences | undefined,
): SensitivityTable {
  if (!measured || measured.by || !takesFewBits(table) || measured.text.hash !== table.gainsFrom!.hash)
    return table;
  const { rows, gainsFrom } = withGains(table, measured);
  return { ...table, fewBits: { gainsFrom: gainsFrom!, gains: rows.map(gainOf) } };
}

const gainOf = ({
  gain,
  measured,
  isEstimated,
}: SensitivityRow): Pick<SensitivityRow, 'gain' | 'measured' | 'isEstimated'> => ({
  ...(gain === undefined ? {} : { gain }),
  ...(measured ? { measured } : {}),
  ...(isEstimated ? { isEstimated } : {}),
});
