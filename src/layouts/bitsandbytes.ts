import { isRecord } from '../model/json';
import { elementsOf } from '../model/dtypes';
import { matrixOf } from '../model/rows';
import type { Grid } from '../protocol/grids';
import type { TensorDescriptor } from '../protocol/model';
import { said } from '../protocol/said';
import type { QuantizedRows } from '../quant/quantized';
import { bitsandbytesWriters, rowOrder } from './bitsandbytesWriter';
import { greatestCommonDivisor } from '../quant/grids/groups';
import { tableValues } from '../quant/grids/levels';
import { decodeRows } from '../quant/grids/roundToNearest';
import { codeView, decoderOf } from './decoding';
import {
  storedWeight,
  type QuantizedReader,
  type Found,
  type Layout,
  type ReadPart,
  type RowDecoder,
  type StoredContent,
  type StoredDescriptor,
} from './layout';
import { modulesOf, PartReader, warningOf, type ModuleParts } from './parts';

/**
 * bitsandbytes. 8 bits (LLM.int8): `weight` I8 [out, in] and `SCB` F32 [out], the largest magnitude of each row; w = code · SCB / 127.
 * 4 bits (NF4, FP4): `weight` holds the codes of all weights in their order, two to a byte, the high nibble first; `weight.quant_map` F32 [16] has
 * their values, `weight.absmax` the scale of each block of consecutive weights. With double quantization these scales are codes of
 * `weight.nested_quant_map`, with scales of their own (`weight.nested_absmax`) and an offset. `weight.quant_state.bitsandbytes__nf4` is a JSON text that
 * has shape, block sizes and offset.
 * @see https://arxiv.org/abs/2208.07339 (LLM.int8), https://arxiv.org/abs/2305.14314 (QLoRA)
 */
export const bitsandbytes: Layout = {
  id: 'bitsandbytes',
  mark: /^(SCB|bitsandbytes__(nf4|fp4))$/,
  find,
  codes,
  decoder,
  writers: bitsandbytesWriters,
};

const states = ['weight.quant_state.bitsandbytes__nf4', 'weight.quant_state.bitsandbytes__fp4'] as const;
const ends = [
  ...['weight', 'SCB', 'weight_format', 'weight.absmax', 'weight.quant_map'],
  ...['weight.nested_absmax', 'weight.nested_quant_map', ...states],
];

/** What the description of 4-bit weights says. */
interface QuantState {
  readonly shape: readonly number[];
  readonly blocksize: number;
  readonly nested_blocksize?: number;
  readonly nested_offset?: number;
}

async function find({ tensors }: StoredContent, read: ReadPart, signal?: AbortSignal): Promise<Found> {
  const weights: { weight: TensorDescriptor; parts: readonly TensorDescriptor[] }[] = [];
  const [undescribed, ofGpus]: [string[], string[]] = [[], []];
  for (const [module, parts] of modulesOf(tensors, ends)) {
    const state = states.map((end) => parts.get(end)).find((part) => part !== undefined);
    const weight = state?.readable
      ? await fourBit(module, parts, state, read, signal)
      : eightBit(module, parts);
    const inRows = state !== undefined || (await isInRows(parts, read, signal));
    if (weight && inRows) weights.push({ weight, parts: [...parts.values()] });
    else if (weight) ofGpus.push(weight.name);
    else if (state) undescribed.push(state.name);
  }
  const warnings = [
    ...warningOf(
      undescribed,
      (which) => said`${which} does not describe its weights: they are shown as stored.`,
    ),
    ...warningOf(
      ofGpus,
      (which) =>
        said`${which} is stored in the order of some GPUs (weight_format), which is not decoded: it is shown as stored.`,
    ),
  ];
  return { weights, warnings };
}

/** Whether codes of 8 bits are in the order of rows: older versions could also store them as kernels of a GPU want them. */
async function isInRows(
  parts: ModuleParts,
  read: ReadPart,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const format = parts.get('weight_format');
  if (!format?.readable || format.byteLength !== 1) return true;
  const [order] = await read(format, 0, 1, signal);
  return order === rowOrder[0];
}

function eightBit(module: string, parts: ModuleParts): TensorDescriptor | undefined {
  const [codes, scales] = [parts.get('weight'), parts.get('SCB')];
  if (codes?.dtype !== 'I8' || codes.shape.length !== 2 || scales?.dtype !== 'F32') return undefined;
  if (scales.elements !== codes.shape[0]) return undefined;
  const described = { name: `${module}.weight`, dtype: 'LLM.int8', shape: codes.shape };
  return storedWeight(bitsandbytes.id, described, [
    ['weight', codes],
    ['SCB', scales],
  ]);
}

