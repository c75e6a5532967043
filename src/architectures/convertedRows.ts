import { QuantscopeError, throwIfCancelled } from '../model/errors';
import type { Model } from '../model/openModel';
import type { TensorDescriptor } from '../protocol/model';
import type { ConvertedTensor } from './convertedTensor';
import type { Unit } from './description';

/** Bytes of source weights that are worked on at a time. */
const slabBytes = 8 * 1024 * 1024;

/** A part of a converted tensor: where its bytes are, and which weights of the file they become. */
export interface Slab {
  /** Dtype of the bytes. */
  readonly dtype: string;
  readonly bytes: number;
  /** Index of the first weight, and how many. */
  readonly firstWeight: number;
  readonly weights: number;
  /** What is read into the slab, one after the other. */
  readonly reads: readonly {
    readonly tensor: TensorDescriptor;
    readonly offset: number;
    readonly length: number;
  }[];
}

export interface SlabOptions {
  /** Most bytes of a slab; one unit of rows at least. */
  readonly maxBytes?: number;
  /** Slabs end at multiples of so many weights (those of an expert), too. */
  readonly cutEvery?: number;
}

/** The slabs of a converted tensor in the order of the file: whole units of rows of one dtype each. Reads nothing. */
export function* slabsOf(
  { columns, pieces, unit }: ConvertedTensor,
  { maxBytes = slabBytes, cutEvery }: SlabOptions = {},
): Generator<Slab> {
  const step = unit?.rows ?? 1;
  const cutRows = cutEvery === undefined ? Infinity : cutEvery / columns;
  let row = 0;
  let open:
    { dtype: string; first: number; rows: number; bytes: number; reads: Slab['reads'][number][] } | undefined;
  const close = function* (): Generator<Slab> {
    if (!open) return;
    const { dtype, bytes, first, rows, reads } = open;
    open = undefined;
    yield { dtype, bytes, firstWeight: first * columns, weights: rows * columns, reads };
  };
  for (const { tensor, firstRow, rows } of pieces) {
    if (tensor.elements === 0) continue;
    const rowBytes = (tensor.byteLength / tensor.elements) * columns;
    const perSlab = step * Math.max(1, Math.floor(maxBytes / (rowBytes * step)));
    if (open && open.dtype !== tensor.dtype) yield* close();
    for (let done = 0; done < rows;) {
      open ??= { dtype: tensor.dtype, first: row, rows: 0, bytes: 0, reads: [] };
      const untilCut = cutRows - (row % cutRows);
      const count = Math.min(rows - done, perSlab - open.rows, untilCut);
      const length = count * rowBytes;
      open.reads.push({ tensor, offset: (firstRow + done) * rowBytes, length });
      open.rows += count;
      open.bytes += length;
      done += count;
      row += count;
      if (open.rows >= perSlab || row % cutRows === 0) yield* close();
    }
  }
  yield* close();
}

/**
 * Reads a slab and puts its rows in the order of the file; what is added to weights is left to who decodes them.
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
