import { throwIfCancelled } from '../model/errors';
import type { Model } from '../model/model';
import { readAs } from '../model/rows';
import type { TensorDescriptor } from '../protocol/model';

/** Bytes of each tensor that are compared at a time. */
const slabBytes = 4 * 1024 * 1024;

/**
 * Whether two tensors hold the same weights: those of one dtype by their bytes, others by their values. Ends at the first difference;
 * dtypes that are not plain floats never equal another dtype.
 */
export async function sameWeights(
  model: Pick<Model, 'readInto'>,
  a: TensorDescriptor,
  b: TensorDescriptor,
  signal?: AbortSignal,
): Promise<boolean> {
  if (String(a.shape) !== String(b.shape)) return false;
  const [dataA, dataB] = [readAs(a), readAs(b)];
  if (dataA.dtype !== dataB.dtype) return sameValues(model, a, b, signal);
  if (dataA.bytes !== dataB.bytes) return false;
  for (let offset = 0; offset < dataA.bytes; offset += slabBytes) {
    const length = Math.min(slabBytes, dataA.bytes - offset);
    const left = await read(model, a, offset, length, signal);
    if (Buffer.compare(left, await read(model, b, offset, length, signal)) !== 0) return false;
  }
  return true;
}

async function sameValues(
  model: Pick<Model, 'readInto'>,
  a: TensorDescriptor,
  b: TensorDescriptor,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const [dataA, dataB] = [readAs(a), readAs(b)];
  const [decodeA, decodeB] = [decoders.get(dataA.dtype), decoders.get(dataB.dtype)];
  if (!decodeA || !decodeB) return false;
  const [sizeA, sizeB] = [dataA.bytes / a.elements, dataB.bytes / b.elements];
  const step = slabBytes / 8;
  for (let first = 0; first < a.elements; first += step) {
    const count = Math.min(step, a.elements - first);
    const left = decodeA(await read(model, a, first * sizeA, count * sizeA, signal));
    const right = decodeB(await read(model, b, first * sizeB, count * sizeB, signal));
    for (let i = 0; i < count; i++) if (left[i] !== right[i]) return false;
  }
  return true;
}

async function read(
  model: Pick<Model, 'readInto'>,
  tensor: TensorDescriptor,
  offset: number,
  length: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  throwIfCancelled(signal);
  const bytes = new Uint8Array(length);
  await model.readInto(tensor, offset, bytes, signal);
  return bytes;
}

type Decode = (bytes: Uint8Array<ArrayBuffer>) => Float32Array | Float64Array;

/** Every value is exact. */
const decoders: ReadonlyMap<string, Decode> = new Map<string, Decode>([
  ['F64', ({ buffer }) => new Float64Array(buffer)],
  ['F32', ({ buffer }) => new Float32Array(buffer)],
  [
    'BF16',
    ({ buffer }) => new Float32Array(Uint32Array.from(new Uint16Array(buffer), (bits) => bits << 16).buffer),
  ],
  ['F16', ({ buffer }) => Float32Array.from(new Uint16Array(buffer), half)],
]);

/** IEEE 754 binary16. */
function half(bits: number): number {
  const [sign, exponent, fraction] = [bits >>> 15 ? -1 : 1, (bits >>> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}
