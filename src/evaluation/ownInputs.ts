import type { OwnInputs } from '../quant/methods/method';

/** Which inputs count for each row, and by how much. */
export type OwnEntries = Omit<OwnInputs, 'inputs'>;

/** Rows that an input counts for, at most. */
export const mostRows = 32;

/** The weight from which each input counts for a row: variances of all rows have a sum of at most 1. */
const least = 1 / mostRows;

/**
 * Samples of the inputs of each row of the output matrix, weighted by the variance of the gradient at the row's output. Σ over the samples of
 * weight · x xᵀ has the mean of Σ over all tokens of variance · x xᵀ: small variances are sampled in proportion to them (systematic sampling
 * in the order of tokens and rows), and count as `least`.
 */
export class OwnInputSamples {
  private readonly diagonal: Float64Array;
  private readonly slices: {
    readonly rows: number[];
    readonly tokens: number[];
    readonly weights: number[];
  } = {
    ...{ rows: [], tokens: [], weights: [] },
  };
  private carry = 0.5;

  constructor(private readonly vocabulary: number) {
    this.diagonal = new Float64Array(vocabulary);
  }

  /**
   * @param firstToken of the variances.
   * @param slice the rows that they belong to.
   * @param variances `[tokens, rows of the slice]`; 0 for tokens that are not scored.
   */
  add(
    firstToken: number,
    { first, count }: { readonly first: number; readonly count: number },
    variances: Float32Array,
  ): void {
    const { rows, tokens, weights } = this.slices;
    for (let i = 0; i < variances.length; i++) {
      const variance = variances[i]!;
      const row = first + (i % count);
      this.diagonal[row]! += variance;
      if (!Number.isFinite(variance)) continue; // it would decide on all samples after it
      this.carry += Math.min(1, variance / least);
      if (this.carry < 1) continue;
      this.carry -= 1;
      rows.push(row);
      tokens.push(firstToken + Math.floor(i / count));
      weights.push(Math.max(variance, least));
    }
  }

  /** Σ of the variances of each row, and the samples row by row. */
  finish(): OwnEntries & { readonly diagonal: Float64Array } {
    const { rows, tokens, weights } = this.slices;
    const starts = new Int32Array(this.vocabulary + 1);
    for (const row of rows) starts[row + 1]!++;
    for (let row = 0; row < this.vocabulary; row++) starts[row + 1]! += starts[row]!;
    const next = starts.slice();
    const found = { tokens: new Int32Array(rows.length), weights: new Float32Array(rows.length) };
    rows.forEach((row, i) => {
      const at = next[row]!++;
      found.tokens[at] = tokens[i]!;
      found.weights[at] = weights[i]!;
    });
    return { diagonal: this.diagonal, starts, ...found };
  }
}
