import type { Grid, Levels } from '../protocol/grids';
import type { TensorDescriptor } from '../protocol/model';
import { decoderOf, withoutZeros } from './decoding';
import { scaledCodesWriters } from './scaledCodesWriter';
import { torchaoWriters } from './torchao';
import {
  modelDtype,
  quantizationOf,
  storedWeight,
  type QuantizedReader,
  weightGroups,
  type Found,
  type Layout,
  type ReadPart,
  type StoredContent,
  type StoredDescriptor,
} from './layout';
import { findWeights, PartReader, type ModuleParts } from './parts';

/**
 * 8-bit codes with scales, as compressed-tensors (int-quantized, float-quantized), DeepSeek's FP8, TorchAO and optimum-quanto write them: `weight` I8 or F8
 * [out, in] with `weight_scale`, `weight_scale_inv` (which despite its name is the scale) or `_weight_scale` of the tensor, of rows, or of blocks
 * of rows and columns, and zero points of the same shape where there are any. w = (code − zero) · scale. Mistral's own files call the scale
 * `qscale_weight`. Scales of inputs belong to how products are computed, not to the weights.
 */
export const scaledCodes: Layout = {
  id: 'scaled-codes',
  mark: /^(weight_scale|weight_scale_inv|qscale_weight|_weight_scale|_scale)$/,
  find,
  codes,
  decoder: decoderOf(open),
  writers: [...scaledCodesWriters, ...torchaoWriters],
};

const ends = [
  ...['weight', 'weight_scale', 'weight_scale_inv', 'weight_zero_point', 'weight_g_idx', 'input_scale'],
  ...['activation_scale', 'qscale_weight', 'qscale_act'],
  ...['_weight_qdata', '_weight_scale', '_weight_zero_point', 'weight._data', 'weight._scale'],
];
/** Names of codes, scales and zero points. */
const namings = [
  ['weight', 'weight_scale', 'weight_zero_point'],
  ['weight', 'weight_scale_inv', 'weight_zero_point'],
  ['weight', 'qscale_weight', 'weight_zero_point'],
  ['_weight_qdata', '_weight_scale', '_weight_zero_point'],
  ['weight._data', 'weight._scale', 'weight._zero_point'],
] as const;
/** Scales of DeepSeek and Mistral. */
const usedInFloat32: ReadonlySet<string> = new Set(['weight_scale_inv', 'qscale_weight']);
const labels: Readonly<Record<string, string>> = { I8: 'INT8', F8_E4M3: 'FP8 E4M3', F8_E5M2: 'FP8 E5M2' };

function find({ tensors, config }: StoredContent): Found {
  const blocks = blocksOf(config);
  return findWeights(tensors, ends, (module, parts) => describe(module, parts, blocks, modelDtype(config)));
}

type Sides = readonly [rows: number, columns: number];

/** Rows and columns of the blocks that config.json states for some matrices; those of DeepSeek where it states none. */
function blocksOf(config: StoredContent['config']): readonly Sides[] {
  const stated = weightGroups(config).map((weights) => weights['block_structure']);
  const blocks = [quantizationOf(config)['weight_block_size'], ...stated].filter(
    (size): size is [number, number] =>
      Array.isArray(size) &&
      size.length === 2 &&
      size.every((side) => Number.isSafeInteger(side) && side > 0),
  );
  return blocks.length > 0 ? blocks : [[128, 128]];
}

/** The rows and columns that share a scale of this shape; undefined where it does not fit the weight. */
function sharedBy(
  [rows = 0, columns = 0]: readonly number[],
  scale: readonly number[],
  blocks: readonly Sides[],
): Sides | undefined {
  const count = scale.reduce((product, size) => product * size, 1);
  if (count === 1) return [rows, columns];
  const [down = 0, across = 1] = scale;
  if (down === rows && columns % across === 0) return [1, columns / across];
  return blocks.find(
    ([high, wide]) => down === Math.ceil(rows / high) && across === Math.ceil(columns / wide),
  );
}

function describe(
  module: string,
  parts: ModuleParts,
  blocks: readonly Sides[],
  rounding: ReturnType<typeof modelDtype>,
): TensorDescriptor | undefined {
  const naming = namings.find(([codes, scales]) => parts.has(codes) && parts.has(scales));
  if (!naming || parts.has('weight_g_idx')) return undefined; // groups of permuted columns are not read
  const [codes, scales, zeros] = naming.map((end) => parts.get(end));
  const label = labels[codes!.dtype];
  if (label === undefined || codes!.shape.length !== 2) return undefined;
  const shared = sharedBy(codes!.shape, scales!.shape, blocks);
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
    rounding: usedInFloat32.has(naming[1]) ? undefined : rounding,
  });
}

const levelsByDtype: Readonly<Record<string, Levels>> = {
  I8: { kind: 'integer', bits: 8, signed: true },
  F8_E4M3: { kind: 'float', exponent: 4, mantissa: 3, special: 'nan' },
  F8_E5M2: { kind: 'float', exponent: 5, mantissa: 2, special: 'ieee' },
};

function open(weight: StoredDescriptor, read: ReadPart): QuantizedReader {
  const parts = new PartReader(weight, read);
  const [out, columns] = weight.shape as readonly [number, number];
  const [high = 1, wide = 1] = weight.stored.variant!.split('x').map(Number);
  const isTensor = high === out && wide === columns;
  const across = isTensor ? 1 : Math.ceil(columns / wide);
  const levels = levelsByDtype[parts.part('codes').dtype]!;
  const grid: Grid = {
    levels,
    group: isTensor ? 'tensor' : high > 1 ? { rows: high, columns: wide } : wide === columns ? 'row' : wide,
    rule: { kind: 'absmax', divisor: levels.kind === 'integer' ? 127.5 : 448 },
    scale: parts.scaleDtype('scales'),
    ...(parts.has('zeros') ? { zero: 'integer' } : {}),
  };
  return {
    grid,
    rowStep: isTensor ? 1 : high,
    async read(row, rows, signal) {
      const [first, count] = isTensor ? [0, 1] : [(row / high) * across, Math.ceil(rows / high) * across];
      return {
        ...{ grid, rows, columns },
        codes: await parts.bytes('codes', row * columns, rows * columns, signal),
        scales: await parts.scales('scales', first, count, signal),
        ...(grid.zero ? { zeros: await parts.floats('zeros', first, count, signal) } : {}),
      };
    },
  };
}

/** Zero points that are looked at together. */
const zerosTogether = 1 << 16;

async function codes(
  weight: StoredDescriptor,
  read: ReadPart,
  signal?: AbortSignal,
): Promise<QuantizedReader> {
  const reader = open(weight, read);
  if (!reader.grid.zero) return reader;
  const parts = new PartReader(weight, read);
  const count = parts.part('zeros').shape.reduce((product, size) => product * size, 1);
  for (let first = 0; first < count; first += zerosTogether) {
    const zeros = await parts.floats('zeros', first, Math.min(zerosTogether, count - first), signal);
    if (zeros.some((zero) => zero !== 0)) return reader;
  }
  return withoutZeros(reader);
}
