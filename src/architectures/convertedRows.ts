import { QuantscopeError, throwIfCancelled } from '../model/errors';
import type { Model } from '../model/model';
import { maxRowWeights, partWeights, readAs } from '../model/rows';
import type { TensorDescriptor } from '../protocol/model';
import type { ConvertedTensor } from './convertedTensor';
import type { Unit } from './description';

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
  readonly reads: readonly {
    readonly tensor: TensorDescriptor;
    readonly offset: number;
    readonly length: number;
  }[];
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
      open.reads.push({ tensor, offset: run.offset + done * rowBytes, length });
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
  readonly reads: Slab['reads'][number][];
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
  readonly columns: number;
  readonly rowBytes: number;
}

/** The pieces of a converted tensor; of long rows the parts. */
function* runsOf({ columns, pieces, unit, name }: ConvertedTensor): Generator<Run> {
  for (const { tensor, firstRow, rows } of pieces) {
    if (tensor.elements === 0 || columns === 0) continue;
    const { dtype, bytes } = readAs(tensor);
    const weightBytes = bytes / tensor.elements;
    const rowBytes = weightBytes * columns;
    const offset = firstRow * rowBytes;
    if (unit && unit.rows * rowBytes > maxUnitBytes)
      throw new QuantscopeError(
        'UNSUPPORTED',
        `${unit.rows} rows of ${columns} weights are reordered together and do not fit into memory.`,
        { file: tensor.file, tensor: name, offset: tensor.offset },
      );
    if (unit || columns <= maxRowWeights) yield { tensor, dtype, offset, rows, columns, rowBytes };
    else
      for (let row = 0; row < rows; row++)
        for (const part of cutRow(offset + row * rowBytes, columns, weightBytes))
          yield { tensor, dtype, ...part };
  }
}

function* cutRow(
  offset: number,
  columns: number,
  weightBytes: number,
): Generator<Pick<Run, 'offset' | 'rows' | 'columns' | 'rowBytes'>> {
  const parts = Math.floor(columns / partWeights);
  const rest = columns - parts * partWeights;
  const rowBytes = partWeights * weightBytes;
  yield { offset, rows: parts, columns: partWeights, rowBytes };
  if (rest === 0) return;
  yield { offset: offset + parts * rowBytes, rows: 1, columns: rest, rowBytes: rest * weightBytes };
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
  for (const { tensor, offset, length } of slab.reads) {
    await model.readInto(tensor, offset, bytes.subarray(at, at + length), signal);
    at += length;
  }
  if (!converted.unit) return bytes;
  const arranged = scratch ?? new Uint8Array(slab.bytes);
  arrange(bytes, arranged, converted.unit, slab, converted);
  return arranged;
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
  const weightBytes = from.length / weights;
  const unitBytes = unit.rows * columns * weightBytes;
  for (let start = 0; start < from.length; start += unitBytes) {
    const source = from.subarray(start, start + unitBytes);
    const target = to.subarray(start, start + unitBytes);
    if (unit.order === 'interleave') interleave(source, target, unit.rows);
    else transpose(source, target, unit.rows, weightBytes, name);
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

function transpose(from: Uint8Array, to: Uint8Array, rows: number, weightBytes: number, name: string): void {
  const View = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array, 8: BigUint64Array }[weightBytes];
  if (!View)
    throw new QuantscopeError('UNSUPPORTED', 'Weights in blocks cannot be transposed.', { tensor: name });
  const source = new View(from.buffer as ArrayBuffer, from.byteOffset, from.length / weightBytes);
  const target = new View(to.buffer as ArrayBuffer, to.byteOffset, to.length / weightBytes);
  const columns = source.length / rows;
  // In tiles, so that neither side leaves the cache.
  const tile = 32;
  for (let firstRow = 0; firstRow < rows; firstRow += tile) {
    for (let firstColumn = 0; firstColumn < columns; firstColumn += tile) {
      const lastRow = Math.min(rows, firstRow + tile);
      const lastColumn = Math.min(columns, firstColumn + tile);
      for (let row = firstRow; row < lastRow; row++) {
        for (let column = firstColumn; column < lastColumn; column++)
          target[column * rows + row] = source[row * columns + column]!;
      }
    }
  }
}
