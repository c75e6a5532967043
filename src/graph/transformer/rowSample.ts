import { scrambled } from './scrambled';

/**
 * Some of the rows that pass by, each with the same probability (reservoir sampling, Vitter 1985, algorithm R). Which ones depends on
 * their number alone: the same rows are kept however they are cut into runs, and every time.
 */
export class RowSample {
  private kept: Float32Array;
  private seen = 0;

  /** @param capacity rows that are kept at most. */
  constructor(
    readonly capacity: number,
    private readonly columns: number,
  ) {
    this.kept = new Float32Array(capacity * columns);
  }

  /** @param rows `[n, columns]`. */
  add(rows: Float32Array): void {
    const { columns, capacity } = this;
    if (capacity === 0) return;
    for (let at = 0; at < rows.length; at += columns) {
      const place = this.seen < capacity ? this.seen : scrambled(this.seen) % (this.seen + 1);
      this.seen += 1;
      if (place < capacity) this.kept.set(rows.subarray(at, at + columns), place * columns);
    }
  }

  /** `[rows, columns]`. */
  values(): Float32Array {
    return this.kept.slice(0, Math.min(this.seen, this.capacity) * this.columns);
  }
}
