import { QuantscopeError, throwIfCancelled } from '../model/errors';
import type { Model } from '../model/model';
import { matrixOf, maxRowWeights, partWeights, readAs } from '../model/rows';
import type { TensorDescriptor } from '../protocol/model';
import { said } from '../protocol/said';
import type { ConvertedTensor } from './convertedTensor';
import type { ColumnOrder, RowRange, Unit } from './description';

/** Bytes of source weights, and weights, that are processed at a time. */
const slabBytes = 8 * 1024 * 1024;
const slabWeights = 8 * 1024 * 1024;

/** Rows that are reordered are read together: the largest transposed matrices of published models have less than this (bytes). */
const maxUnitBytes = 2 ** 31;

/** A part of a converted tensor: where its bytes are, and which weights of the file they become. */
export interface Slab {
  /** Dtype of the bytes. */
  readonly dtype: string;
  readonly bytes: number;
  /** Index of the first weight, and how many. */
  readonly firstWeight: number;
  readonly weights: number;
  /** Weights per row: the tensor's `columns`, or fewer where its rows are processed in parts. */
  readonly columns: number;
  /** What is read into the slab, in order. */
  readonly reads: readonly SlabRead[];
}

export interface SlabRead {
  readonly tensor: TensorDescriptor;
  readonly offset: number;
  /** Bytes that are kept. */
  readonly length: number;
  /** Rows that are apart: their bytes, and those from the start of one to the start of the next. */
  readonly apart?: { readonly rowBytes: number; readonly step: number };
}

export interface SlabOptions {
  /** Most bytes of a slab, which is at least one unit of rows, or one part of a long row. */
  readonly maxBytes?: number;
  /** Tensors (experts, where slabs end at these) of at most so many weights are read whole. */
  readonly wholeUpTo?: number;
  /** Slabs also end at multiples of so many weights (those of an expert). */
  readonly cutEvery?: number;
}

/**
 * The slabs of a converted tensor in the order of the file: whole units of rows of one dtype each, or parts of one row where rows
 * have more than `maxRowWeights`. None for an empty tensor. Reads nothing.
 * @throws QuantscopeError UNSUPPORTED when rows that are reordered do not fit into memory.
 */
export function* slabsOf(
  converted: ConvertedTensor,
  { maxBytes = slabBytes, wholeUpTo = 0, cutEvery = Infinity }: SlabOptions = {},
): Generator<Slab> {
  const step = converted.unit?.rows ?? 1;
  const isWhole = Math.min(cutEvery, product(converted.shape)) <= wholeUpTo;
  let open: OpenSlab | undefined;
  let at = 0;
  for (const run of runsOf(converted)) {
    const { tensor, dtype, columns, rowBytes } = run;
    const fitting = isWhole ? Infinity : Math.min(maxBytes / rowBytes, slabWeights / columns);
    const perSlab = step * Math.max(1, Math.floor(fitting / step));
    if (open && (open.dtype !== dtype || open.columns !== columns)) {
      yield closed(open);
      open = undefined;
    }
    for (let done = 0; done < run.rows;) {
      open ??= { dtype, columns, firstWeight: at, rows: 0, bytes: 0, reads: [] };
      const untilCut = Math.floor((cutEvery - (at % cutEvery)) / columns);
      const count = Math.min(run.rows - done, perSlab - open.rows, untilCut);
      const length = count * rowBytes;
      const offset = run.offset + done * run.step;
      const apart = run.step === rowBytes ? {} : { apart: { rowBytes, step: run.step } };
      open.reads.push({ tensor, offset, length, ...apart });
      open.rows += count;
      open.bytes += length;
      done += count;
      at += count * columns;
      if (open.rows < perSlab && at % cutEvery !== 0) continue;
      yield closed(open);
      open = undefined;
    }
  }
  if (open) yield closed(open);
}

const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

interface OpenSlab {
  readonly dtype: string;
  readonly columns: number;
  readonly firstWeight: number;
  rows: number;
  bytes: number;
  readonly reads: SlabRead[];
}

const closed = ({ rows, ...slab }: OpenSlab): Slab => ({ ...slab, weights: rows * slab.columns });

