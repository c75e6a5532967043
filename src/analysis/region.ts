import { dtypeNamed } from '../model/dtypes';
import { QuantscopeError, throwIfCancelled } from '../model/errors';
import type { Model } from '../model/model';
import { matrixOf, readAs } from '../model/rows';
import type { CellSize, RegionMap, TensorRegion } from '../protocol/analysis';
import type { TensorDescriptor } from '../protocol/model';
import { said } from '../protocol/said';
import { exactNumbers } from './float32';
import { floatsOf } from './tensorReader';

/** Cells of the map in each direction; a region of that size or smaller is given weight by weight. */
const mapSize = 128;
/** Cells of a map whose size is asked for: an answer of 2 MiB as numbers. */
const maxCells = 1 << 18;
/** Weights that are decoded at a time (8 MiB as float32). */
const stripWeights = 2 * 1024 * 1024;
/** Parts of rows are read in one piece with what lies between them where that makes up to so many times the bytes. */
const worthReading = 4;

export interface RegionOptions {
  /** Weights per cell; as many as make a map of at most 128 × 128 cells unless given. */
  readonly cell?: CellSize | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A rectangle of a tensor: its weights, or max |w| of cells of several. Only the blocks that the rectangle touches are read, and what lies
 * between them where rows are short. Values are those of the file, in double precision where float32 is too small for the dtype.
 * @throws QuantscopeError REQUEST for a rectangle outside the tensor or too many cells, UNSUPPORTED for a tensor that cannot be decoded.
 */
export async function readRegion(
  model: Model,
  tensor: TensorDescriptor,
  region: TensorRegion,
  { cell = fittingCell(region), signal }: RegionOptions = {},
): Promise<RegionMap> {
  check(tensor, region, cell);
  const map = emptyMap(region, cell);
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

function fittingCell({ rows, columns }: TensorRegion): CellSize {
  return { rows: Math.ceil(rows / mapSize), columns: Math.ceil(columns / mapSize) };
}

function check(tensor: TensorDescriptor, region: TensorRegion, cell: CellSize): void {
  const place = { file: tensor.file, tensor: tensor.name };
  if (!tensor.readable)
    throw new QuantscopeError(
      'UNSUPPORTED',
      tensor.unreadableReason ?? said`The tensor cannot be read.`,
      place,
    );
  const { rows, columns } = matrixOf(tensor.shape);
  const isInside = (first: number, count: number, end: number): boolean =>
    [first, count].every(Number.isSafeInteger) && first >= 0 && count > 0 && first + count <= end;
  if (
    !isInside(region.firstRow, region.rows, rows) ||
    !isInside(region.firstColumn, region.columns, columns)
  ) {
    const asked = `${region.rows} × ${region.columns} weights from row ${region.firstRow}, column ${region.firstColumn}`;
    throw new QuantscopeError('REQUEST', said`The tensor of ${rows} × ${columns} has no ${asked}.`, place);
  }
  const isSize = (size: number): boolean => Number.isSafeInteger(size) && size > 0;
  const cells = Math.ceil(region.rows / cell.rows) * Math.ceil(region.columns / cell.columns);
  if (isSize(cell.rows) && isSize(cell.columns) && cells <= maxCells) return;
  const of = `cells of ${cell.rows} × ${cell.columns} weights`;
  throw new QuantscopeError(
    'REQUEST',
    said`A map has at most ${maxCells} cells; ${of} do not make one.`,
    place,
  );
}

function emptyMap(region: TensorRegion, cell: CellSize): RegionMap & { values: number[] } {
  const { firstRow, firstColumn, rows, columns } = region;
  const mapRows = Math.ceil(rows / cell.rows);
  const mapColumns = Math.ceil(columns / cell.columns);
  const values = new Array<number>(mapRows * mapColumns).fill(0);
  return {
    ...{ firstRow, firstColumn, rows, columns },
    ...{ cellRows: cell.rows, cellColumns: cell.columns, mapRows, mapColumns, values },
  };
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
  if (cellRows === 1 && cellColumns === 1) {
    for (let i = 0; i < weights.length; i++) values[start + column + i] = weights[i]!;
    return;
  }
  for (let i = 0; i < weights.length;) {
    const cell = start + Math.floor((column + i) / cellColumns);
    const end = Math.min(weights.length, (cell - start + 1) * cellColumns - column);
    let largest = values[cell]!;
    for (; i < end; i++) {
      const magnitude = Math.abs(weights[i]!);
      if (magnitude > largest && magnitude < Infinity) largest = magnitude;
    }
    values[cell] = largest;
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
  const bytes = await readPieces(
    model,
    tensor,
    {
      ...{ first: ((row * columns) / block + first) * blockBytes, count: rows },
      ...{ bytes: blocks * blockBytes, stride: (columns / block) * blockBytes },
    },
    signal,
  );
  const values =
    exactNumbers(dtype, bytes) ??
    (await floatsOf({ dtype, data: bytes, weights: rows * blocks * block }, signal));
  const skipped = column - first * block;
  return Array.from({ length: rows }, (_, i) => {
    const start = i * blocks * block + skipped;
    return values.subarray(start, start + width);
  });
}

/** Pieces of a tensor's data at equal distances, bytes. */
interface Pieces {
  readonly first: number;
  readonly count: number;
  readonly bytes: number;
  readonly stride: number;
}

/** The pieces one after the other: read in one go where little or nothing lies between them. */
async function readPieces(
  model: Model,
  tensor: TensorDescriptor,
  { first, count, bytes, stride }: Pieces,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const span = (count - 1) * stride + bytes;
  if (span <= worthReading * count * bytes) {
    const read = new Uint8Array(span);
    await model.readInto(tensor, first, read, signal);
    if (stride === bytes) return read;
    for (let i = 1; i < count; i++) read.copyWithin(i * bytes, i * stride, i * stride + bytes);
    return read.slice(0, count * bytes);
  }
  const read = new Uint8Array(count * bytes);
  for (let i = 0; i < count; i++)
    await model.readInto(tensor, first + i * stride, read.subarray(i * bytes, (i + 1) * bytes), signal);
  return read;
}
