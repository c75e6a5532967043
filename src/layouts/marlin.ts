import type { Grid } from '../protocol/grids';
import type { TensorDescriptor } from '../protocol/model';
import { decoderOf } from './decoding';
import {
  storedWeight,
  type QuantizedReader,
  type Found,
  type Layout,
  type ReadPart,
  type StoredContent,
  type StoredDescriptor,
} from './layout';
import { findWeights, PartReader, scaleColumns, groupOf, type ModuleParts } from './parts';

/**
 * Marlin, symmetric 4 bits: `B` I32 [in/16, out·2] and `s` F16 [groups, out]. Codes (+8) are cut into tiles of 16 × 16, the tiles of 16
 * inputs follow each other, each four of them are permuted together, and eight codes make a word. Scales are permuted within 64 outputs,
 * or 32 where there is one group. w = (code − 8) · scale.
 * @see https://arxiv.org/abs/2408.11743
 */
export const marlin: Layout = { id: 'marlin', find, codes, decoder: decoderOf(codes) };

/** Codes that are permuted together: four tiles, which hold 64 outputs. */
const block = 1024;
const outputs = 64;

/** The place of each code of a block: threads of a warp hold the operands of their tensor core instructions. */
const placeOf = inverse(
  Array.from({ length: block }, (_, place) => {
    const [thread, tile, within] = [place >> 5, (place >> 3) & 3, place & 7];
    const value = [0, 2, 4, 6, 1, 3, 5, 7][within]!;
    const row = 2 * (thread & 3) + (value & 1) + (value & 2 ? 8 : 0);
    const column = (thread >> 2) + (value & 4 ? 8 : 0);
    return 256 * tile + 16 * row + column;
  }),
);
const scalePlaces = inverse(Array.from({ length: 64 }, (_, place) => (place >> 3) + 8 * (place & 7)));
const singlePlaces = inverse(
  Array.from({ length: 32 }, (_, place) => 2 * (place >> 3) + [0, 1, 8, 9, 16, 17, 24, 25][place & 7]!),
);

function inverse(order: readonly number[]): Int32Array {
  const places = new Int32Array(order.length);
  order.forEach((value, place) => (places[value] = place));
  return places;
}

function find({ tensors }: StoredContent): Found {
  return findWeights(tensors, ['B', 's'], describe);
}

function describe(module: string, parts: ModuleParts): TensorDescriptor | undefined {
  const [codes, scales] = [parts.get('B'), parts.get('s')];
  if (codes?.dtype !== 'I32' || codes.shape.length !== 2 || scales?.dtype !== 'F16') return undefined;
  const [columns, out] = [16 * codes.shape[0]!, codes.shape[1]! / 2];
  const [groups = 0, outScales] = scales.shape;
  if (outScales !== out || out % outputs !== 0 || columns % groups !== 0) return undefined;
  const described = { name: `${module}.weight`, dtype: 'Marlin 4-bit', shape: [out, columns] };
  const present = [
    ['codes', codes],
    ['scales', scales],
  ] as const;
  return storedWeight(marlin.id, described, present, { rounding: 'F16' });
}

function codes(weight: StoredDescriptor, read: ReadPart): QuantizedReader {
  const parts = new PartReader(weight, read);
  const [out, columns] = weight.shape as readonly [number, number];
  const groups = parts.part('scales').shape[0]!;
  const grid: Grid = {
    levels: { kind: 'integer', bits: 4, signed: true },
    group: groupOf(columns, groups),
    rule: { kind: 'absmax', divisor: 7.5 },
    scale: 'F16',
  };
  return {
    grid,
    rowStep: outputs,
    async read(row, rows, signal) {
      const span = { first: row, count: rows };
      const words = { first: 2 * row, count: 2 * rows };
      const bytes = await parts.columns('codes', [columns / 16, 2 * out], 4, words, signal);
      const stored = new Uint32Array(bytes.buffer);
      const found = new Uint8Array(rows * columns);
      for (let i = 0; i < rows; i++)
        for (let column = 0; column < columns; column++) {
          const place = codePlace(i, column);
          const word = stored[(column >> 4) * words.count + (place >> 3)]!;
          found[i * columns + column] = ((word >>> (4 * (place & 7))) & 15) - 8;
        }
      const permuted = await scaleColumns(parts, 'scales', span, signal);
      const scales = Float32Array.from(permuted, (_, at) => {
        const [output, group] = [Math.floor(at / groups), at % groups];
        return permuted[scalePlace(output, groups) * groups + group]!;
      });
      return { grid, rows, columns, codes: found, scales };
    },
  };
}

/** Where a code is among the fields of its 16 inputs. @param output from a multiple of 64 on. */
function codePlace(output: number, column: number): number {
  const tile = 256 * ((output % outputs) >> 4) + (output & 15);
  return Math.floor(output / outputs) * block + placeOf[tile + 16 * (column & 15)]!;
}

/** Where the scale of an output is among those of its group. @param output from a multiple of 64 on. */
function scalePlace(output: number, groups: number): number {
  const [places, together] = groups > 1 ? [scalePlaces, 64] : [singlePlaces, 32];
  return output - (output % together) + places[output % together]!;
}
