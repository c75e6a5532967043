/** In units of rows whose halves GGUF interleaves: the row of a checkpoint that a row of a file is. */
export function checkpointRow(row: number, unit: number): number {
  const within = row % unit;
  return row - within + ((within % 2) * unit) / 2 + Math.floor(within / 2);
}

/** Whole units of rows `[rows, columns]` from the order of a checkpoint to that of a file. */
export function toFileOrder(values: Float32Array, columns: number, unit: number): Float32Array {
  const moved = new Float32Array(values.length);
  for (let row = 0; row < values.length / columns; row++) {
    const from = checkpointRow(row, unit) * columns;
    moved.set(values.subarray(from, from + columns), row * columns);
  }
  return moved;
}

/** The inverse of `toFileOrder`, into `target`. */
export function toCheckpointOrder(
  values: Float32Array,
  columns: number,
  unit: number,
  target: Float32Array,
): void {
  for (let row = 0; row < values.length / columns; row++)
    target.set(values.subarray(row * columns, (row + 1) * columns), checkpointRow(row, unit) * columns);
}
