import { QuantscopeError } from '../model/errors';
import type { Grid } from '../protocol/grids';
import { said } from '../protocol/said';
import type { NestedScales, QuantizedRows } from '../quant/quantized';
import { tableValues } from '../quant/grids/levels';
import { dynamicMap } from '../quant/grids/nested';
import type { LayoutWriter, StoredTensor, WrittenModel, WrittenWeight } from './layout';
import {
  bytesOf,
  common,
  integerBits,
  isSymmetric,
  keptModules,
  partOf,
  refuseGroups,
  torchDtype,
  weightsIn,
  type WritePart,
} from './writing';

/** Dtypes that 4-bit codes are stored in; FSDP needs that of the other weights. */
const storages = { U8: 1, BF16: 2, F16: 2, F32: 4 } as const;
type Storage = keyof typeof storages;

/** Writes what `bitsandbytes.ts` reads. Rows are stored as they come. */
export const bitsandbytesWriters: readonly LayoutWriter[] = [
  {
    id: 'bitsandbytes-8bit',
    label: 'bitsandbytes LLM.int8',
    runtimes: ['transformers', 'vLLM', 'SGLang'],
    plainDtype: 'F16',
    refuse: refuseEightBit,
    parts: eightBitParts,
    encode: encodeEightBit,
    config: (model) => config(model, { load_in_8bit: true }),
    rareMembers: ['perScale'],
  },
  ...(Object.keys(storages) as Storage[]).map(fourBitWriter),
];

function refuseEightBit(weight: WrittenWeight): string | undefined {
  const { grid } = weight;
  if (grid.outliers)
    return said`bitsandbytes stores all columns in 8 bits and looks for outliers while it runs`;
  if (integerBits(grid) !== 8 || !isSymmetric(grid)) return said`LLM.int8 has signed integers of 8 bits`;
  if (grid.scale !== 'F32' || grid.perScale !== 127)
    return said`LLM.int8 stores the largest magnitude of each row as F32`;
  return refuseGroups(weight, 'row');
}

function eightBitParts(weight: WrittenWeight): readonly StoredTensor[] {
  return [
    partOf(weight, 'weight', 'I8', weight.shape),
    partOf(weight, 'SCB', 'F32', [weight.shape[0]!]),
    partOf(weight, 'weight_format', 'U8', []),
  ];
}

/** Code of the order of weights that all GPUs read: rows. */
export const rowOrder = Uint8Array.of(0);

async function encodeEightBit(
  _weight: WrittenWeight,
  slabs: AsyncIterable<QuantizedRows>,
  write: WritePart,
): Promise<void> {
  for await (const { codes, scales } of slabs) {
    await write(0, codes);
    await write(1, bytesOf(scales));
  }
  await write(2, rowOrder);
}

function fourBitWriter(storage: Storage): LayoutWriter {
  const isPlain = storage === 'U8';
  return {
    id: isPlain ? 'bitsandbytes-4bit' : `bitsandbytes-4bit-${storage.toLowerCase()}`,
    label: isPlain ? 'bitsandbytes 4-bit' : `bitsandbytes 4-bit, stored as ${storage}`,
    runtimes: isPlain ? ['transformers', 'vLLM', 'SGLang'] : ['transformers'],
    refuse: refuseFourBit,
    parts: (weight) => fourBitParts(weight, storage),
    encode: (weight, slabs, write) => encodeFourBit(weight, slabs, write, storages[storage]),
    config: (model) => fourBitConfig(model, storage),
    rareMembers: ['double'],
  };
}

const blockOf = ({ group }: Grid): number =>
  typeof group === 'object' && 'flat' in group ? group.flat : NaN;

function refuseFourBit({ grid }: WrittenWeight): string | undefined {
  if (grid.levels.kind !== 'table') return said`bitsandbytes has the tables NF4 and FP4`;
  if (grid.scale !== 'F32') return said`bitsandbytes has scales of the dtype F32`;
  if (![32, 64, 128, 256, 512, 1024, 2048, 4096].includes(blockOf(grid)))
    return said`bitsandbytes has blocks of 32 to 4096 consecutive weights of the tensor, powers of two`;
  if (grid.double && grid.double.block !== 256) return said`bitsandbytes has blocks of 256 scales`;
  return undefined;
}

/** More characters than a double has in JSON. */
const longestNumber = 24;

function fourBitParts(weight: WrittenWeight, storage: Storage): readonly StoredTensor[] {
  const { grid } = weight;
  const count = weightsIn(weight);
  const blocks = Math.ceil(count / blockOf(grid));
  const packed = Math.ceil(Math.ceil(count / 2) / storages[storage]);
  const state = stateOf(weight, undefined);
  const { double } = grid;
  const nested = double
    ? [
        partOf(weight, 'weight.nested_absmax', 'F32', [Math.ceil(blocks / double.block)]),
        partOf(weight, 'weight.nested_quant_map', 'F32', [256]),
      ]
    : [];
  const description = partOf(weight, stateEnd(grid), 'U8', [state.length + (double ? longestNumber : 0)]);
  return [
    partOf(weight, 'weight', storage, [packed, 1]),
    partOf(weight, 'weight.absmax', double ? 'U8' : 'F32', [blocks]),
    partOf(weight, 'weight.quant_map', 'F32', [16]),
    ...nested,
    double ? { ...description, atMost: true } : description,
  ];
}

