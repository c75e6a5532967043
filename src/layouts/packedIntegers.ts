import type { Grid } from '../protocol/grids';
import type { TensorDescriptor } from '../protocol/model';
import { decoderOf } from './decoding';
import { packedIntegersWriter } from './packedIntegersWriter';
import {
  modelDtype,
  storedWeight,
  type QuantizedReader,
  weightGroups,
  type Found,
  type Layout,
  type ReadPart,
  type StoredContent,
  type StoredDescriptor,
} from './layout';
import { columnGroups, field, groupOf, modulesOf, PartReader, unpackRows } from './parts';

/**
 * compressed-tensors' pack-quantized: `weight_packed` I32 [out, ⌈in·b/32⌉], a dense stream of b bits along in of codes + 2^(b−1);
 * `weight_scale` [out, groups]; `weight_zero_point` I32 [⌈out·b/32⌉, groups], the same along out; `weight_shape` I64 [2]; `weight_g_idx` I32 [in].
 * w = (code − zero) · scale.
 */
export const packedIntegers: Layout = {
  id: 'packed-integers',
  mark: /^weight_packed$/,
  find,
  codes,
  decoder: decoderOf(codes),
  writers: [packedIntegersWriter()],
};

const ends = [
  ...['weight_packed', 'weight_scale', 'weight_zero_point', 'weight_shape', 'weight_g_idx'],
] as const;

async function find(
  { tensors, config }: StoredContent,
  read: ReadPart,
  signal?: AbortSignal,
): Promise<Found> {
  const weights: { weight: TensorDescriptor; parts: readonly TensorDescriptor[] }[] = [];
  const stated = statedBits(config);
  for (const [module, parts] of modulesOf(tensors, ends)) {
    const [packed, scales, zeros, size] = ends.map((end) => parts.get(end));
    if (packed?.dtype !== 'I32' || !scales || size?.dtype !== 'I64' || size.elements !== 2) continue;
    if (!size.readable) continue;
    const [out = 0, columns = 0] = [...new BigInt64Array((await read(size, 0, 16, signal)).buffer)].map(
      Number,
    );
    const bits = stated.find((b) => Math.ceil((columns * b) / 32) === packed.shape[1]);
    const groups = scales.shape[1] ?? 1;
    const fits =
      bits !== undefined &&
      packed.shape[0] === out &&
      scales.shape[0] === out &&
      (!zeros || (zeros.shape[0] === Math.ceil((out * bits) / 32) && zeros.shape[1] === groups));
    if (!fits) continue;
    const present = ends.flatMap((end) => (parts.has(end) ? [[end, parts.get(end)!] as const] : []));
    const described = { name: `${module}.weight`, dtype: `packed int${bits}`, shape: [out, columns] };
    const weight = storedWeight(packedIntegers.id, described, present, {
      variant: `${bits}/${groupOf(columns, groups, statedGroup(config, bits, groups, columns))}`,
      rounding: modelDtype(config),
    });
    if (weight) weights.push({ weight, parts: [...parts.values()] });
  }
  return { weights, warnings: [] };
}

/** The size of groups that config.json states for weights of so many bits and groups. */
const statedGroup = (
  config: StoredContent['config'],
  bits: number,
  groups: number,
  columns: number,
): unknown =>
  weightGroups(config)
    .filter((weights) => weights['num_bits'] === bits)
    .map((weights) => weights['group_size'])
    .find((size) => typeof size === 'number' && Math.ceil(columns / size) === groups);

/** Bits that the groups of config.json state, and all others that the layout has. */
function statedBits(config: StoredContent['config']): readonly number[] {
  const stated = weightGroups(config).map((weights) => Number(weights['num_bits']));
  return [...stated.filter((bits) => bits >= 1 && bits <= 8), 4, 8, 3, 2, 5, 6, 7, 1];
}

function codes(weight: StoredDescriptor, read: ReadPart): QuantizedReader {
  const parts = new PartReader(weight, read);
  const columns = weight.shape[1]!;
  const [bits = 4, group = columns] = weight.stored.variant!.split('/').map(Number);
  const middle = 2 ** (bits - 1);
  const words = parts.part('weight_packed').shape[1]!;
  const groups = parts.part('weight_scale').shape[1] ?? 1;
  const grid: Grid = {
    levels: { kind: 'integer', bits, signed: true },
    group,
    rule: { kind: 'absmax', divisor: middle - 0.5 },
    scale: parts.scaleDtype('weight_scale'),
    ...(parts.has('weight_zero_point') ? { zero: 'integer' } : {}),
  };
  const orderOf = columnGroups(parts, 'weight_g_idx', groups);
  return {
    grid,
    rowStep: 1,
    async read(row, rows, signal) {
      const bytes = await parts.bytes('weight_packed', 4 * row * words, 4 * rows * words, signal);
      const packed = new Uint32Array(bytes.buffer);
      const fields = unpackRows(packed, { perRow: words, perWord: 1 }, bits, [rows, columns]);
      const groupOfColumn = await orderOf();
      return {
        ...{ grid, rows, columns },
        codes: fields.map((code) => code - middle),
        scales: await parts.floats('weight_scale', row * groups, rows * groups, signal),
        ...(grid.zero ? { zeros: await zeroPoints(parts, bits, { row, rows, groups }, signal) } : {}),
        ...(groupOfColumn ? { groupOfColumn } : {}),
      };
    },
  };
}

/** Zero points of some rows, which are packed along out. @returns `[rows, groups]`. */
async function zeroPoints(
  parts: PartReader,
  bits: number,
  { row, rows, groups }: { readonly row: number; readonly rows: number; readonly groups: number },
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const first = Math.floor((row * bits) / 32);
  const count = Math.ceil(((row + rows) * bits) / 32) - first;
  const bytes = await parts.bytes('weight_zero_point', 4 * first * groups, 4 * count * groups, signal);
  const stored = new Uint32Array(bytes.buffer);
  return Float32Array.from({ length: rows * groups }, (_, at) => {
    const [line, group] = [row + Math.floor(at / groups), at % groups];
    return field(stored, (word) => (word - first) * groups + group, bits, line) - 2 ** (bits - 1);
  });
}
