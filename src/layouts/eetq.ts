import type { Grid } from '../protocol/grids';
import type { TensorDescriptor } from '../protocol/model';
import { said } from '../protocol/said';
import type { QuantizedRows } from '../quant/quantized';
import { decoderOf } from './decoding';
import {
  integerBits,
  isSymmetric,
  keptModules,
  partOf,
  refuseGroups,
  scaleBytes,
  type WritePart,
} from './writing';
import {
  storedWeight,
  type QuantizedReader,
  type Found,
  type Layout,
  type ReadPart,
  type StoredContent,
  type StoredDescriptor,
  type StoredTensor,
  type WrittenWeight,
} from './layout';
import { findWeights, PartReader, type ModuleParts } from './parts';

/**
 * EETQ for GPUs of compute capability 7.5 to 8.9: `weight` I8 [in, out] and `weight_scales` F16 [out]. The bytes are not in that order: two
 * outputs follow each other in tiles of 64 inputs, inputs are permuted within 16, bytes 1 and 2 of each 4 are swapped, and 128 is added to
 * codes. w = code · scale.
 */
export const eetq: Layout = {
  id: 'eetq',
  mark: /^weight_scales$/,
  find,
  codes,
  decoder: decoderOf(codes),
  writers: [
    {
      id: 'eetq',
      label: 'EETQ',
      runtimes: ['transformers', 'TGI'],
      plainDtype: 'F16',
      decodes: { to: 'F16' },
      refuse,
      parts,
      encode,
      config: (model) => ({
        quant_method: 'eetq',
        weights: 'int8',
        modules_to_not_convert: keptModules(model),
      }),
    },
  ],
};

/** Inputs of a tile that two outputs share, and the input that each of 16 places holds. */
const tile = 64;
const places = [0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15];

function find({ tensors }: StoredContent): Found {
  return findWeights(tensors, ['weight', 'weight_scales'], describe);
}

function describe(module: string, parts: ModuleParts): TensorDescriptor | undefined {
  const [codes, scales] = [parts.get('weight'), parts.get('weight_scales')];
  if (codes?.dtype !== 'I8' || codes.shape.length !== 2 || scales?.dtype !== 'F16') return undefined;
  const [columns = 0, out = 0] = codes.shape;
  if (scales.elements !== out || out % 2 !== 0 || columns % tile !== 0) return undefined;
  const described = { name: `${module}.weight`, dtype: 'EETQ int8', shape: [out, columns] };
  const present = [
    ['codes', codes],
    ['scales', scales],
  ] as const;
  return storedWeight(eetq.id, described, present, { rounding: 'F16' });
}

const grid: Grid = {
  levels: { kind: 'integer', bits: 8, signed: true },
  group: 'row',
  rule: { kind: 'absmax', divisor: 128 },
  scale: 'F16',
};

function codes(weight: StoredDescriptor, read: ReadPart): QuantizedReader {
  const parts = new PartReader(weight, read);
  const columns = weight.shape[1]!;
  return {
    grid,
    rowStep: 2,
    async read(row, rows, signal) {
      const stored = await parts.bytes('codes', row * columns, rows * columns, signal);
      const found = new Uint8Array(rows * columns);
      eachCode(found.length, columns, (byte, code) => (found[code] = stored[byte]! - 128));
      return { grid, rows, columns, codes: found, scales: await parts.floats('scales', row, rows, signal) };
    },
  };
}

/** Of each byte of a tile of two outputs: the output (0 or 1), and the input within the tile. Bytes 1 and 2 of each 4 are swapped. */
const tilePlaces = Array.from({ length: 2 * tile }, (_, byte) => {
  const at = [byte, byte + 1, byte - 1, byte][byte % 4]!;
  const place = at % tile;
  return { output: Math.floor(at / tile), column: place - (place % 16) + places[place % 16]! };
});
const tileOutputs = Int32Array.from(tilePlaces, ({ output }) => output);
const tileColumns = Int32Array.from(tilePlaces, ({ column }) => column);

/** For each stored byte of whole pairs of rows, in order: the place of its code in `[out, in]`. */
function eachCode(length: number, columns: number, use: (byte: number, code: number) => void): void {
  for (let byte = 0; byte < length; byte += 2 * tile) {
    const pair = byte - (byte % (2 * columns));
    const first = pair + (byte - pair) / 2;
    for (let i = 0; i < 2 * tile; i++) use(byte + i, first + tileOutputs[i]! * columns + tileColumns[i]!);
  }
}

function refuse(weight: WrittenWeight): string | undefined {
  const { grid, shape, permuted } = weight;
  if (integerBits(grid) !== 8 || !isSymmetric(grid)) return said`EETQ has signed integers of 8 bits`;
  if (grid.scale !== 'F16') return said`EETQ has scales of the dtype F16`;
  if (permuted) return said`EETQ has one scale for each row`;
  const [out = 0, columns = 0] = shape;
  if (out % 2 !== 0 || columns % tile !== 0)
    return said`2 must divide its ${out} outputs and ${tile} its ${columns} inputs`;
  return refuseGroups(weight, 'row');
}

function parts(weight: WrittenWeight): readonly StoredTensor[] {
  const [out = 0, columns = 0] = weight.shape;
  return [partOf(weight, 'weight', 'I8', [columns, out]), partOf(weight, 'weight_scales', 'F16', [out])];
}

/** Pairs of outputs follow each other: slabs are written as they come, and an odd row waits for its pair. */
async function encode(
  weight: WrittenWeight,
  slabs: AsyncIterable<QuantizedRows>,
  write: WritePart,
): Promise<void> {
  const columns = weight.shape[1]!;
  let waiting = new Uint8Array(0);
  for await (const { codes: rows, scales } of slabs) {
    const all = new Uint8Array(waiting.length + rows.length);
    all.set(waiting);
    all.set(rows, waiting.length);
    const whole = all.length - (all.length % (2 * columns));
    const stored = new Uint8Array(whole);
    eachCode(whole, columns, (byte, code) => (stored[byte] = all[code]! + 128));
    await write(0, stored);
    await write(1, await scaleBytes(scales, 'F16'));
    waiting = all.slice(whole);
  }
}