async function fourBit(
  module: string,
  parts: ModuleParts,
  state: TensorDescriptor,
  read: ReadPart,
  signal: AbortSignal | undefined,
): Promise<TensorDescriptor | undefined> {
  const codes = parts.get('weight');
  const [absmax, map] = [parts.get('weight.absmax'), parts.get('weight.quant_map')];
  const stated = parsed(await read(state, 0, Math.min(state.byteLength, maxState), signal));
  if (!codes || !absmax || map?.elements !== 16 || !stated) return undefined;
  const elements = elementsOf(stated.shape) ?? NaN;
  const blocks = Math.ceil(elements / stated.blocksize);
  if (codes.byteLength !== 2 * Math.ceil(elements / 4) && codes.byteLength !== Math.ceil(elements / 2))
    return undefined;
  if (absmax.elements !== blocks) return undefined;
  const isNested = absmax.dtype === 'U8';
  const [nestedScales, nestedMap] = [parts.get('weight.nested_absmax'), parts.get('weight.nested_quant_map')];
  const { nested_blocksize: nestedBlock = 256 } = stated;
  if (isNested && (nestedMap?.elements !== 256 || nestedScales?.elements !== Math.ceil(blocks / nestedBlock)))
    return undefined;
  const name = state.name.endsWith('nf4') ? 'NF4' : 'FP4';
  const dtype = `bnb ${name}${isNested ? ' double' : ''}`;
  const present = [...parts].filter(([end]) => end.startsWith('weight') && end !== 'weight_format');
  const variant = [stated.blocksize, ...(isNested ? [nestedBlock, stated.nested_offset ?? 0] : [])].join('/');
  const described = { name: `${module}.weight`, dtype, shape: stated.shape };
  return storedWeight(bitsandbytes.id, described, present, { variant });
}

/** Bytes of a description that are read. */
const maxState = 4096;
/** Weights of a block, or scales of one: the library has at most so many, and they are decoded together. */
const maxBlock = 4096;

function parsed(bytes: Uint8Array): QuantState | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
  if (!isRecord(value)) return undefined;
  const { shape, blocksize, nested_blocksize: nested = 256, nested_offset: offset = 0 } = value;
  const isSize = (size: unknown): size is number => Number.isSafeInteger(size) && (size as number) > 0;
  const isBlock = (size: unknown): boolean => isSize(size) && size <= maxBlock;
  const isValid =
    Array.isArray(shape) &&
    shape.every(isSize) &&
    isBlock(blocksize) &&
    isBlock(nested) &&
    typeof offset === 'number';
  return isValid ? (value as unknown as QuantState) : undefined;
}

const isEightBit = ({ stored }: StoredDescriptor): boolean => stored.parts.some(({ role }) => role === 'SCB');

function codes(weight: StoredDescriptor, read: ReadPart): QuantizedReader {
  return isEightBit(weight) ? eightBitCodes(weight, read) : fourBitCodes(weight, read);
}

function decoder(weight: StoredDescriptor, read: ReadPart): RowDecoder {
  return isEightBit(weight) ? decoderOf(eightBitCodes)(weight, read) : fourBitRows(weight, read);
}

function eightBitCodes(weight: StoredDescriptor, read: ReadPart): QuantizedReader {
  const parts = new PartReader(weight, read);
  const columns = weight.shape[1]!;
  const grid: Grid = {
    levels: { kind: 'integer', bits: 8, signed: true, narrow: true },
    group: 'row',
    rule: { kind: 'absmax', divisor: 1 },
    scale: 'F32',
    perScale: 127,
  };
  return {
    grid,
    rowStep: 1,
    async read(row, rows, signal) {
      return {
        ...{ grid, rows, columns },
        codes: await parts.bytes('weight', row * columns, rows * columns, signal),
        scales: await parts.floats('SCB', row, rows, signal),
      };
    },
  };
}

/** Consecutive weights of a tensor, as one row of them. */
type ReadRun = (first: number, count: number, signal?: AbortSignal) => Promise<QuantizedRows>;

