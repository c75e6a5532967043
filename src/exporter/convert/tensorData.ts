import { readSlab, slabsOf, type Slab } from '../../architectures/convertedRows';
import { changesWeights, type ConvertedTensor } from '../../architectures/convertedTensor';
import { inverseOf, undoOrder } from '../../architectures/restore/undoOrder';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import { readElements } from '../../model/strides';
import { loadNative } from '../../native';
import { plural } from '../../protocol/words';
import { said } from '../../protocol/said';
import { castNumbers, type FloatDtype, type Overflows } from './castNumbers';
import type { CopiedTensor, PlannedConversion, RoundedTensor } from './conversionPlan';

/** Bytes that are copied at a time: whole elements of every dtype. */
const chunkBytes = 4 * 1024 * 1024;

export interface TensorDataOptions {
  /** Finite weights beyond the range become infinite. */
  readonly allowInfinity?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Takes sentences about what was done to weights. */
  readonly note?: (sentence: string) => void;
}

/**
 * The bytes of a tensor of the output, piece by piece. Memory is bounded by a slab of rows.
 * @throws QuantscopeError MODEL_FILE naming the first weight that does not fit into the dtype, IO, CANCELLED.
 */
export async function* tensorData(
  model: Model,
  planned: PlannedConversion,
  options: TensorDataOptions = {},
): AsyncGenerator<Uint8Array> {
  if ('copied' in planned) yield* copies(model, planned, options);
  else yield* casts(model, planned, options);
}

async function* copies(
  model: Model,
  { copied }: CopiedTensor,
  { signal }: TensorDataOptions,
): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < copied.byteLength; at += chunkBytes) {
    const chunk = new Uint8Array(Math.min(chunkBytes, copied.byteLength - at));
    // Parts that a layout puts together are read as they are; anything else as whoever opened the model gives it.
    if ('readable' in copied) await model.readInto(copied, at, chunk, signal);
    else await readElements(model.source(copied.file), copied, at, chunk, signal);
    yield chunk;
  }
}

async function* casts(
  model: Model,
  planned: RoundedTensor,
  { allowInfinity = false, signal, note }: TensorDataOptions,
): AsyncGenerator<Uint8Array> {
  const { name, dtype } = planned;
  let overflows = 0;
  let inexact = 0;
  for (const { unit, strands, ...rows } of planned.rounded) {
    for (const slab of slabsOf(unit ? { ...rows, unit } : rows)) {
      const { bytes, overflow, value, lost = 0 } = await castSlab(model, rows, slab, { dtype, signal });
      if (overflow.count > 0 && !allowInfinity) throw doesNotFit(planned, slab, overflow.first, value);
      overflows += overflow.count;
      inexact += lost;
      const place = { weights: slab.weights, columns: rows.columns, name, strands };
      yield unit ? undoOrder(bytes, unit, place) : bytes;
    }
  }
  if (inexact > 0)
    note?.(
      said`${plural(inexact, 'weight')} of ${name} lost bits when the file was made: an export gives others.`,
    );
  if (overflows > 0) note?.(said`${plural(overflows, 'weight')} of ${name} became infinite in ${dtype}.`);
}

interface CastOptions {
  readonly dtype: FloatDtype;
  readonly signal: AbortSignal | undefined;
}

interface CastSlab {
  readonly bytes: Uint8Array;
  readonly overflow: Overflows;
  /** The first weight that does not fit. */
  readonly value: number;
  /** Weights from which what was added cannot be taken away exactly. */
  readonly lost?: number;
}

const fits: Omit<CastSlab, 'bytes'> = { overflow: { count: 0, first: -1 }, value: 0 };

/** A slab in the dtype of the output; rows are in the order in which they were read. */
async function castSlab(
  model: Model,
  rows: ConvertedTensor,
  slab: Slab,
  { dtype, signal }: CastOptions,
): Promise<CastSlab> {
  const source = await readSlab(model, rows, slab, { signal });
  const native = loadNative();
  const shift = rows.add ?? 0;
  if (slab.dtype !== 'F64' && !changesWeights(rows)) {
    const bytes = new Uint8Array(slab.weights * (dtype === 'F32' ? 4 : 2));
    // The addon stops at weights that are not finite, or do not fit.
    const bad = await native.recodeRows(slab.dtype, source, dtype, slab.columns, bytes, { signal });
    if (!bad) return { bytes, ...fits };
  }
  const values =
    slab.dtype === 'F64' ? new Float64Array(source.slice().buffer) : new Float32Array(slab.weights);
  if (values instanceof Float32Array) await native.decode(slab.dtype, source, values, signal);
  let lost = 0;
  if (shift !== 0)
    values.forEach((value, i) => {
      values[i] = value + shift;
      if (Math.fround(values[i] - shift) !== value) lost += 1;
    });
  const unmap = rows.map === undefined ? undefined : inverseOf(rows.map);
  if (unmap) values.forEach((value, i) => (values[i] = unmap(value)));
  const { bytes, overflows } = castNumbers(values, dtype);
  return { bytes, overflow: overflows, value: values[overflows.first] ?? 0, lost };
}

/** Largest finite numbers. */
const largest: Readonly<Record<FloatDtype, string>> = { F16: '65504', BF16: '3.3895e38', F32: '3.4028e38' };

/** @param index of the weight in its slab. */
function doesNotFit(
  { dtype }: RoundedTensor,
  { reads, bytes, weights }: Slab,
  index: number,
  value: number,
): QuantscopeError {
  const weightBytes = bytes / weights;
  let first = 0;
  const read = reads.find(({ length }) => {
    const isHere = index < first + length / weightBytes;
    if (!isHere) first += length / weightBytes;
    return isHere;
  })!;
  const { name, file, shape } = read.tensor;
  const at = indexText(read.offset / weightBytes + index - first, shape);
  const message = said`Weight ${at} is ${value}, which does not fit into ${dtype} (at most ${largest[dtype]}). Choose another dtype, or let such weights become infinite (--allow-infinity).`;
  return new QuantscopeError('MODEL_FILE', message, { file, tensor: name });
}

/** Where a weight is: "[3, 17]". */
function indexText(index: number, shape: readonly number[]): string {
  let rest = index;
  const places = [...shape].reverse().map((size) => {
    const place = rest % size;
    rest = Math.floor(rest / size);
    return place;
  });
  return `[${places.reverse().join(', ')}]`;
}
