const maxLines = 1 << 22;

/** Sums of squares along the rows and columns of a matrix, and counts of weights beyond thresholds. */
export class LineSums {
  readonly rows: { squares: Float64Array; finite: Float64Array };
  readonly columns: { squares: Float64Array; finite: Float64Array };

  constructor(
    rows: number,
    private readonly width: number,
  ) {
    const none = (lines: number): { squares: Float64Array; finite: Float64Array } => {
      const length = lines > maxLines ? 0 : lines;
      return { squares: new Float64Array(length), finite: new Float64Array(length) };
    };
    this.rows = none(rows);
    this.columns = none(width);
  }

  add(values: Float32Array, firstWeight: number): void {
    const { rows, columns, width } = this;
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      if (!Number.isFinite(value)) continue;
      const row = Math.floor((firstWeight + i) / width);
      const column = (firstWeight + i) % width;
      rows.squares[row]! += value * value;
      rows.finite[row]! += 1;
      columns.squares[column]! += value * value;
      columns.finite[column]! += 1;
    }
  }
}

/** Finite weights with a larger magnitude than each of the thresholds. */
export const countBeyond = (values: Float32Array, thresholds: readonly number[]): number[] =>
  thresholds.map((threshold) =>
    values.reduce((n, value) => n + (Math.abs(value) > threshold && Number.isFinite(value) ? 1 : 0), 0),
  );
