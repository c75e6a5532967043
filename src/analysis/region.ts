import { dtypeNamed } from '../model/dtypes';
import { QuantscopeError, throwIfCancelled } from '../model/errors';
import type { Model } from '../model/model';
import { matrixOf, readAs } from '../model/rows';
import type { RegionMap, TensorRegion } from '../protocol/analysis';
import type { TensorDescriptor } from '../protocol/model';
import { exactNumbers } from './float32';
import { floatsOf } from './tensorReader';

/** Cells of the map in each direction; a region of that size or smaller is given weight by weight. */
const mapSize = 128;
/** Weights that are decoded at a time (8 MiB as float32). */
const stripWeights = 2 * 1024 * 1024;

/**
 * A rectangle of a tensor: its weights, or max |w| of cells where it has more weights than a map shows. Only the blocks that the
 * rectangle touches are read. Values are those of the file, in double precision where float32 is too small for the dtype.
 * @throws QuantscopeError REQUEST for a rectangle outside the tensor, UNSUPPORTED for a tensor that cannot be decoded.
 */
export async function readRegion(
  model: Model,
  tensor: TensorDescriptor,
  region: TensorRegion,
  signal?: AbortSignal,
): Promise<RegionMap> {
  check(tensor, region);
  const map = emptyMap(region);
  const { firstColumn, columns } = region;
  for (let column = 0; column < columns; column += stripWeights) {
    const width = Math.min(stripWeights, columns - column);
    const height = Math.max(1, Math.floor(stripWeights / width));
    for (let row = 0; row < region.rows; row += height) {
      throwIfCancelled(signal);
      const strip = { row: region.firstRow + row, column: firstColumn + column, width };
      const rows = Math.min(height, region.rows - row);
      const pieces = await decodePieces(model, tensor, { ...strip, rows }, signal);
      pieces.forEach((values, i) => addRow(map, row + i, column, values));
    }
  }
  return map;
}

function check(tensor: TensorDescriptor, region: TensorRegion): void {
  const place = { file: tensor.file, tensor: tensor.name };
  if (!tensor.readable)
    throw new QuantscopeError('UNSUPPORTED', tensor.unreadableReason ?? 'The tensor cannot be read.', place);
  const { rows, columns } = matrixOf(tensor.shape);
  const isInside = (first: number, count: number, end: number): boolean =>
    [first, count].every(Number.isSafeInteger) && first >= 0 && count > 0 && first + count <= end;
  if (isInside(region.firstRow, region.rows, rows) && isInside(region.firstColumn, region.columns, columns))
    return;
  const asked = `${region.rows} × ${region.columns} weights from row ${region.firstRow}, column ${region.firstColumn}`;
  throw new QuantscopeError('REQUEST', `The tensor of ${rows} × ${columns} has no ${asked}.`, place);
}

function emptyMap(region: TensorRegion): RegionMap & { values: number[] } {
  const { firstRow, firstColumn, rows, columns } = region;
  const cellRows = Math.ceil(rows / mapSize);
  const cellColumns = Math.ceil(columns / mapSize);
  const mapRows = Math.ceil(rows / cellRows);
  const mapColumns = Math.ceil(columns / cellColumns);
  const values = new Array<number>(mapRows * mapColumns).fill(0);
  return { firstRow, firstColumn, rows, columns, cellRows, cellColumns, mapRows, mapColumns, values };
}

/** Adds part of a row; both indices are relative to the region. */
function addRow(
  map: RegionMap & { values: number[] },
  row: number,
  column: number,
  weights: Float32Array | Float64Array,
): void {
  const { cellRows, cellColumns, mapColumns, values } = map;
  const start = Math.floor(row / cellRows) * mapColumns;
  const isSingle = cellRows === 1 && cellColumns === 1;
  for (let i = 0; i < weights.length; i++) {
    const cell = start + Math.floor((column + i) / cellColumns);
    const value = weights[i]!;
    if (isSingle) values[cell] = value;
    else if (Math.abs(value) > values[cell]! && value - value === 0) values[cell] = Math.abs(value);
  }
}

interface Strip {
  readonly row: number;
  readonly rows: number;
  readonly column: number;
  readonly width: number;
}

/** The strip's weights, row by row: each row's whole blocks are read next to each other and decoded in one call. */
async function decodePieces(
  model: Model,
  tensor: TensorDescriptor,
  { row, rows, column, width }: Strip,
  signal?: AbortSignal,
): Promise<(Float32Array | Float64Array)[]> {
  const { columns } = matrixOf(tensor.shape);
  const { dtype } = readAs(tensor);
  const { block, bitsPerBlock } = dtypeNamed(dtype)!;
  const blockBytes = bitsPerBlock / 8;
  const first = Math.floor(column / block);
  const blocks = Math.ceil((column + width) / block) - first;
  const bytes = new Uint8Array(rows * blocks * blockBytes);
  const rowOffset = (index: number): number => ((index * columns) / block + first) * blockBytes;
  if (blocks * block === columns) {
    await model.readInto(tensor, rowOffset(row), bytes, signal);
  } else {
    for (let i = 0; i < rows; i++) {
      const target = bytes.subarray(i * blocks * blockBytes, (i + 1) * blocks * blockBytes);
      await model.readInto(tensor, rowOffset(row + i), target, signal);
    }
  }
  const values =
    exactNumbers(dtype, bytes) ??
    (await floatsOf({ dtype, data: bytes, weights: rows * blocks * block }, signal));
  const skipped = column - first * block;
  return Array.from({ length: rows }, (_, i) => {
    const start = i * blocks * block + skipped;
    return values.subarray(start, start + width);
  });
}
