import { ggmlType } from '../../model/dtypes';
import type { Model } from '../../model/model';
import { matrixOf } from '../../model/rows';
import { loadNative } from '../../native';
import type { TensorDescriptor } from '../../protocol/model';
import type { Encoding, TensorDifference } from '../../protocol/provenance';
import { encodeTensors } from '../encodeTensor';
import type { PlannedTensor } from '../plan/tensor';
import { encodedBy } from './encodings';

/** Blocks of a tensor in which a file differs from an encoding. */
export interface BlockDifferences {
  readonly encoding: Encoding;
  readonly blocks: number;
  readonly differing: number;
  /** Offset of the first byte that differs, from the start of the tensor; undefined where none does. */
  readonly first?: number;
}

/** What is compared: a tensor of a file, and how it would be made of the source. */
export interface ComparedTensor {
  readonly file: Model;
  readonly tensor: TensorDescriptor;
  readonly source: Model;
  readonly planned: PlannedTensor;
}

/**
 * Compares a tensor of a file with one encoding of the source, block by block.
 * @param most stops once more blocks differ: another encoding is closer.
 */
export async function differencesFrom(
  { file, tensor, source, planned }: ComparedTensor,
  encoding: Encoding,
  most: number,
  signal: AbortSignal | undefined,
): Promise<BlockDifferences> {
  const { bytes: blockBytes } = blockOf(tensor);
  const blocks = tensor.byteLength / blockBytes;
  let [offset, differing] = [0, 0];
  let first: number | undefined;
  for await (const bytes of encodedBy(source, planned, encoding, signal)) {
    const held = await file.source(tensor.file).read(tensor.offset + offset, bytes.length, signal);
    if (Buffer.compare(held, bytes) !== 0) {
      first ??= offset + bytes.findIndex((byte, i) => byte !== held[i]);
      differing += differingBlocks(held, bytes, blockBytes);
      if (differing > most) break;
    }
    offset += bytes.length;
  }
  return { encoding, blocks, differing, ...(first === undefined ? {} : { first }) };
}

function differingBlocks(a: Uint8Array, b: Uint8Array, blockBytes: number): number {
  let count = 0;
  for (let at = 0; at < a.length; at += blockBytes)
    if (Buffer.compare(a.subarray(at, at + blockBytes), b.subarray(at, at + blockBytes)) !== 0) count += 1;
  return count;
}

/** Where and by how much a tensor differs from its closest encoding; reads source and file once more. */
export async function describeDifference(
  compared: ComparedTensor,
  { differing, blocks, first = 0 }: BlockDifferences,
  signal: AbortSignal | undefined,
): Promise<TensorDifference> {
  const { tensor } = compared;
  const { bytes: blockBytes, weights } = blockOf(tensor);
  const block = Math.floor(first / blockBytes);
  return {
    ...{ file: tensor.file, offset: tensor.offset + first, block, differing, blocks },
    row: Math.floor((block * weights) / Math.max(1, matrixOf(tensor.shape).columns)),
    ...(await errors(compared, signal)),
  };
}

/** Relative errors of the file's weights, and of the usual encoding, against the source; sums are float64. */
async function errors(
  { file, tensor, source, planned }: ComparedTensor,
  signal: AbortSignal | undefined,
): Promise<Pick<TensorDifference, 'relativeError' | 'encodedError'>> {
  const wide = encodeTensors(source, [{ ...planned, to: 'F32' }], { signal });
  const usual = encodeTensors(source, [planned], { signal });
  let [offset, power, held, encoded] = [0, 0, 0, 0];
  for await (const { bytes } of usual) {
    const own = await file.source(tensor.file).read(tensor.offset + offset, bytes.length, signal);
    offset += bytes.length;
    const [decoded, rounded] = [await floats(tensor, own, signal), await floats(tensor, bytes, signal)];
    const piece = await wide.next();
    if (piece.done) break;
    const exact = new Float32Array(piece.value.bytes.slice().buffer);
    for (let i = 0; i < exact.length; i++) {
      const value = exact[i]!;
      power += value * value;
      held += (value - decoded[i]!) ** 2;
      encoded += (value - rounded[i]!) ** 2;
    }
  }
  await wide.return(undefined);
  return { relativeError: Math.sqrt(held / power), encodedError: Math.sqrt(encoded / power) };
}

/** The weights of some blocks. */
async function floats(
  tensor: TensorDescriptor,
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const block = blockOf(tensor);
  const values = new Float32Array((bytes.length / block.bytes) * block.weights);
  await loadNative().decode(tensor.dtype, bytes, values, signal);
  return values;
}

/** Bytes and weights of a block of the tensor's type. */
function blockOf({ dtype }: TensorDescriptor): { readonly bytes: number; readonly weights: number } {
  const type = ggmlType(dtype);
  return { bytes: (type?.bitsPerBlock ?? 8) / 8, weights: type?.block ?? 1 };
}
