import { elementsOf } from '../model/dtypes';
import { QuantscopeError } from '../model/errors';
import type { TensorDescriptor } from '../protocol/model';
import { said } from '../protocol/said';
import {
  storedWeight,
  type Found,
  type Layout,
  type ReadPart,
  type RowDecoder,
  type StoredContent,
  type StoredDescriptor,
} from './layout';
import { modulesOf, PartReader, rounded, warningOf, type ModuleParts } from './parts';

/**
 * HQQ. A weight [out, in] is reshaped so that groups are rows (axis 1) or columns (axis 0) of a matrix, whose rows are packed: `W_q` U8 holds
 * row r, r + n, r + 2n, … in the same bytes, n its own rows, the first in the highest bits; 3 bits are ten to an I32 from bit 27 down. `scale` and
 * `zero` have one number for each group; scalars `nbits`, `group_size`, `axis` and `shape` I64 [2] say the rest. w = (code − zero) · scale. Zero points or scales that
 * are quantized themselves are not read.
 * @see https://mobiusml.github.io/hqq_blog/
 */
export const hqq: Layout = { id: 'hqq', mark: /^W_q$/, find, decoder };

const ends = [
  ...['W_q', 'scale', 'zero', 'shape', 'nbits', 'group_size', 'axis', 'packing', 'unpack_view_dtype'],
  ...['view_as_float', 'quant_scale', 'quant_zero', 'compute_dtype', 'offload_meta', 'channel_wise'],
  ...['optimize', 'round_zero', 'stores_quant_config', 'encoded_state_dict'],
] as const;

async function find({ tensors }: StoredContent, read: ReadPart, signal?: AbortSignal): Promise<Found> {
  const weights: { weight: TensorDescriptor; parts: readonly TensorDescriptor[] }[] = [];
  const unread: string[] = [];
  for (const [module, parts] of modulesOf(tensors, ends)) {
    if (!parts.has('W_q')) continue;
    const weight = await describe(module, parts, read, signal);
    if (weight) weights.push({ weight, parts: [...parts.values()] });
    else unread.push(`${module}.W_q`);
  }
  const warnings = warningOf(
    unread,
    (which) =>
      said`${which} of HQQ is shown as stored: reading it needs scale and zero with one number for each group, shape, nbits and axis.`,
  );
  return { weights, warnings };
}

/** A scalar of a module, or `fallback` where it is absent. */
async function scalar(
  parts: ModuleParts,
  end: string,
  fallback: number | undefined,
  read: ReadPart,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  const part = parts.get(end);
  if (!part?.readable || part.elements !== 1) return fallback;
  const { buffer } = await read(part, 0, part.byteLength, signal);
  if (part.dtype === 'I64') return Number(new BigInt64Array(buffer)[0]);
  return part.dtype === 'I32' ? new Int32Array(buffer)[0] : new Uint8Array(buffer)[0];
}

async function describe(
  module: string,
  parts: ModuleParts,
  read: ReadPart,
  signal: AbortSignal | undefined,
): Promise<TensorDescriptor | undefined> {
  const [codes, scales, zeros, size] = ['W_q', 'scale', 'zero', 'shape'].map((end) => parts.get(end));
  if (!codes?.readable || !scales || !zeros || size?.dtype !== 'I64' || size.elements !== 2) return undefined;
  const shape = [...new BigInt64Array((await read(size, 0, 16, signal)).buffer)].map(Number);
  const elements = elementsOf(shape);
  const bits = await scalar(parts, 'nbits', undefined, read, signal);
  const axis = await scalar(parts, 'axis', scales.shape.at(-1) === 1 ? 1 : 0, read, signal);
  if (elements === undefined || elements === 0 || bits === undefined || (axis !== 0 && axis !== 1))
    return undefined;
  const inItem = itemsOf(bits);
  const groups = scales.elements;
  const width = axis === 1 ? elements / groups : groups;
  const fits =
    inItem !== undefined &&
    codes.dtype === (bits === 3 ? 'I32' : 'U8') &&
    zeros.elements === groups &&
    elements % groups === 0 &&
    codes.elements === Math.ceil(elements / width / inItem) * width;
  if (!fits) return undefined;
  const rounding = scales.dtype === 'F16' || scales.dtype === 'BF16' ? scales.dtype : undefined;
  const described = { name: `${module}.weight`, dtype: `HQQ ${bits}-bit`, shape };
  const present = [
    ['codes', codes],
    ['scales', scales],
    ['zeros', zeros],
  ] as const;
  return storedWeight(hqq.id, described, present, { variant: `${bits}/${axis}/${groups}`, rounding });
}

