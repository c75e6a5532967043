import type { CodeReader } from '../model/codeRows';
import { loadNative } from '../native';
import type { TensorDescriptor } from '../protocol/model';
import {
  modelDtype,
  quantizationOf,
  storedWeight,
  weightGroups,
  type Found,
  type Layout,
  type ReadPart,
  type RowDecoder,
  type StoredContent,
  type StoredDescriptor,
} from './layout';
import {
  distinctLevels,
  findWeights,
  groupedRows,
  integerLevels,
  PartReader,
  type ModuleParts,
} from './parts';

/**
 * 8-bit codes with scales, as compressed-tensors (int-quantized, float-quantized), DeepSeek's FP8, TorchAO and optimum-quanto write them: `weight` I8 or F8
 * [out, in] with `weight_scale`, `weight_scale_inv` (which despite its name is the scale) or `_weight_scale` of the tensor, of rows, or of blocks
 * of rows and columns, and zero points of the same shape where there are any. w = (code − zero) · scale.
 */
export const scaledCodes: Layout = { id: 'scaled-codes', find, decoder };

const ends = [
  ...['weight', 'weight_scale', 'weight_scale_inv', 'weight_zero_point', 'weight_g_idx', 'input_scale'],
  ...['_weight_qdata', '_weight_scale', '_weight_zero_point', 'weight._data', 'weight._scale'],
];
/** Names of codes, scales and zero points. */
const namings = [
  ['weight', 'weight_scale', 'weight_zero_point'],
  ['weight', 'weight_scale_inv', 'weight_zero_point'],
  ['_weight_qdata', '_weight_scale', '_weight_zero_point'],
  ['weight._data', 'weight._scale', 'weight._zero_point'],
] as const;
const labels: Readonly<Record<string, string>> = { I8: 'INT8', F8_E4M3: 'FP8 E4M3', F8_E5M2: 'FP8 E5M2' };

function find({ tensors, config }: StoredContent): Found {
  const block = blockOf(config);
  return findWeights(tensors, ends, (module, parts) => describe(module, parts, block, modelDtype(config)));
}

/** Rows and columns of blocks that config.json states. */
function blockOf(config: StoredContent['config']): readonly [number, number] {
  const stated = weightGroups(config).map((weights) => weights['block_structure']);
  const block = [quantizationOf(config)['weight_block_size'], ...stated].find(
    (size): size is [number, number] =>
      Array.isArray(size) &&
      size.length === 2 &&
      size.every((side) => Number.isSafeInteger(side) && side > 0),
  );
  return block ?? [128, 128];
}

/** The rows and columns that share a scale of this shape; undefined where it does not fit the weight. */
function sharedBy(
  [rows = 0, columns = 0]: readonly number[],
  scale: readonly number[],
  [blockRows, blockColumns]: readonly [number, number],
): readonly [number, number] | undefined {
  const count = scale.reduce((product, size) => product * size, 1);
  if (count === 1) return [rows, columns];
  const [down = 0, across = 1] = scale;
  if (down === rows && columns % across === 0) return [1, columns / across];
  const isBlock = down === Math.ceil(rows / blockRows) && across === Math.ceil(columns / blockColumns);
  return isBlock ? [blockRows, blockColumns] : undefined;
}

function describe(
  module: string,
  parts: ModuleParts,
  block: readonly [number, number],
  rounding: ReturnType<typeof modelDtype>,
): TensorDescriptor | undefined {
  const naming = namings.find(([codes, scales]) => parts.has(codes) && parts.has(scales));
  if (!naming || parts.has('weight_g_idx')) return undefined; // groups of permuted columns are not read
  const [codes, scales, zeros] = naming.map((end) => parts.get(end));
  const label = labels[codes!.dtype];
  if (label === undefined || codes!.shape.length !== 2) return undefined;
  const shared = sharedBy(codes!.shape, scales!.shape, block);
  if (!shared || (zeros && String(zeros.shape) !== String(scales!.shape))) return undefined;
  const [rows, columns] = shared;
  const extent =
    rows > 1 && rows < codes!.shape[0]!
      ? ` ${rows}×${columns}`
      : columns < codes!.shape[1]!
        ? ` g${columns}`
        : '';
  const present = [
    ['codes', codes!],
    ['scales', scales!],
    ...(zeros ? [['zeros', zeros] as const] : []),
  ] as const;
  const weight = { name: `${module}.weight`, dtype: `${label}${extent}`, shape: codes!.shape };
  return storedWeight(scaledCodes.id, weight, present, {
    variant: shared.join('x'),
    rounding: naming[1] === 'weight_scale_inv' ? undefined : rounding, // DeepSeek's scales are used in float32
  });
}

function decoder(weight: StoredDescriptor, read: ReadPart): RowDecoder {
  const parts = new PartReader(weight, read);
  const columns = weight.shape[1]!;
  const [perRow = 1, perColumn = 1] = weight.stored.variant!.split('x').map(Number);
  const across = Math.ceil(columns / perColumn);
  return groupedRows(columns, {
    levels: levelsOf(parts.part('codes').dtype),
    async read({ row, rows: count }, target, signal) {
      target.set(await parts.floats('codes', row * columns, count * columns, signal));
      const first = Math.floor(row / perRow);
      const lines = Math.ceil((row + count) / perRow) - first;
      const spread = async (role: string): Promise<Float32Array> => {
        const stored = await parts.floats(role, first * across, lines * across, signal);
        return Float32Array.from({ length: count * across }, (_, at) => {
          const line = Math.floor((row + Math.floor(at / across)) / perRow) - first;
          return stored[line * across + (at % across)]!;
        });
      };
      const scales = await spread('scales');
      const zeros = parts.has('zeros') ? await spread('zeros') : undefined;
      // Blocks at the end of a row may be narrower than the others.
      const isEven = across * perColumn === columns;
      const ofColumn = Int32Array.from({ length: columns }, (_, column) => Math.floor(column / perColumn));
      return { count: across, scales, ...(zeros ? { zeros } : {}), ...(isEven ? {} : { ofColumn }) };
    },
  });
}

/** What codes of 8 bits stand for. */
function levelsOf(dtype: string): CodeReader['levels'] {
  if (dtype === 'I8') return integerLevels(-128, 127);
  return async (signal) => {
    const values = new Float32Array(256);
    await loadNative().decode(
      dtype,
      Uint8Array.from({ length: 256 }, (_, code) => code),
      values,
      signal,
    );
    return distinctLevels(values);
  };
}
