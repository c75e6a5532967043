import { badKind } from '../analysis/badWeights';
import { readSlab, slabsOf, type Slab } from '../architectures/convertedRows';
import {
  changesWeights,
  doesMore,
  changeWeights,
  sourcesOf,
  type ConvertedTensor,
} from '../architectures/convertedTensor';
import { QuantscopeError } from '../model/errors';
import type { Model } from '../model/model';
import { matrixOf } from '../model/rows';
import { ggmlRowBytes, isForeignType } from '../model/dtypes';
import { loadNative, type BadWeight } from '../native';
import { ahead } from './ahead';
import { Buffers } from './buffers';
import type { CodeOptimiser } from './codes/optimisedCodes';
import type { PlannedTensor } from './plan/tensor';
import { said } from '../protocol/said';

/** Some bytes of a tensor of the output. They are valid until the next piece is requested. */
export interface EncodedPiece {
  readonly tensor: PlannedTensor;
  readonly bytes: Uint8Array;
}

export interface EncodeOptions {
  readonly signal?: AbortSignal | undefined;
  /** Finds codes where it can, in place of the types' encoders. */
  readonly optimiser?: CodeOptimiser | undefined;
}

/**
 * The bytes of the tensors of a file, one after the other, in slabs of whole rows: read, put in order, decoded and encoded as
 * the plan says. A slab is read while the one before it is encoded and the one before that is used, so memory is bounded by a
 * few slabs (or one unit of rows: an attention head, a transposed matrix), not by the tensor.
 * @throws QuantscopeError MODEL_FILE naming the first weight that is not finite, or too large for the type.
 */
export async function* encodeTensors(
  model: Model,
  tensors: readonly PlannedTensor[],
  options: EncodeOptions = {},
): AsyncGenerator<EncodedPiece> {
  const buffers = new Buffers();
  const slabs = ahead(read(model, tensors, buffers, options));
  for await (const piece of ahead(encoded(slabs, buffers, options))) {
    yield piece;
    buffers.give(piece.bytes);
  }
}

/** The bytes of one tensor of the output. */
export async function* encodeTensor(
  model: Model,
  tensor: PlannedTensor,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for await (const { bytes } of encodeTensors(model, [tensor], { signal })) yield bytes;
}

interface Read {
  readonly planned: PlannedTensor;
  readonly bytes: Uint8Array;
  /** Absent for values that are computed. */
  readonly slab?: Slab;
}

async function* read(
  model: Model,
  tensors: readonly PlannedTensor[],
  buffers: Buffers,
  { signal, optimiser }: EncodeOptions,
): AsyncGenerator<Read> {
  for (const planned of tensors) {
    const { converted, values, importance, shape } = planned;
    if (values) {
      const bytes = new Uint8Array(values.byteLength);
      bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
      yield { planned, bytes };
    }
    if (!converted) continue;
    const { columns } = matrixOf(shape);
    const experts = (importance?.length ?? 0) / columns;
    const byImportance = experts > 1 ? (matrixOf(shape).rows / experts) * columns : undefined;
    const slabs = {
      ...(byImportance === undefined ? {} : { cutEvery: byImportance }),
      ...optimiser?.slabs(planned),
    };
    for (const slab of slabsOf(converted, slabs)) {
      const target = buffers.take(slab.bytes);
      const scratch = converted.unit && buffers.take(slab.bytes);
      const bytes = await readSlab(model, converted, slab, {
        target,
        ...(scratch ? { scratch } : {}),
        signal,
      });
      if (scratch) buffers.give(bytes === target ? scratch : target);
      yield { planned, bytes, slab };
    }
  }
}

async function* encoded(
  slabs: AsyncGenerator<Read>,
  buffers: Buffers,
  { signal, optimiser }: EncodeOptions,
): AsyncGenerator<EncodedPiece> {
  for await (const { planned, slab, bytes } of slabs) {
    if (!slab) {
      yield { tensor: planned, bytes };
    } else if (slab.dtype === planned.to && !(planned.converted && changesWeights(planned.converted))) {
      const bad = !isForeignType(planned.to) && (await loadNative().checkBlocks(planned.to, bytes, signal));
      if (bad) throw badWeight(planned, slab, bad, bytes);
      yield { tensor: planned, bytes };
    } else {
      const optimised = await optimiser?.blocksOf(planned, slab, bytes).catch((error: unknown) => {
        throw error instanceof RangeError ? notFinite(planned, slab, bytes, error) : error;
      });
      const target = optimised ?? (await recode(planned, slab, bytes, buffers, signal));
      buffers.give(bytes);
      yield { tensor: planned, bytes: target };
    }
  }
}

async function recode(
  planned: PlannedTensor,
  slab: Slab,
  bytes: Uint8Array,
  buffers: Buffers,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const { to, importance, shape, converted } = planned;
  const row = matrixOf(shape).columns;
  // Entries of a vector may have been read as rows of one weight: they still form one row.
  const columns = slab.weights % row === 0 ? row : slab.weights;
  const target = buffers.take(ggmlRowBytes(to, columns) * (slab.weights / columns));
  const changed =
    converted && doesMore(converted) ? await changedValues(converted, slab, bytes, signal) : undefined;
  const bad = await loadNative().recodeRows(
    ...(changed ? (['F32', changed] as const) : ([slab.dtype, bytes] as const)),
    to,
    columns,
    target,
    {
      importance: importance && importanceOf(importance, planned, slab),
      shift: changed ? undefined : converted?.add,
      signal,
    },
  );
  if (bad) throw badWeight(planned, slab, bad, bytes);
  return target;
}

/** Weights of a slab as the file has them, as bytes of float32. */
async function changedValues(
  converted: ConvertedTensor,
  { dtype, weights, firstWeight }: Slab,
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const values = new Float32Array(weights);
  await loadNative().decode(dtype, bytes, values, signal);
  changeWeights(converted, values, firstWeight);
  return new Uint8Array(values.buffer);
}

/** The importance weights of the expert that the slab is part of; there is one set for all rows of a matrix. */
function importanceOf(
  importance: Float32Array,
  { shape }: PlannedTensor,
  { firstWeight }: Slab,
): Float32Array {
  const { rows, columns } = matrixOf(shape);
  const experts = importance.length / columns;
  const expert = Math.floor(firstWeight / ((rows / experts) * columns));
  return importance.subarray(expert * columns, (expert + 1) * columns);
}

/** The addon says which weight of a slab it is. */
function notFinite(planned: PlannedTensor, slab: Slab, bytes: Uint8Array, error: RangeError): unknown {
  const [, index, kind] = /^weight (\d+) is (NaN|infinite)$/.exec(error.message) ?? [];
  if (index === undefined) return error;
  return badWeight(planned, slab, { index: Number(index), kind: kind as BadWeight['kind'] }, bytes);
}

function badWeight(planned: PlannedTensor, slab: Slab, bad: BadWeight, bytes: Uint8Array): QuantscopeError {
  const index = slab.firstWeight + bad.index;
  const message = {
    NaN: said`Weight ${index} is NaN; such a tensor cannot be exported.`,
    infinite: said`Weight ${index} is ${badKind(bad, slab.dtype, bytes)}; such a tensor cannot be exported.`,
    'in block': said`Weight ${index}, or one of its block, is not finite; such a tensor cannot be exported.`,
    'too large': said`The weights from ${index} on are too large for ${planned.to}; BF16 can hold them.`,
  }[bad.kind];
  const [source] = sourcesOf(planned.converted as ConvertedTensor);
  const place = source && { file: source.file, tensor: source.name, offset: source.offset };
  return new QuantscopeError('MODEL_FILE', message, place);
}