/** Reads weights of 4 bits from the start of a block on; of a block of scales where these are quantized too. */
function fourBitRuns(
  weight: StoredDescriptor,
  parts: PartReader,
): { readonly grid: Grid; readonly together: number; readonly read: ReadRun } {
  const [flat = 64, nested, offset = 0] = weight.stored.variant!.split('/').map(Number);
  const grid: Grid = {
    levels: { kind: 'table', table: parts.has(states[0]) ? 'nf4' : 'fp4' },
    group: { flat },
    rule: { kind: 'absmax', divisor: 1 },
    scale: 'F32',
    ...(nested === undefined ? {} : { double: { block: nested } }),
  };
  return {
    grid,
    together: flat * (nested ?? 1),
    async read(first, count, signal) {
      const start = Math.floor(first / 2);
      const bytes = await parts.bytes('weight', start, Math.ceil((first + count) / 2) - start, signal);
      const span = { first: first / flat, count: Math.ceil(count / flat) };
      return {
        ...{ grid, rows: 1, columns: count },
        codes: highNibbleFirst(bytes, first % 2, count),
        ...(await blockScales(parts, { nested, offset }, span, signal)),
      };
    },
  };
}

function fourBitCodes(weight: StoredDescriptor, read: ReadPart): QuantizedReader {
  const runs = fourBitRuns(weight, new PartReader(weight, read));
  const { columns } = matrixOf(weight.shape);
  const { grid, together } = runs;
  return {
    grid,
    rowStep: together / greatestCommonDivisor(together, columns),
    read: async (row, rows, signal) => ({
      ...(await runs.read(row * columns, rows * columns, signal)),
      ...{ rows, columns },
    }),
  };
}

/** Rows may start within a block, whose other weights are decoded too. The table of a file is in the file. */
function fourBitRows(weight: StoredDescriptor, read: ReadPart): RowDecoder {
  const parts = new PartReader(weight, read);
  const runs = fourBitRuns(weight, parts);
  const { columns } = matrixOf(weight.shape);
  const table = (signal?: AbortSignal): Promise<Float32Array> =>
    parts.floats('weight.quant_map', 0, 16, signal);
  return {
    step: columns,
    codes: codeView(fourBitCodes(weight, read), weight.shape, table),
    async read({ row, rows }, target, signal) {
      const first = row * columns;
      const start = first - (first % runs.together);
      const end = Math.ceil((first + rows * columns) / runs.together) * runs.together;
      const quantized = await runs.read(start, Math.min(weight.elements, end) - start, signal);
      const levels = await table(signal);
      const values = isStandard(levels, quantized)
        ? await decodeRows(quantized, signal)
        : scaledLevels(quantized, levels);
      target.set(values.subarray(first - start, first - start + target.length));
    },
  };
}

/** Whether codes mean what they mean in the library. */
const isStandard = (table: Float32Array, { grid: { levels } }: QuantizedRows): boolean =>
  levels.kind === 'table' && tableValues[levels.table].every((value, code) => value === table[code]);

/** Decodes blocks of weights by a table of their file. */
function scaledLevels({ grid, codes, scales }: QuantizedRows, table: Float32Array): Float32Array {
  const { flat } = grid.group as { readonly flat: number };
  return Float32Array.from(codes, (code, at) => table[code]! * scales[Math.floor(at / flat)]!);
}

/** `count` codes from the code `first` on of bytes that hold two each, the high nibble first. */
function highNibbleFirst(bytes: Uint8Array, first: number, count: number): Uint8Array {
  const found = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const byte = bytes[(first + i) >> 1]!;
    found[i] = (first + i) % 2 === 0 ? byte >>> 4 : byte & 15;
  }
  return found;
}

/** The scales of some blocks of weights, which start with a block of scales where these are quantized too. */
async function blockScales(
  parts: PartReader,
  { nested: size, offset }: { readonly nested: number | undefined; readonly offset: number },
  { first, count }: { readonly first: number; readonly count: number },
  signal: AbortSignal | undefined,
): Promise<Pick<QuantizedRows, 'scales' | 'nested'>> {
  if (size === undefined) return { scales: await parts.floats('weight.absmax', first, count, signal) };
  const codes = await parts.bytes('weight.absmax', first, count, signal);
  const map = await parts.floats('weight.nested_quant_map', 0, 256, signal);
  const absmax = await parts.floats('weight.nested_absmax', first / size, Math.ceil(count / size), signal);
  const scales = Float32Array.from(codes, (code, i) => {
    return Math.fround(map[code]! * absmax[Math.floor(i / size)]!) + offset;
  });
  return { scales, nested: { codes, absmax, offset } };
}
