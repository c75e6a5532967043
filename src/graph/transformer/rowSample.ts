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

/** A number whose bits look random, from 0 to 2^32 − 1 (the finalizer of MurmurHash3). */
function scrambled(index: number): number {
  let bits = Math.imul(index + 1, 0x9e3779b1);
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
