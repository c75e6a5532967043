import type { GroupMap } from '../protocol/analysis';

/** Cells of a map in each direction: as many as a panel can show. */
const mapSize = 128;

/** Means of a parameter of groups over the cells of a map. Rows are added in order, in any pieces. */
export class GroupMeans {
  private readonly cellRows: number;
  private readonly cellGroups: number;
  private readonly mapRows: number;
  private readonly mapGroups: number;
  private readonly sums: Float64Array;
  private readonly counts: Float64Array;
  private min = Infinity;
  private max = -Infinity;

  constructor(
    private readonly rows: number,
    /** Per row. */
    private readonly groups: number,
  ) {
    this.cellRows = Math.ceil(rows / mapSize);
    this.cellGroups = Math.ceil(groups / mapSize);
    this.mapRows = Math.ceil(rows / this.cellRows);
    this.mapGroups = Math.ceil(groups / this.cellGroups);
    this.sums = new Float64Array(this.mapRows * this.mapGroups);
    this.counts = new Float64Array(this.sums.length);
  }

  /** @param values `[rows, groups]` of whole rows. */
  add(firstRow: number, values: Float32Array): void {
    const { groups, sums, counts } = this;
    values.forEach((value, i) => {
      if (!Number.isFinite(value)) return;
      const line = Math.floor((firstRow + Math.floor(i / groups)) / this.cellRows);
      const cell = line * this.mapGroups + Math.floor((i % groups) / this.cellGroups);
      sums[cell]! += value;
      counts[cell]! += 1;
      this.min = Math.min(this.min, value);
      this.max = Math.max(this.max, value);
    });
  }

  map(): GroupMap {
    const { rows, groups, cellRows, cellGroups, mapRows, mapGroups, min, max } = this;
    const values = [...this.sums].map((sum, cell) => sum / this.counts[cell]!);
    const isEmpty = min > max;
    return {
      ...{ rows, groups, cellRows, cellGroups, mapRows, mapGroups, values },
      ...{ min: isEmpty ? NaN : min, max: isEmpty ? NaN : max },
    };
  }
}
