import type { LensRow } from '../protocol/lens';

/** Rows that are kept: a few dozen tensors by all usual recipes, of about 3 kB each. */
const most = 4000;

/** Rows of lenses by all that they depend on; the least recently used go first. */
export class LensRows {
  private readonly rows = new Map<string, LensRow>();

  get(key: string): LensRow | undefined {
    const row = this.rows.get(key);
    if (row) this.set(key, row);
    return row;
  }

  /** A row that is not of the whole tensor, or that a calibration would change, is not kept. */
  set(key: string, row: LensRow): void {
    if (row.share !== undefined || row.result === undefined) return;
    this.rows.delete(key);
    this.rows.set(key, row);
    const [oldest] = this.rows.keys();
    if (this.rows.size > most) this.rows.delete(oldest!);
  }
}
