import type { FormatComparison, TensorComparison } from '../src/protocol/analysis';

/** Formats of several tensors: one for all, and others for some. */

/** The format that a tensor gets: its own, else the common one; where that does not fit, the next larger one that does. */
export function formatFor(
  { formats }: TensorComparison,
  common: string | undefined,
  own: string | undefined,
  bitsOf: (format: string) => number,
): FormatComparison | undefined {
  const find = (wanted: string | undefined): FormatComparison | undefined =>
    formats.find(({ format }) => format === wanted);
  const exact = find(own) ?? find(common);
  if (exact || formats.length === 0) return exact;
  const ordered = [...formats].sort((a, b) => a.bytes - b.bytes);
  const wantedBits = common === undefined ? 0 : bitsOf(common);
  return ordered.find(({ bitsPerWeight }) => bitsPerWeight >= wantedBits) ?? ordered.at(-1);
}

export interface ChoiceTotals {
  readonly tensors: number;
  readonly bytes: number;
  readonly sourceBytes: number;
  readonly bitsPerWeight: number;
  /** Σ relative squared error × weights / Σ weights. */
  readonly error: number;
}

/** Totals of the choices. */
export function totalsOf(
  chosen: readonly { readonly result: TensorComparison; readonly format: FormatComparison }[],
): ChoiceTotals {
  let [bytes, sourceBytes, weights, error] = [0, 0, 0, 0];
  for (const { result, format } of chosen) {
    const its = (8 * format.bytes) / format.bitsPerWeight;
    bytes += format.bytes;
    sourceBytes += result.sourceBytes;
    weights += its;
    error += format.error.relativeSquaredError * its;
  }
  return {
    ...{ tensors: chosen.length, bytes, sourceBytes },
    ...{ bitsPerWeight: (8 * bytes) / weights, error: error / weights },
  };
}
