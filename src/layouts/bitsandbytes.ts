import type { CodeReader } from '../model/codeRows';
import { isRecord } from '../model/json';
import { elementsOf } from '../model/dtypes';
import type { TensorDescriptor } from '../protocol/model';
import {
  storedWeight,
  type Found,
  type Layout,
  type ReadPart,
  type RowDecoder,
  type StoredContent,
  type StoredDescriptor,
} from './layout';
import { distinctLevels, groupedRows, integerLevels, modulesOf, PartReader, type ModuleParts } from './parts';

/**
 * bitsandbytes. 8 bits (LLM.int8): `weight` I8 [out, in] and `SCB` F32 [out], the largest magnitude of each row; w = code · SCB / 127.
 * 4 bits (NF4, FP4): `weight` holds the codes of all weights in their order, two to a byte, the high nibble first; `weight.quant_map` F32 [16] has
 * their values, `weight.absmax` the scale of each block of consecutive weights. With double quantization these scales are codes of
 * `weight.nested_quant_map`, with scales of their own (`weight.nested_absmax`) and an offset. `weight.quant_state.bitsandbytes__nf4` is a JSON text that
 * has shape, block sizes and offset.
 * @see https://arxiv.org/abs/2208.07339 (LLM.int8), https://arxiv.org/abs/2305.14314 (QLoRA)
 */
export const bitsandbytes: Layout = { id: 'bitsandbytes', find, decoder };

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
  const warnings: string[] = [];
  for (const [module, parts] of modulesOf(tensors, ends)) {
    const state = states.map((end) => parts.get(end)).find((part) => part !== undefined);
    const weight = state?.readable
      ? await fourBit(module, parts, state, read, signal)
      : eightBit(module, parts);
    if (weight) weights.push({ weight, parts: [...parts.values()] });
    else if (state) warnings.push(`"${state.name}" does not describe its weights: they are shown as stored.`);
  }
  return { weights, warnings };
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
  return storedWeight(bitsandbytes.id, { name: `${module}.weight`, dtype, shape: stated.shape }, present);
}

/** Bytes of a description that are read. */
const maxState = 4096;

function parsed(bytes: Uint8Array): QuantState | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
  if (!isRecord(value)) return undefined;
  const { shape, blocksize, nested_blocksize: nested = 256, nested_offset: offset = 0 } = value;
  const isSize = (size: unknown): boolean => Number.isSafeInteger(size) && (size as number) > 0;
  const isValid =
    Array.isArray(shape) &&
    shape.every(isSize) &&
    isSize(blocksize) &&
    isSize(nested) &&
    typeof offset === 'number';
  return isValid ? (value as unknown as QuantState) : undefined;
}

function decoder(weight: StoredDescriptor, read: ReadPart): RowDecoder {
  const parts = new PartReader(weight, read);
  return parts.has('SCB') ? eightBitRows(weight, parts) : fourBitRows(weight, parts);
}

/** 1/127 as the library has it. */
const perCode = Math.fround(0.007874016);

function eightBitRows({ shape }: StoredDescriptor, parts: PartReader): RowDecoder {
  const columns = shape[1]!;
  const codes: CodeReader = {
    levels: integerLevels(-127, 127),
    async read({ row, rows }, target, signal) {
      target.set(await parts.floats('weight', row * columns, rows * columns, signal));
      const largest = await parts.floats('SCB', row, rows, signal);
      return { count: 1, scales: largest.map((value) => value * perCode) };
    },
  };
  return {
    step: columns,
    codes,
    async read({ row, rows }, target, signal) {
      target.set(await parts.floats('weight', row * columns, rows * columns, signal));
      const scales = await parts.floats('SCB', row, rows, signal);
      for (let i = 0; i < target.length; i++)
        target[i] = Math.fround(target[i]! * scales[Math.floor(i / columns)]!) * perCode;
    },
  };
}

function fourBitRows({ shape }: StoredDescriptor, parts: PartReader): RowDecoder {
  const columns = shape.at(-1)!;
  let opened: Promise<{ map: Float32Array; state: QuantState }> | undefined;
  const open = async (): Promise<{ map: Float32Array; state: QuantState }> => {
    const end = states.find((candidate) => parts.has(candidate))!;
    const state = parsed(await parts.bytes(end, 0, Math.min(parts.part(end).byteLength, maxState)))!;
    return { map: await parts.floats('weight.quant_map', 0, 16), state };
  };
  const description = async (): Promise<{ map: Float32Array; state: QuantState }> => {
    opened ??= open();
    opened.catch(() => (opened = undefined));
    return opened;
  };
  return groupedRows(columns, {
    levels: async () => distinctLevels((await description()).map),
    async read({ row, rows }, target, signal) {
      const { map, state } = await description();
      const [first, last] = [row * columns, (row + rows) * columns];
      const start = Math.floor(first / 2);
      const codes = await parts.bytes('weight', start, Math.ceil(last / 2) - start, signal);
      const block = Math.floor(first / state.blocksize);
      const blocks = Math.ceil(last / state.blocksize) - block;
      const scales = await blockScales(parts, state, { first: block, count: blocks }, signal);
      for (let at = first; at < last; at++) {
        const byte = codes[Math.floor(at / 2) - start]!;
        target[at - first] = map[at % 2 === 0 ? byte >>> 4 : byte & 15]!;
      }
      const count = groupsOfRow(columns, state.blocksize);
      const spread = Float32Array.from({ length: rows * count }, (_, group) => {
        const at = first + (group * columns) / count;
        return scales[Math.floor(at / state.blocksize) - block]!;
      });
      return { count, scales: spread };
    },
  });
}

/** Groups of a row whose weights share a scale each: blocks where they divide the row, else single weights. */
function groupsOfRow(columns: number, blocksize: number): number {
  if (columns % blocksize === 0) return columns / blocksize;
  return blocksize % columns === 0 ? 1 : columns;
}

/** The scales of some blocks of weights. */
async function blockScales(
  parts: PartReader,
  { nested_blocksize: size = 256, nested_offset: offset = 0 }: QuantState,
  { first, count }: { readonly first: number; readonly count: number },
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  if (parts.part('weight.absmax').dtype !== 'U8') return parts.floats('weight.absmax', first, count, signal);
  const codes = await parts.bytes('weight.absmax', first, count, signal);
  const map = await parts.floats('weight.nested_quant_map', 0, 256, signal);
  const start = Math.floor(first / size);
  const nested = Math.ceil((first + count) / size) - start;
  const scales = await parts.floats('weight.nested_absmax', start, nested, signal);
  return Float32Array.from(codes, (code, i) => {
    const scale = scales[Math.floor((first + i) / size) - start]!;
    return Math.fround(map[code]! * scale) + offset;
  });
}