/** Rows of one tensor, one after the other. */
interface Run {
  readonly tensor: TensorDescriptor;
  /** Of its data as it is read. */
  readonly dtype: string;
  /** Bytes from the tensor's start. */
  readonly offset: number;
  readonly rows: number;
  /** Of each row that become part of the tensor. */
  readonly columns: number;
  readonly rowBytes: number;
  /** Bytes from the start of a row to the start of the next. */
  readonly step: number;
}

/** The pieces of a converted tensor; of long rows the parts. */
function* runsOf({ columns, pieces, unit, name }: ConvertedTensor): Generator<Run> {
  for (const { tensor, firstRow, rows, step: rowStep = 1 } of pieces) {
    if (tensor.elements === 0 || columns === 0) continue;
    const { dtype, bytes } = readAs(tensor);
    const weightBytes = bytes / tensor.elements;
    const rowBytes = weightBytes * (pickedOf(unit) ? matrixOf(tensor.shape).columns : columns);
    const offset = firstRow * rowBytes;
    const step = rowStep * rowBytes;
    if (unit && unit.rows * rowBytes > maxUnitBytes)
      throw new QuantscopeError(
        'UNSUPPORTED',
        said`${unit.rows} rows of ${columns} weights are reordered together and do not fit into memory.`,
        { file: tensor.file, tensor: name, offset: tensor.offset },
      );
    if (unit || columns <= maxRowWeights) yield { tensor, dtype, offset, rows, columns, rowBytes, step };
    else
      for (let row = 0; row < rows; row++)
        for (const part of cutRow(offset + row * step, columns, weightBytes))
          yield { tensor, dtype, ...part };
  }
}

function* cutRow(
  offset: number,
  columns: number,
  weightBytes: number,
): Generator<Pick<Run, 'offset' | 'rows' | 'columns' | 'rowBytes' | 'step'>> {
  const parts = Math.floor(columns / partWeights);
  const rest = columns - parts * partWeights;
  const rowBytes = partWeights * weightBytes;
  yield { offset, rows: parts, columns: partWeights, rowBytes, step: rowBytes };
  if (rest === 0) return;
  const restBytes = rest * weightBytes;
  yield { offset: offset + parts * rowBytes, rows: 1, columns: rest, rowBytes: restBytes, step: restBytes };
}

/**
 * Reads a slab and puts its rows in the order of the file; what is added to weights is left to the code that decodes them.
 * @param target exactly `slab.bytes` long; allocated when absent. `scratch` as long, for orders that need it.
 * @returns the bytes, in `target` or, for a changed order, in `scratch`.
 */
export async function readSlab(
  model: Model,
  converted: ConvertedTensor,
  slab: Slab,
  {
    target,
    scratch,
    signal,
  }: { target?: Uint8Array; scratch?: Uint8Array; signal?: AbortSignal | undefined } = {},
): Promise<Uint8Array> {
  throwIfCancelled(signal);
  const bytes = target ?? new Uint8Array(slab.bytes);
  let at = 0;
  for (const read of slab.reads) {
    await readRows(model, read, bytes.subarray(at, at + read.length), signal);
    at += read.length;
  }
  const { unit } = converted;
  if (!unit) return bytes;
  const kept = pickedOf(unit) ? (slab.bytes * converted.columns) / sourceColumns(converted) : slab.bytes;
  const arranged = (scratch ?? new Uint8Array(slab.bytes)).subarray(0, kept);
  arrange(bytes, arranged, unit, slab, converted);
  return arranged;
}

/** The columns of a transposed unit that become rows, where they are not all. */
const pickedOf = (unit: Unit | undefined) => (unit?.order === 'transpose' ? unit.columns : undefined);

/** Weights per row of the sources. */
const sourceColumns = ({ pieces }: ConvertedTensor): number => matrixOf(pieces[0]!.tensor.shape).columns;

/** Rows that are apart are read with what lies between them, which is left out. */
async function readRows(
  model: Model,
  { tensor, offset, length, apart }: SlabRead,
  target: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (!apart) return model.readInto(tensor, offset, target, signal);
  const { rowBytes, step } = apart;
  const rows = length / rowBytes;
  const span = new Uint8Array((rows - 1) * step + rowBytes);
  await model.readInto(tensor, offset, span, signal);
  for (let row = 0; row < rows; row++)
    target.set(span.subarray(row * step, row * step + rowBytes), row * rowBytes);
}

