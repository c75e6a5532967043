import type { Plan, SensitivityRow, SensitivityTable } from '../src/protocol/plan';

/** What tensors do to the output of a model: where it was run over a text, the KL divergence that each error causes. */

/** Decades of divergence below the largest over which a tint fades. */
const decades = 3;

/**
 * KL divergence to expect from a tensor with this relative squared error, nats per token; undefined where nothing was measured
 * or the error is not defined (NaN).
 */
export function influenceOf(
  { gain }: SensitivityRow,
  relativeSquaredError: number | undefined,
): number | undefined {
  if (gain === undefined || relativeSquaredError === undefined || Number.isNaN(relativeSquaredError))
    return undefined;
  return gain * relativeSquaredError;
}

/** The largest influence in the table; 0 when there is none. */
export function largestInfluence({ rows }: SensitivityTable): number {
  const all = rows.flatMap((row) =>
    row.cells.map((cell) => influenceOf(row, cell.relativeSquaredError) ?? 0),
  );
  return all.reduce((a, b) => Math.max(a, b), 0);
}

/** Strength of a tint, 0 to 1: on a scale of decades that ends at the largest. */
export function tintOf(influence: number, largest: number): number {
  if (!(influence > 0)) return 0;
  return Math.max(0, 1 + Math.log10(influence / largest) / decades);
}

/** Each tensor's share of the divergence that a plan expects, 0 to 1; undefined where the plan or the table does not say. */
export function sharesOf(plan: Plan, table: SensitivityTable | undefined): Map<string, number> | undefined {
  const { divergence } = plan.total;
  if (!table || divergence === undefined || !(divergence > 0)) return undefined;
  const rows = new Map(table.rows.map((row) => [row.tensor, row]));
  const shares = plan.assignments.map(({ tensor, relativeSquaredError }) => {
    const row = rows.get(tensor);
    return [tensor, relativeSquaredError === 0 ? 0 : row && influenceOf(row, relativeSquaredError)] as const;
  });
  const known = shares.filter((share): share is [string, number] => share[1] !== undefined);
  const total = known.reduce((sum, [, influence]) => sum + influence, 0);
  if (known.length < shares.length || !(total > 0)) return undefined;
  return new Map(known.map(([tensor, influence]) => [tensor, influence / total]));
}
