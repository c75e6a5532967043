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
import { findWeights, groupedRows, integerLevels, PartReader, type ModuleParts } from './parts';

/**
 * EETQ for GPUs of compute capability 7.5 to 8.9: `weight` I8 [in, out] and `weight_scales` F16 [out]. The bytes are not in that order: two
 * outputs follow each other in tiles of 64 inputs, inputs are permuted within 16, bytes 1 and 2 of each 4 are swapped, and 128 is added to
 * codes. w = code · scale.
 */
export const eetq: Layout = { id: 'eetq', find, decoder };

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

function decoder(weight: StoredDescriptor, read: ReadPart): RowDecoder {
  const parts = new PartReader(weight, read);
  const columns = weight.shape[1]!;
  return groupedRows(columns, {
    levels: integerLevels(-128, 127),
    async read({ row, rows }, target, signal) {
      const first = row - (row % 2);
      const length = (Math.ceil((row + rows) / 2) * 2 - first) * columns;
      const codes = await parts.bytes('codes', first * columns, length, signal);
      for (let i = 0; i < rows; i++) {
        const output = row + i - first;
        const pair = (output - (output % 2)) * columns + (output % 2) * tile;
        for (let place = 0; place < columns; place++) {
          const at = pair + Math.floor(place / tile) * 2 * tile + (place % tile);
          const byte = codes[swapped(at)]!;
          const column = place - (place % 16) + places[place % 16]!;
          target[i * columns + column] = byte - 128;
        }
      }
      return { count: 1, scales: await parts.floats('scales', row, rows, signal) };
    },
  });
}

/** Where a byte is after bytes 1 and 2 of each 4 were swapped. */
function swapped(at: number): number {
  const place = at % 4;
  return place === 1 ? at + 1 : place === 2 ? at - 1 : at;
}