/** Slabs of a converted tensor with their bytes. */
export async function* convertedSlabs(
  model: Model,
  converted: ConvertedTensor,
  { signal, ...options }: SlabOptions & { signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Slab & { readonly data: Uint8Array }> {
  for (const slab of slabsOf(converted, options)) {
    yield { ...slab, data: await readSlab(model, converted, slab, { signal }) };
  }
}

function arrange(
  from: Uint8Array,
  to: Uint8Array,
  unit: Unit,
  { weights }: Slab,
  { columns, name }: ConvertedTensor,
): void {
  const weightBytes = to.length / weights;
  const unitBytes = unit.rows * columns * weightBytes;
  const ratio = from.length / to.length;
  const picked = pickedOf(unit) ?? { first: 0, count: columns };
  for (let start = 0; start < to.length; start += unitBytes) {
    const source = from.subarray(start * ratio, (start + unitBytes) * ratio);
    const target = to.subarray(start, start + unitBytes);
    if (unit.order === 'interleave') interleave(source, target, unit.rows);
    else if (unit.order === 'regroup') regroup(source, target, unit, weightBytes, name);
    else transpose(source, target, { rows: unit.rows, columns: picked, weightBytes, name });
  }
}

/** Row j·d/2 + i becomes row 2·i + j of d rows, for j in {0, 1}. */
function interleave(from: Uint8Array, to: Uint8Array, rows: number): void {
  const rowBytes = from.length / rows;
  const half = rows / 2;
  for (let i = 0; i < half; i++) {
    to.set(from.subarray(i * rowBytes, (i + 1) * rowBytes), 2 * i * rowBytes);
    to.set(from.subarray((half + i) * rowBytes, (half + i + 1) * rowBytes), (2 * i + 1) * rowBytes);
  }
}

/** Columns [groups, members, size] of a row become [members, groups, size]. */
function regroup(
  from: Uint8Array,
  to: Uint8Array,
  { groups, members, size }: ColumnOrder,
  weightBytes: number,
  name: string,
): void {
  const bytes = size * weightBytes;
  if (!Number.isInteger(weightBytes) || from.length !== groups * members * bytes)
    throw new QuantscopeError('UNSUPPORTED', said`The columns of weights in blocks cannot be reordered.`, {
      tensor: name,
    });
  for (let group = 0; group < groups; group++) {
    for (let member = 0; member < members; member++) {
      const start = (group * members + member) * bytes;
      to.set(from.subarray(start, start + bytes), (member * groups + group) * bytes);
    }
  }
}

interface Transposed {
  readonly rows: number;
  /** Columns that become rows. */
  readonly columns: RowRange;
  readonly weightBytes: number;
  readonly name: string;
}

/** A matrix of plain numbers, `[rows, columns]`, as `[columns, rows]`. @throws QuantscopeError UNSUPPORTED for weights in blocks. */
export function transpose(
  from: Uint8Array,
  to: Uint8Array,
  { rows, columns: { first, count: columns, step = 1 }, weightBytes, name }: Transposed,
): void {
  const View = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array, 8: BigUint64Array }[weightBytes];
  if (!View)
    throw new QuantscopeError('UNSUPPORTED', said`Weights in blocks cannot be transposed.`, { tensor: name });
  const source = new View(from.buffer as ArrayBuffer, from.byteOffset, from.length / weightBytes);
  const target = new View(to.buffer as ArrayBuffer, to.byteOffset, to.length / weightBytes);
  const wide = source.length / rows;
  // In tiles, so that neither side leaves the cache.
  const tile = 32;
  for (let firstRow = 0; firstRow < rows; firstRow += tile) {
    for (let firstColumn = 0; firstColumn < columns; firstColumn += tile) {
      const lastRow = Math.min(rows, firstRow + tile);
      const lastColumn = Math.min(columns, firstColumn + tile);
      for (let row = firstRow; row < lastRow; row++) {
        for (let column = firstColumn; column < lastColumn; column++)
          target[column * rows + row] = source[row * wide + first + column * step]!;
      }
    }
  }
}