const stateEnd = ({ levels }: Grid): string =>
  `weight.quant_state.bitsandbytes__${levels.kind === 'table' ? levels.table : ''}`;

/** The description of a weight, as Python's json module writes it. @param offset of nested scales; left out where it is not known yet. */
function stateOf({ grid, dtype, shape }: WrittenWeight, offset: number | undefined): Uint8Array {
  const table = grid.levels.kind === 'table' ? grid.levels.table : '';
  const start = `{"quant_type": "${table}", "blocksize": ${blockOf(grid)}, "dtype": "${torchDtype(dtype)}", "shape": [${shape.join(', ')}]`;
  const number = offset === undefined ? '' : pythonNumber(offset);
  const { double } = grid;
  const nested = double
    ? `, "nested_blocksize": ${double.block}, "nested_dtype": "float32", "nested_offset": ${number}`
    : '';
  return new TextEncoder().encode(`${start}${nested}}`);
}

/** A number as Python writes it: always with a point or an exponent of two digits, which starts below 10⁻⁴ and at 10¹⁶. */
export function pythonNumber(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e16))
    return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}

async function encodeFourBit(
  weight: WrittenWeight,
  slabs: AsyncIterable<QuantizedRows>,
  write: WritePart,
  alignment: number,
): Promise<void> {
  const { grid } = weight;
  const nibbles = new HighNibbleFirst();
  const absmax: Float32Array[] = [];
  let offset: number | undefined;
  for await (const { codes, scales, nested } of slabs) {
    await write(0, nibbles.add(codes));
    await write(1, grid.double ? nestedOf(weight, nested).codes : bytesOf(scales));
    if (nested) {
      absmax.push(nested.absmax.slice());
      offset ??= nested.offset;
    }
  }
  const table = grid.levels.kind === 'table' ? tableValues[grid.levels.table] : new Float32Array(0);
  await write(0, nibbles.rest(alignment, table.indexOf(0)));
  await write(2, bytesOf(table));
  let next = 3;
  if (grid.double) {
    for (const values of absmax) await write(3, bytesOf(values));
    await write(4, bytesOf(dynamicMap));
    next = 5;
  }
  await write(next, stateOf(weight, offset));
}

function nestedOf({ name }: WrittenWeight, nested: NestedScales | undefined): NestedScales {
  if (nested) return nested;
  throw new QuantscopeError('REQUEST', said`The scales of "${name}" were not quantized.`, { tensor: name });
}

/** Packs codes two to a byte, the first into the high nibble. */
class HighNibbleFirst {
  private waiting: number | undefined;
  private written = 0;

  add(codes: Uint8Array): Uint8Array {
    const odd = this.waiting === undefined ? 0 : 1;
    const bytes = new Uint8Array((codes.length + odd) >> 1);
    const at = (i: number): number => (i < odd ? this.waiting! : codes[i - odd]!);
    for (let i = 0; i < bytes.length; i++) bytes[i] = (at(2 * i) << 4) | at(2 * i + 1);
    this.waiting = (codes.length + odd) % 2 === 1 ? at(codes.length + odd - 1) : undefined;
    this.written += bytes.length;
    return bytes;
  }

  /** What is left, with the code that the library fills up the last byte with, and zeros up to whole elements of so many bytes. */
  rest(alignment: number, zero: number): Uint8Array {
    const last = this.waiting === undefined ? [] : [(this.waiting << 4) | zero];
    const size = Math.ceil((this.written + last.length) / alignment) * alignment - this.written;
    const bytes = new Uint8Array(size);
    bytes.set(last);
    return bytes;
  }
}

function fourBitConfig(model: WrittenModel, storage: Storage): Record<string, unknown> {
  const table = common(model, 'table', ({ grid }) => (grid.levels.kind === 'table' ? grid.levels.table : ''));
  const isDouble = common(model, 'way of storing scales', ({ grid }) => grid.double !== undefined);
  const dtype = common(model, 'dtype', (weight) => weight.dtype) ?? 'BF16';
  return config(model, {
    load_in_4bit: true,
    bnb_4bit_quant_type: table ?? 'nf4',
    bnb_4bit_use_double_quant: isDouble ?? false,
    bnb_4bit_compute_dtype: torchDtype(dtype),
    bnb_4bit_quant_storage: storage === 'U8' ? 'uint8' : torchDtype(storage),
  });
}

/** The library's own parameters, with its defaults. */
const config = (model: WrittenModel, stated: Readonly<Record<string, unknown>>): Record<string, unknown> => ({
  _load_in_4bit: stated['load_in_4bit'] === true,
  _load_in_8bit: stated['load_in_8bit'] === true,
  bnb_4bit_compute_dtype: 'float32',
  bnb_4bit_quant_storage: 'uint8',
  bnb_4bit_quant_type: 'fp4',
  bnb_4bit_use_double_quant: false,
  llm_int8_enable_fp32_cpu_offload: false,
  llm_int8_has_fp16_weight: false,
  llm_int8_skip_modules: keptModules(model),
  llm_int8_threshold: 6,
  load_in_4bit: false,
  load_in_8bit: false,
  quant_method: 'bitsandbytes',
  ...stated,
});
