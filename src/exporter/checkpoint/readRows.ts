import { rounded } from '../../layouts/parts';
import { loadNative } from '../../native';
import { throwIfCancelled } from '../../model/errors';
import type { Model } from '../../model/model';
import { matrixOf, readAs } from '../../model/rows';
import type { TensorDescriptor } from '../../protocol/model';
import { applyTransform, type TensorTransform } from '../../quant/transforms';

/** Weights that are read and quantized at a time. */
const slabWeights = 2 ** 22;

/** Some whole rows of a tensor, or entries of a vector. */
export interface Rows {
  readonly firstRow: number;
  readonly rows: number;
  /** `[rows, columns]`. */
  readonly values: Float32Array<ArrayBuffer>;
  /** The same before they were cast; absent where they were not. */
  readonly uncast?: Float32Array<ArrayBuffer>;
}

export interface ReadRowsOptions {
  /** Slabs are multiples of so many rows; the last one may be shorter. */
  readonly wholeRows?: number;
  readonly transform?: TensorTransform | undefined;
  /** Values are rounded to it at last. */
  readonly cast?: 'F16' | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The rows of a tensor in order as float32, transformed, in slabs of about 16 MB. A vector is one row.
 * @throws QuantscopeError IO, MODEL_FILE, CANCELLED.
 */
export async function* readRows(
  model: Model,
  tensor: TensorDescriptor,
  { wholeRows = 1, transform, cast, signal }: ReadRowsOptions = {},
): AsyncGenerator<Rows> {
  const { rows, columns } = matrixOf(tensor.shape);
  if (tensor.elements === 0) return;
  const step = wholeRows * Math.max(1, Math.floor(slabWeights / columns / wholeRows));
  for (let firstRow = 0; firstRow < rows; firstRow += step) {
    throwIfCancelled(signal);
    const count = Math.min(step, rows - firstRow);
    const values = await rowsFrom(model, tensor, firstRow, count, signal);
    if (transform) applyTransform(values, tensor.shape, firstRow, transform);
    const uncast = cast && values.slice();
    if (cast) await rounded(values, cast, signal);
    yield { firstRow, rows: count, values, ...(uncast ? { uncast } : {}) };
  }
}

/** `count` rows from `firstRow` on as float32. @throws QuantscopeError IO, MODEL_FILE, CANCELLED. */
export async function rowsFrom(
  model: Model,
  tensor: TensorDescriptor,
  firstRow: number,
  count: number,
  signal?: AbortSignal,
): Promise<Float32Array<ArrayBuffer>> {
  const { rows, columns } = matrixOf(tensor.shape);
  const { dtype, bytes } = readAs(tensor);
  const rowBytes = bytes / rows;
  const values = new Float32Array(count * columns);
  const stored = await model.read(tensor, firstRow * rowBytes, count * rowBytes, signal);
  await loadNative().decode(dtype, stored, values, signal);
  return values;
}

/** Bytes of values in F32, F16 or BF16; undefined where one is not finite in it. */
export async function encodeFloats(
  values: Float32Array,
  dtype: string,
  signal?: AbortSignal,
): Promise<Uint8Array | undefined> {
  const source = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (dtype === 'F32') return source;
  const target = new Uint8Array(2 * values.length);
  const bad = await loadNative().recodeRows('F32', source, dtype, values.length, target, { signal });
  return bad ? undefined : target;
}
