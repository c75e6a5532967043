/** Bytes of a matrix that are transposed at a time. */
export const bandBytes = 256 * 1024 * 1024;

type Elements = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Float32Array<ArrayBuffer>;

/** Sides of the squares that are transposed at a time, so that neither side leaves the cache. */
const tile = 32;

/**
 * Writes a matrix `[rows, columns]`, which comes in slabs of whole rows, as `[columns, rows]`. Rows are collected to bands of at most
 * 256 MiB, so that most matrices are one write, and memory stays bounded for the others.
 */
export class Transposed<T extends Elements> {
  private readonly rows: number;
  private readonly columns: number;
  private readonly bandRows: number;
  private readonly band: T;
  private filled = 0;
  private done = 0;

  /**
   * @param make memory for so many elements.
   * @param write writes elements of the transposed matrix, from index `at` on; they may be changed by the next call.
   * @param rowMultiple bands have a multiple of so many rows, all when the matrix has not.
   */
  constructor(
    [rows, columns]: readonly [number, number],
    make: (length: number) => T,
    private readonly write: (at: number, elements: T) => Promise<void>,
    { rowMultiple = 1, maxBytes = bandBytes }: { rowMultiple?: number; maxBytes?: number } = {},
  ) {
    this.rows = rows;
    this.columns = columns;
    const elementBytes = make(1).BYTES_PER_ELEMENT;
    const fitting = Math.max(1, Math.floor(maxBytes / (columns * elementBytes * rowMultiple))) * rowMultiple;
    this.bandRows = rows % rowMultiple === 0 ? Math.min(rows, fitting) : rows;
    this.band = make(this.bandRows * columns);
  }

  /** Adds whole rows. */
  async add(elements: T): Promise<void> {
    const count = elements.length / this.columns;
    for (let row = 0; row < count;) {
      const taken = Math.min(count - row, this.bandRows - this.filled);
      this.place(elements, row, taken);
      row += taken;
      this.filled += taken;
      if (this.filled === this.bandRows || this.done + this.filled === this.rows) await this.flush();
    }
  }

  private place(from: T, firstRow: number, count: number): void {
    const { columns, band, bandRows, filled } = this;
    for (let top = 0; top < count; top += tile) {
      const bottom = Math.min(count, top + tile);
      for (let left = 0; left < columns; left += tile) {
        const right = Math.min(columns, left + tile);
        for (let row = top; row < bottom; row++) {
          const source = (firstRow + row) * columns;
          const target = filled + row;
          for (let column = left; column < right; column++)
            band[column * bandRows + target] = from[source + column]!;
        }
      }
    }
  }

  private async flush(): Promise<void> {
    const { columns, rows, band, bandRows, filled, done } = this;
    if (filled === rows) await this.write(0, band);
    else
      for (let column = 0; column < columns; column++)
        await this.write(
          column * rows + done,
          band.subarray(column * bandRows, column * bandRows + filled) as T,
        );
    this.done += filled;
    this.filled = 0;
  }
}