/** Codes in an item of W_q. */
const itemsOf = (bits: number): number | undefined =>
  ({ 1: 8, 2: 4, 3: 10, 4: 2, 8: 1 })[bits as 1 | 2 | 3 | 4 | 8];

function decoder(weight: StoredDescriptor, read: ReadPart): RowDecoder {
  const parts = new PartReader(weight, read);
  const [out, columns] = weight.shape as readonly [number, number];
  const [bits = 4, axis = 1, groups = 1] = weight.stored.variant!.split('/').map(Number);
  const { rounding } = weight.stored;
  const width = axis === 1 ? (out * columns) / groups : groups;
  const packed = new PackedCodes(parts, bits, width);
  return {
    step: columns,
    async read({ row, rows }, target, signal) {
      const first = row * columns;
      await packed.read(first, target, signal);
      // A group is a run of weights (axis 1), or every so many of them (axis 0).
      const start = axis === 1 ? Math.floor(first / width) : 0;
      const count = axis === 1 ? Math.ceil((first + rows * columns) / width) - start : groups;
      const zeros = await parts.floats('zeros', start, count, signal);
      const scales = await parts.floats('scales', start, count, signal);
      const groupOf = (at: number): number =>
        axis === 1 ? Math.floor((first + at) / width) - start : (first + at) % groups;
      for (let at = 0; at < target.length; at++) target[at]! -= zeros[groupOf(at)]!;
      if (rounding) await rounded(target, rounding, signal);
      for (let at = 0; at < target.length; at++) target[at]! *= scales[groupOf(at)]!;
    },
  };
}

/** Codes of a matrix whose rows are packed together, in the order of the weights. */
class PackedCodes {
  private readonly itemBytes: number;
  private readonly inItem: number;
  /** Codes between two that share an item. */
  private readonly apart: number;

  constructor(
    private readonly parts: PartReader,
    private readonly bits: number,
    width: number,
  ) {
    this.itemBytes = bits === 3 ? 4 : 1;
    this.inItem = itemsOf(bits)!;
    const { byteLength, file, name, offset } = parts.part('codes');
    this.apart = byteLength / this.itemBytes;
    if (this.apart % width === 0) return;
    throw new QuantscopeError('MODEL_FILE', said`W_q does not hold whole rows of ${width} codes.`, {
      ...{ file, tensor: name, offset },
    });
  }

  /** Fills `target` with the codes from `first` on. */
  async read(first: number, target: Float32Array, signal: AbortSignal | undefined): Promise<void> {
    const { parts, bits, itemBytes, inItem, apart } = this;
    const mask = 2 ** bits - 1;
    for (let done = 0; done < target.length;) {
      const place = Math.floor((first + done) / apart);
      const start = (first + done) % apart;
      const count = Math.min(apart - start, target.length - done);
      const bytes = await parts.bytes('codes', start * itemBytes, count * itemBytes, signal);
      const items = itemBytes === 4 ? new Uint32Array(bytes.buffer) : bytes;
      const shift = (inItem - 1 - place) * bits;
      for (let i = 0; i < count; i++) target[done + i] = (items[i]! >>> shift) & mask;
      done += count;
    }
  }
}
