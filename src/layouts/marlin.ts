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
import { findWeights, groupedRows, integerLevels, PartReader, scaleColumns, type ModuleParts } from './parts';

/**
 * Marlin, symmetric 4 bits: `B` I32 [in/16, out·2] and `s` F16 [groups, out]. Codes (+8) are cut into tiles of 16 × 16, the tiles of 16
 * inputs follow each other, each four of them are permuted together, and eight codes make a word. Scales are permuted within 64 outputs,
 * or 32 where there is one group. w = (code − 8) · scale.
 * @see https://arxiv.org/abs/2408.11743
 */
export const marlin: Layout = { id: 'marlin', find, decoder };

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

function decoder(weight: StoredDescriptor, read: ReadPart): RowDecoder {
  const parts = new PartReader(weight, read);
  const [out, columns] = weight.shape as readonly [number, number];
  const groups = parts.part('scales').shape[0]!;
  return groupedRows(columns, {
    levels: integerLevels(-8, 7),
    async read({ row, rows }, target, signal) {
      const first = row - (row % outputs);
      const span = { first, count: Math.ceil((row + rows) / outputs) * outputs - first };
      const words = { first: 2 * span.first, count: 2 * span.count };
      const bytes = await parts.columns('codes', [columns / 16, 2 * out], 4, words, signal);
      const codes = new Uint32Array(bytes.buffer);
      for (let i = 0; i < rows; i++) {
        const output = row + i - first;
        const tile = 256 * ((output % outputs) >> 4) + (output & 15);
        for (let column = 0; column < columns; column++) {
          const place = Math.floor(output / outputs) * block + placeOf[tile + 16 * (column & 15)]!;
          const word = codes[(column >> 4) * words.count + (place >> 3)]!;
          target[i * columns + column] = ((word >>> (4 * (place & 7))) & 15) - 8;
        }
      }
      const stored = await scaleColumns(parts, 'scales', span, signal);
      const [places, together] = groups > 1 ? [scalePlaces, 64] : [singlePlaces, 32];
      const scales = Float32Array.from({ length: rows * groups }, (_, at) => {
        const output = row + Math.floor(at / groups) - first;
        const place = output - (output % together) + places[output % together]!;
        return stored[place * groups + (at % groups)]!;
      });
      return { count: groups, scales };
    },
  });
}
