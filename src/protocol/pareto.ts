import type { MethodResult } from './methods';

/** The error that decides between recipes: of the outputs where it is known, else of the weights; relative, squared. */
export const decisiveError = ({ outputError, error }: Pick<MethodResult, 'outputError' | 'error'>): number =>
  outputError ?? error.relativeSquaredError;

/**
 * Those that no other one beats: whoever has a smaller error takes more bits. Of equal ones the first counts. Rows without a result are left out.
 */
export function paretoFront<Row extends { readonly result?: MethodResult }>(rows: readonly Row[]): Row[] {
  const measured = rows.filter(
    (row): row is Row & { readonly result: MethodResult } =>
      row.result !== undefined && !Number.isNaN(decisiveError(row.result)),
  );
  measured.sort(
    ({ result: a }, { result: b }) =>
      a.bitsPerWeight - b.bitsPerWeight || decisiveError(a) - decisiveError(b),
  );
  let least = Infinity;
  return measured.filter(({ result }) => {
    const isBetter = decisiveError(result) < least;
    if (isBetter) least = decisiveError(result);
    return isBetter;
  });
}
