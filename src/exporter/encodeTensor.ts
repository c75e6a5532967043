import { QuantscopeError, throwIfCancelled } from '../model/errors';
import type { Model } from '../model/openModel';
import { matrixOf, slabBytes } from '../model/rows';
import { loadNative } from '../native';
import type { TensorDescriptor } from '../protocol/model';
import { formatById } from '../quant/catalogue';
import { interleaveRows } from './convert/ropeRows';
import type { PlannedTensor } from './plan';
import { firstInvalidBlock } from './validBlocks';

/**
 * The bytes of one tensor of the output, in slabs of whole rows: read, reordered, decoded and encoded as the plan says.
 * Memory is bounded by a slab (or one attention head), not by the tensor.
 * @throws QuantscopeError MODEL_FILE naming the first weight that is not finite, or too large for the type.
 */
export async function* encodeTensor(
  model: Model,
  planned: PlannedTensor,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { tensor, values } = planned;
  if (values) yield new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (!tensor) return;
  for await (const slab of orderedSlabs(model, tensor, planned.ropeHeads, signal)) {
    yield planned.from === planned.to
      ? checkCopy(planned, tensor, slab)
      : await recode(planned, tensor, slab, signal);
  }
}

interface Slab {
  readonly bytes: Uint8Array;
  readonly firstWeight: number;
  readonly weights: number;
}

/** Slabs of whole rows, of whole heads where rows change places within them. */
async function* orderedSlabs(
  model: Model,
  tensor: TensorDescriptor,
  ropeHeads: number | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<Slab> {
  if (tensor.elements === 0) return;
  // The bias of q or k is a column: its entries change places as the rows of the matrix do.
  const { rows, columns } =
    ropeHeads !== undefined && tensor.shape.length === 1
      ? { rows: tensor.elements, columns: 1 }
      : matrixOf(tensor.shape);
  const unit = ropeHeads === undefined ? 1 : rows / ropeHeads;
  const rowBytes = tensor.byteLength / rows;
  const perSlab = unit * Math.max(1, Math.floor(slabBytes / (4 * columns * unit)));
  for (let first = 0; first < rows; first += perSlab) {
    throwIfCancelled(signal);
    const count = Math.min(perSlab, rows - first);
    const bytes = await model.read(tensor, first * rowBytes, count * rowBytes, signal);
    yield {
      bytes: ropeHeads === undefined ? bytes : interleaveRows(bytes, unit, rowBytes),
      firstWeight: first * columns,
      weights: count * columns,
    };
  }
}

function checkCopy(
  { to }: PlannedTensor,
  tensor: TensorDescriptor,
  { bytes, firstWeight }: Slab,
): Uint8Array {
  const invalid = firstInvalidBlock(to, bytes);
  if (invalid === undefined) return bytes;
  const message = `Weight ${firstWeight + invalid}, or one of its block, is not finite; such a tensor cannot be exported.`;
  throw badWeight(tensor, message);
}

async function recode(
  { to }: PlannedTensor,
  tensor: TensorDescriptor,
  { bytes, firstWeight, weights }: Slab,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const values = new Float32Array(weights);
  await loadNative().decode(tensor.dtype, bytes, values, signal);
  checkFinite(values, firstWeight, tensor);
  if (to === 'F32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const { columns } = matrixOf(tensor.shape);
  // ggml blocks carry their own scales, so the range of the whole tensor does not matter.
  const [part] = await formatById(to).encode(values, columns, { min: 0, max: 0 }, signal);
  if (!part) throw new QuantscopeError('INTERNAL', `${to} encoded to nothing.`, { tensor: tensor.name });
  const invalid = firstInvalidBlock(to, part.data);
  if (invalid === undefined) return part.data;
  const index = firstWeight + invalid;
  throw badWeight(tensor, `The weights from ${index} on are too large for ${to}; BF16 can hold them.`);
}

function checkFinite(values: Float32Array, firstWeight: number, tensor: TensorDescriptor): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value - value === 0) continue; // NaN for NaN and ±Infinity
    const kind = Number.isNaN(value) ? 'NaN' : 'infinite';
    throw badWeight(tensor, `Weight ${firstWeight + i} is ${kind}; such a tensor cannot be exported.`);
  }
}

function badWeight({ file, name, offset }: TensorDescriptor, message: string): QuantscopeError {
  return new QuantscopeError('MODEL_FILE', message, { file, tensor: name, offset });
}
