import type { Grid } from '../protocol/grids';
import type { TensorDescriptor } from '../protocol/model';
import { decoderOf } from './decoding';
import { awqShifts as shifts, awqWriter } from './awqWriter';
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
 * AWQ in the GEMM layout of AutoAWQ: `qweight` I32 [in, out/8], eight codes of 4 bits along out in each word; `qzeros` I32 [groups, out/8] alike;
 * `scales` [groups, out]. w = (code − zero) · scale.
 * @see https://arxiv.org/abs/2306.00978
 */
export const awq: Layout = {
  id: 'awq',
  mark: /^qweight$/,
  find,
  codes,
  decoder: decoderOf(codes),
  writers: [awqWriter()],
};

const ends = ['qweight', 'qzeros', 'scales'] as const;

function find({ tensors }: StoredContent): Found {
  return findWeights(tensors, ends, describe);
}

function describe(module: string, parts: ModuleParts): TensorDescriptor | undefined {
  const [qweight, qzeros, scales] = ends.map((end) => parts.get(end));
  if (qweight?.dtype !== 'I32' || qzeros?.dtype !== 'I32' || !scales) return undefined;
  const [columns = 0, words = 0] = qweight.shape;
  const [groups = 0, out = 0] = scales.shape;
  const fits =
    out === 8 * words && qzeros.shape[0] === groups && qzeros.shape[1] === words && columns % groups === 0;
  if (!fits) return undefined;
  const present = ends.map((end) => [end, parts.get(end)!] as const);
  const described = { name: `${module}.weight`, dtype: 'AWQ 4-bit', shape: [out, columns] };
  return storedWeight(awq.id, described, present, scales.dtype === 'F16' ? { rounding: 'F16' } : {});
}

function codes(weight: StoredDescriptor, read: ReadPart): QuantizedReader {
  const parts = new PartReader(weight, read);
  const [out, columns] = weight.shape as readonly [number, number];
  const groups = parts.part('scales').shape[0]!;
  const grid: Grid = {
    levels: { kind: 'integer', bits: 4, signed: false },
    group: Math.ceil(columns / groups),
    rule: { kind: 'range', widened: false },
    scale: parts.scaleDtype('scales'),
    zero: 'integer',
  };
  return {
    grid,
    rowStep: 8,
    async read(row, rows, signal) {
      const words = { first: row >> 3, count: Math.ceil(rows / 8) };
      const wordsOf = async (role: string, lines: number): Promise<Uint32Array> =>
        new Uint32Array((await parts.columns(role, [lines, out / 8], 4, words, signal)).buffer);
      const zeros = outputFields(await wordsOf('qzeros', groups), [rows, groups]);
      return {
        ...{ grid, rows, columns },
        codes: outputFields(await wordsOf('qweight', columns), [rows, columns]),
        scales: await scaleColumns(parts, 'scales', { first: row, count: rows }, signal),
        zeros: Float32Array.from(zeros),
      };
    },
  };
}

/** The fields of words that hold eight outputs each. @param words `[lines, ⌈rows / 8⌉]`. @returns `[rows, lines]`. */
function outputFields(words: Uint32Array, [rows, lines]: readonly [number, number]): Uint8Array {
  const fields = new Uint8Array(rows * lines);
  const perLine = Math.ceil(rows / 8);
  for (let first = 0; first < rows; first += 8)
    for (let line = 0; line < lines; line++) {
      const word = words[line * perLine + (first >> 3)]!;
      const last = Math.min(rows, first + 8);
      for (let row = first; row < last; row++)
        fields[row * lines + line] = (word >>> shifts[row - first]!) & 15;
    }
  return fields;
}
