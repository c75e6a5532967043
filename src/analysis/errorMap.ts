import type { ErrorMap } from '../protocol/compare';

/** Most cells of the map in each direction. */
const mapSize = 128;

/** Root mean square of differences in cells of a matrix, whose weights are added in their order. */
export class ErrorMapMeter {
  private readonly mapRows: number;
  private readonly mapColumns: number;
  private readonly squares: Float64Array;
  private readonly weights: Float64Array;
  private index = 0;

  constructor(private readonly matrix: { readonly rows: number; readonly columns: number }) {
    this.mapRows = Math.min(matrix.rows, mapSize);
    this.mapColumns = Math.min(matrix.columns, mapSize);
    this.squares = new Float64Array(this.mapRows * this.mapColumns);
    this.weights = new Float64Array(this.squares.length);
  }

  add(left: Float32Array, right: Float32Array): void {
    const { rows, columns } = this.matrix;
    for (let i = 0; i < left.length; i++, this.index++) {
      const row = Math.floor(this.index / columns);
      const column = this.index - row * columns;
      const mapRow = Math.floor((row * this.mapRows) / rows);
      const cell = mapRow * this.mapColumns + Math.floor((column * this.mapColumns) / columns);
      this.squares[cell]! += (left[i]! - right[i]!) ** 2;
      this.weights[cell]! += 1;
    }
  }

  finish(): ErrorMap {
    const { mapRows, mapColumns } = this;
    const values = [...this.squares].map((square, cell) => Math.sqrt(square / this.weights[cell]!));
    return { ...this.matrix, mapRows, mapColumns, values };
  }
}
