import type { Grid } from '../protocol/grids';
import type { TensorDescriptor } from '../protocol/model';
import { decoderOf } from './decoding';
import { codePlace, marlinWriter, outputs, scalePlace } from './marlinWriter';
import {
  storedWeight,
  type QuantizedReader,
  type Found,
  type Layout,
  type ReadPart,
  type StoredContent,
  type StoredDescriptor,
} from './layout';
import { findWeights, PartReader, scaleColumns, type ModuleParts } from './parts';

/**
 * Marlin, symmetric 4 bits: `B` I32 [in/16, out·2] and `s` F16 [groups, out]. Codes (+8) are cut into tiles of 16 × 16, the tiles of 16
 * inputs follow each other, each four of them are permuted together, and eight codes make a word. Scales are permuted within 64 outputs,
 * or 32 where there is one group. w = (code − 8) · scale.
 * @see https://arxiv.org/abs/2408.11743
 */
export const marlin: Layout = {
  id: 'marlin',
  mark: /^B$/,
  find,
  codes,
  decoder: decoderOf(codes),
  writers: [marlinWriter()],
};

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
    group: Math.ceil(columns / groups),
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
